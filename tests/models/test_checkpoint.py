"""Checkpoints: what is saved comes back bit for bit; what was changed, cut, forged or of the future is refused."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save
from torch import Tensor

from vidfake.errors import CheckpointError, StorageError, VidfakeError
from vidfake.files import sha256_json
from vidfake.models import Detector, build_detector, checkpoint_files, load_checkpoint, save_checkpoint
from vidfake.models.checkpoint_files import JSON_NAME, NEXT_TENSORS_NAME, TENSORS_NAME
from vidfake.settings import AggregatorSettings, EncoderSettings, ExtractSettings, ModelSettings, RunConfig

MODEL = ModelSettings(
    # "imagenet": loading must not look for the file, which this encoder could not find without a network
    encoder=EncoderSettings(name="mobilenet_v3_small", weights="imagenet", input_size=32),
    aggregator=AggregatorSettings(options={"width": 16, "positions": "learned", "frame_difference": True}),
    embedding_dim=4,
    embedding_norm="batch",
)
CONFIG = RunConfig(name="r", extract=ExtractSettings(num_frames=4, min_frames=2), model=MODEL)


@pytest.fixture(scope="module")
def detector() -> Detector:
    torch.manual_seed(3)
    detector = build_detector(MODEL, num_frames=4, load_pretrained=False).train()
    detector(*inputs())  # moves the BatchNorm statistics off their initial values
    return detector.eval()


def inputs() -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(5)
    frames = torch.randint(0, 256, (2, 4, 3, 32, 32), dtype=torch.uint8, generator=generator)
    mask = torch.tensor([[True] * 4, [True, True, True, False]])
    return frames, mask, torch.arange(4).mul(0.04).expand(2, 4)


def write(path: Path, detector: Detector, **changes: Any) -> str:
    values: dict[str, Any] = {
        "detector_state": detector.state_dict(),
        "config": CONFIG,
        "class_names": ("real", "fake"),
        "loss_state": {"weights": torch.arange(8.0).view(2, 4)},
        "readout_state": {"probe.coefficients": torch.tensor([0.25, -1.0])},
        "calibration": {"slope": 1.5, "offset": -0.1},
        "metrics": {"video_auc": 0.75, "eer": float("nan")},
        "extra": {"thresholds": {"likely_fake": 0.5}},
    }
    return save_checkpoint(path, **{**values, **changes})


@pytest.fixture
def checkpoint(tmp_path: Path, detector: Detector) -> Path:
    path = tmp_path / "best.vidfake"
    write(path, detector)
    return path


def edit_json(checkpoint: Path, change: Callable[[dict[str, Any]], None], *, seal: bool = True) -> None:
    """Change checkpoint.json, and with `seal` make its own hash fit again: a forger can do that too."""
    content = json.loads((checkpoint / JSON_NAME).read_text())
    change(content)
    if seal:
        content.pop("json_sha256")
        content["json_sha256"] = sha256_json(content)
    (checkpoint / JSON_NAME).write_text(json.dumps(content))


def replace_tensors(checkpoint: Path, tensors: dict[str, Tensor]) -> None:
    """Other tensors with a description that fits their bytes."""
    data = save(tensors)
    (checkpoint / TENSORS_NAME).write_bytes(data)
    facts = {"bytes": len(data), "sha256": sha256(data).hexdigest()}
    edit_json(checkpoint, lambda content: content.update(tensors=facts))


def test_round_trip_is_bitwise(checkpoint: Path, detector: Detector) -> None:
    loaded = load_checkpoint(checkpoint)
    state = loaded.detector.state_dict()
    assert state.keys() == detector.state_dict().keys()
    for name, tensor in detector.state_dict().items():
        assert state[name].dtype == tensor.dtype
        assert torch.equal(state[name], tensor)
    with torch.no_grad():
        for a, b in zip(detector(*inputs())[:3], loaded.detector(*inputs())[:3], strict=True):
            assert torch.equal(a, b)
    assert not loaded.detector.training


def test_everything_else_comes_back(checkpoint: Path) -> None:
    loaded = load_checkpoint(checkpoint)
    assert loaded.config == CONFIG
    assert loaded.extract == CONFIG.extract
    assert loaded.class_names == ("real", "fake")
    assert loaded.calibration == {"slope": 1.5, "offset": -0.1}
    assert loaded.metrics == {"video_auc": 0.75, "eer": None}
    assert loaded.extra == {"thresholds": {"likely_fake": 0.5}}
    assert torch.equal(loaded.loss_state["weights"], torch.arange(8.0).view(2, 4))
    assert torch.equal(loaded.readout_state["probe.coefficients"], torch.tensor([0.25, -1.0]))
    assert loaded.versions["torch"] == torch.__version__.split("+")[0]


@pytest.mark.parametrize("name", ["", JSON_NAME, TENSORS_NAME])
def test_folder_or_either_file_may_be_named(checkpoint: Path, name: str) -> None:
    assert load_checkpoint(checkpoint / name).path == checkpoint


def test_equal_content_gives_equal_bytes(tmp_path: Path, detector: Detector) -> None:
    digests = {write(tmp_path / name, detector) for name in ("a", "b")}
    assert len(digests) == 1
    for name in (JSON_NAME, TENSORS_NAME):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_files_hold_what_is_documented(checkpoint: Path) -> None:
    tensors = load_file(checkpoint / TENSORS_NAME)
    assert {name.partition(".")[0] for name in tensors} == {"detector", "loss", "readout"}
    assert sorted(path.name for path in checkpoint.iterdir()) == [JSON_NAME, TENSORS_NAME]
    assert [path.name for path in checkpoint.parent.iterdir()] == ["best.vidfake"]


def test_loading_leaves_the_random_state_alone(checkpoint: Path) -> None:
    before = torch.get_rng_state()
    load_checkpoint(checkpoint)
    assert torch.equal(before, torch.get_rng_state())


def test_frozen_encoder_comes_back_frozen(tmp_path: Path, detector: Detector) -> None:
    encoder = dataclasses.replace(MODEL.encoder, frozen=True)
    config = dataclasses.replace(CONFIG, model=dataclasses.replace(MODEL, encoder=encoder))
    write(tmp_path / "f", detector, config=config)
    loaded = load_checkpoint(tmp_path / "f").detector.train()
    assert not loaded.encoder.training
    assert not any(p.requires_grad for p in loaded.encoder.parameters())


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    where=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7), name=st.sampled_from([JSON_NAME, TENSORS_NAME])
)
def test_any_flipped_bit_is_refused(checkpoint: Path, where: float, bit: int, name: str) -> None:
    path = checkpoint / name
    original = path.read_bytes()
    data = bytearray(original)
    data[int(where * len(data))] ^= 1 << bit
    path.write_bytes(data)
    try:
        with pytest.raises(CheckpointError, match="checkpoint.json|model.safetensors"):
            load_checkpoint(checkpoint)
    finally:
        path.write_bytes(original)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0, 1, exclude_max=True), name=st.sampled_from([JSON_NAME, TENSORS_NAME]))
def test_any_truncation_is_refused(checkpoint: Path, share: float, name: str) -> None:
    path = checkpoint / name
    original = path.read_bytes()
    path.write_bytes(original[: int(share * (len(original) - 1))])  # the last byte is a newline
    try:
        with pytest.raises(CheckpointError):
            load_checkpoint(checkpoint)
    finally:
        path.write_bytes(original)


def test_changed_tensors_are_refused_by_hash(checkpoint: Path) -> None:
    path = checkpoint / TENSORS_NAME
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match=r"model.safetensors: changed since it was written"):
        load_checkpoint(checkpoint)


def test_newer_format_is_refused(checkpoint: Path) -> None:
    edit_json(checkpoint, lambda content: content.update(format_version=3))
    with pytest.raises(CheckpointError, match="made by a newer vidfake"):
        load_checkpoint(checkpoint)


def test_newer_setting_is_refused(checkpoint: Path) -> None:
    edit_json(checkpoint, lambda content: content["config"]["model"].update(telepathy=True))
    with pytest.raises(CheckpointError, match=r"Unknown setting 'model.telepathy'"):
        load_checkpoint(checkpoint)


@pytest.mark.parametrize("name", [JSON_NAME, TENSORS_NAME])
def test_missing_file_is_named(checkpoint: Path, name: str) -> None:
    (checkpoint / name).unlink()
    with pytest.raises(CheckpointError, match=name):
        load_checkpoint(checkpoint)


def test_no_checkpoint_at_all(tmp_path: Path) -> None:
    (tmp_path / "text.vidfake").write_text("hello")
    for name in ("absent", "text.vidfake", ""):
        with pytest.raises(CheckpointError, match="no checkpoint there"):
            load_checkpoint(tmp_path / name)


def test_missing_and_extra_and_reshaped_tensors_are_named(checkpoint: Path) -> None:
    tensors = load_file(checkpoint / TENSORS_NAME)
    weight = tensors.pop("detector.frame_head.weight")
    replace_tensors(checkpoint, {**tensors, "detector.frame_tail.weight": weight, "virus.x": torch.zeros(1)})
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(checkpoint)
    for words in ("missing: detector.frame_head.weight", "not expected: detector.frame_tail", "virus.x"):
        assert words in str(caught.value)
    replace_tensors(checkpoint, {**tensors, "detector.frame_head.weight": weight[:, :3].clone()})
    with pytest.raises(CheckpointError, match=r"frame_head.weight: \(1, 3\) torch.float32 instead of \(1, 576\)"):
        load_checkpoint(checkpoint)
    replace_tensors(checkpoint, {**tensors, "detector.frame_head.weight": weight.half()})
    with pytest.raises(CheckpointError, match=r"torch.float16 instead of"):
        load_checkpoint(checkpoint)


def test_sizes_are_compared_before_a_detector_is_made(checkpoint: Path) -> None:
    """A forged config asks for layers of hundreds of GiB; it must be refused without making it."""

    def grow(content: dict[str, Any]) -> None:
        content["config"]["model"]["embedding_dim"] = 65536
        content["config"]["model"]["aggregator"]["options"].update(width=2**18, heads=1)

    edit_json(checkpoint, grow)
    with pytest.raises(CheckpointError, match="do not fit the config"):
        load_checkpoint(checkpoint)


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c["config"]["model"]["encoder"].update(name="../../etc/passwd"),
        lambda c: c["config"]["model"]["encoder"].update(input_size=-1),
        lambda c: c["config"]["model"]["encoder"].update(options={"width_mult": "wide"}),
        lambda c: c["config"]["model"]["aggregator"].update(options={"depth": 10**9}),
        lambda c: c["config"]["model"]["aggregator"].update(options={"width": 10**30, "heads": 1}),
        lambda c: c["config"]["model"]["aggregator"].update(options={"width": "wide"}),
        lambda c: c["config"].update(model=None),
        lambda c: c.update(class_names=[1, 2]),
        lambda c: c.update(class_names={"a": 1}),
        lambda c: c.update(config=[]),
        lambda c: c.update(metrics=None),
        lambda c: c.update(tensors={"bytes": "many", "sha256": None}),
        lambda c: c.update(tensors=[]),
        lambda c: c.update(extract={"num_frames": 0}),
        lambda c: c.update(format="other"),
        lambda c: c.update(format_version="1"),
        lambda c: c.update(format_version=0),
    ],
)
def test_forged_descriptions_are_refused(checkpoint: Path, change: Callable[[dict[str, Any]], None]) -> None:
    edit_json(checkpoint, change)
    with pytest.raises(CheckpointError):
        load_checkpoint(checkpoint)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", "[" * 200_000, '{"a": NaN}', '"\\ud800"', "1" * 10_000, "\xff"]
)
def test_json_that_is_none_is_refused(checkpoint: Path, text: str) -> None:
    (checkpoint / JSON_NAME).write_bytes(text.encode("latin-1"))
    with pytest.raises(CheckpointError, match=JSON_NAME):
        load_checkpoint(checkpoint)


def test_pickled_weights_are_not_read(checkpoint: Path) -> None:
    torch.save({"x": torch.zeros(1)}, checkpoint / TENSORS_NAME)
    data = (checkpoint / TENSORS_NAME).read_bytes()
    facts = {"bytes": len(data), "sha256": sha256(data).hexdigest()}
    edit_json(checkpoint, lambda content: content.update(tensors=facts))
    with pytest.raises(CheckpointError, match="not a safetensors file"):
        load_checkpoint(checkpoint)


def test_a_crash_at_any_step_leaves_one_whole_checkpoint(
    checkpoint: Path, detector: Detector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every rename of a save is made to fail in turn, as if the machine had died there."""
    real = os.replace

    class DeadError(BaseException):
        pass

    def dying(remaining: list[int], *, before: bool) -> Callable[..., None]:
        def replace(source: Any, target: Any) -> None:
            remaining[0] -= 1
            if remaining[0] >= 0:
                return real(source, target)
            if not before:
                real(source, target)
            raise DeadError

        return replace

    for step in range(3):
        for before in (True, False):
            new = {"n": step, "before": before}
            monkeypatch.setattr(os, "replace", dying([step], before=before))
            with pytest.raises(DeadError):
                write(checkpoint, detector, metrics=new, loss_state={"weights": torch.full((1,), float(step))})
            monkeypatch.setattr(os, "replace", real)
            loaded = load_checkpoint(checkpoint)
            is_new = step > 1 or (step == 1 and not before)
            assert (loaded.metrics == new) is is_new
            if is_new:
                assert loaded.loss_state["weights"].item() == step
    write(checkpoint, detector)
    assert sorted(path.name for path in checkpoint.iterdir()) == [JSON_NAME, TENSORS_NAME]


def test_a_crash_in_the_first_save_leaves_no_half_checkpoint(
    tmp_path: Path, detector: Detector, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint_files, "write_json", failing)
    with pytest.raises(StorageError, match="No space left"):
        write(tmp_path / "new.vidfake", detector)
    assert list(tmp_path.iterdir()) == []


def test_stale_next_tensors_are_ignored_and_used_only_by_hash(checkpoint: Path) -> None:
    shutil.copy(checkpoint / TENSORS_NAME, checkpoint / NEXT_TENSORS_NAME)
    (checkpoint / TENSORS_NAME).write_bytes(b"older")
    assert load_checkpoint(checkpoint).class_names == ("real", "fake")
    (checkpoint / NEXT_TENSORS_NAME).write_bytes(b"other")
    with pytest.raises(CheckpointError, match="5 bytes instead of"):
        load_checkpoint(checkpoint)


def test_unwritable_place_is_a_storage_error(tmp_path: Path, detector: Detector) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError):
        write(tmp_path / "file" / "x.vidfake", detector)


def test_shared_tensors_are_stored_apart(tmp_path: Path, detector: Detector) -> None:
    shared = torch.arange(3.0)
    write(tmp_path / "s", detector, loss_state={"a": shared, "b": shared})
    loaded = load_checkpoint(tmp_path / "s").loss_state
    assert torch.equal(loaded["a"], loaded["b"])


def test_checkpoint_errors_carry_the_usage_exit_code() -> None:
    assert CheckpointError("x").exit_code == 2
    assert issubclass(CheckpointError, VidfakeError)
