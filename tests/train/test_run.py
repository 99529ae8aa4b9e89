"""A training run: it learns, it selects on validation, it resumes to the last bit, and it says what is wrong."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from toy_runs import toy_config, write_toy_store

from vidfake.data.provenance import training_facts
from vidfake.data.store import ClipStore
from vidfake.data.store_index import StoredClip
from vidfake.errors import ConfigError, SamplerError
from vidfake.inference.load import load_detector
from vidfake.inference.predict import predict
from vidfake.metrics.levels import video_auc
from vidfake.models.checkpoint import load_checkpoint
from vidfake.scores import ScoreTable
from vidfake.settings import DataSettings, EncoderSettings, LossSettings, RunConfig, SamplerSettings
from vidfake.train.data import build_data, split_records
from vidfake.train.loop import InterruptedRunError
from vidfake.train.run import train_run
from vidfake.types import ByteArray, VideoRecord


def weights(checkpoint: Path) -> dict[str, torch.Tensor]:
    loaded = load_checkpoint(checkpoint)
    return {**loaded.detector.state_dict(), **{f"loss.{k}": v for k, v in loaded.loss_state.items()}}


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


@pytest.fixture(scope="module")
def finished(toy_store: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[RunConfig, Path]:
    """One undisturbed run of four epochs."""
    config = toy_config(toy_store, tmp_path_factory.mktemp("runs"))
    config = replace(config, optim=replace(config.optim, epochs=4))
    return config, train_run(config).folder


def test_a_run_learns_and_leaves_what_it_promises(finished: tuple[RunConfig, Path]) -> None:
    _, folder = finished
    result = json.loads((folder / "result.json").read_text())
    assert result["validation"]["video_auc"] > 0.95
    assert result["validation"]["frame_auc"] > 0.9
    assert result["validation"]["coverage"] == pytest.approx(12 / 13), "a video without a face is not forgotten"
    log = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    steps = [line["step"] for line in log if line["kind"] == "train"]
    assert steps == list(range(1, len(steps) + 1))
    assert [line["epoch"] for line in log if line["kind"] == "validation"] == [1, 2, 3, 4]
    table = ScoreTable.read(folder / "validation.jsonl")
    assert len(table) == 13
    assert set(table.split) == {"validation"}
    apart = result["validation_by_manipulation"]
    assert set(apart) == {"mouth", "swap"}
    for name, figures in apart.items():
        fakes = table.manipulation == name
        sources = set(table.source_id[fakes])
        rows = table.select(fakes | ((table.label == 0) & np.isin(table.source_id, list(sources))))
        assert figures["video_auc"] == pytest.approx(video_auc(rows))
    detector = load_detector(folder / "best.vidfake")
    assert detector.calibration is not None
    assert detector.checkpoint.class_names == ("real", "mouth", "swap")
    for readout in ("native", "prototype", "probe", "knn"):
        assert load_detector(folder / "best.vidfake", readout=readout).readout_name == readout


def test_a_stopped_and_resumed_run_gives_the_same_weights_bit_for_bit(
    finished: tuple[RunConfig, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, folder = finished
    config = replace(config, out=str(tmp_path))
    stop_at = [5]  # the middle of the second epoch

    def request(stage: str, done: int, total: int | None) -> None:
        if stage.startswith("epoch"):
            stop_at[0] -= 1
            if stop_at[0] == 0:
                import os
                import signal

                os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(InterruptedRunError, match=r"SIGTERM .* --resume") as caught:
        train_run(config, report=request)
    assert caught.value.exit_code == 130
    assert not (tmp_path / "toy" / "result.json").exists()
    torch.manual_seed(999)
    resumed = train_run(config, resume=True).folder
    assert same(weights(resumed / "best.vidfake"), weights(folder / "best.vidfake"))
    assert same(weights(resumed / "last.vidfake"), weights(folder / "last.vidfake"))
    steps = [
        json.loads(line)["step"] for line in (resumed / "log.jsonl").read_text().splitlines() if '"train"' in line
    ]
    assert steps == list(range(1, len(steps) + 1)), "no step twice, none left out"


def test_shuffled_labels_cannot_be_learnt(tmp_path: Path) -> None:
    store = write_toy_store(tmp_path / "store", shuffled=True)
    config = toy_config(store, tmp_path)
    result = train_run(config)
    assert result.metrics["video_auc"] < 0.9


def test_all_the_extras_of_training_at_once(toy_store: Path, tmp_path: Path) -> None:
    """SAM, averaged weights, bfloat16, attribution, fakes made on the fly, a P×K sampler, augmentation."""
    config = toy_config(
        toy_store,
        tmp_path,
        loss=LossSettings(name="arcface + 0.01*center", task="manipulation"),
        data=DataSettings(
            store=str(toy_store),
            augment=("flip", "time_mask"),
            train_num_frames=3,
            validation_augment=("jpeg", "downscale"),
            augment_options={"jpeg": {"probability": 1.0}},
            workers=0,
            makers=("self_blend",),
            sampler=SamplerSettings(name="pk", options={"classes_per_batch": 4, "clips_per_class": 2}),
        ),
    )
    optim = replace(config.optim, epochs=1, sam_rho=0.05, ema_decay=0.9, autocast="bfloat16")
    result = train_run(replace(config, optim=optim))
    assert load_checkpoint(result.checkpoint).class_names == ("real", "mouth", "self_blend", "swap")
    assert result.metrics["video_auc"] is not None


def test_accumulated_batches_take_fewer_steps(toy_store: Path, tmp_path: Path) -> None:
    config = toy_config(toy_store, tmp_path)
    config = replace(config, optim=replace(config.optim, epochs=1, accumulate=2, batch_size=4))
    folder = train_run(config).folder
    log = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    assert sum(line["kind"] == "train" for line in log) == 4  # 16 real clips, 2 per batch, 2 batches per step


def test_cached_features_train_the_head_and_give_a_detector_of_pictures(toy_store: Path, tmp_path: Path) -> None:
    config = toy_config(toy_store, tmp_path)
    config = replace(
        config,
        data=replace(config.data, cache_features=True),
        model=replace(config.model, encoder=replace(config.model.encoder, frozen=True)),
        optim=replace(config.optim, epochs=2),
    )
    calls: list[str] = []
    first = train_run(config, report=lambda stage, done, total: calls.append(stage))
    assert any("feature" in stage for stage in calls)
    calls.clear()
    train_run(replace(config, name="again"), report=lambda stage, done, total: calls.append(stage))
    assert not any("feature" in stage for stage in calls), "the second run reads what the first computed"
    assert same(weights(first.checkpoint), weights(tmp_path / "again" / "best.vidfake"))
    detector = load_detector(first.checkpoint)
    table = ScoreTable.read(first.folder / "validation.jsonl")
    scored = predict(detector.scorer, build_data(config).validation)
    assert torch.allclose(torch.tensor(scored.clip_score), torch.tensor(table.clip_score), atol=1e-4)


def test_a_student_learns_from_a_teacher(finished: tuple[RunConfig, Path], toy_store: Path, tmp_path: Path) -> None:
    _, teacher = finished
    config = toy_config(toy_store, tmp_path)
    needy = replace(config, loss=LossSettings(name="softmax + teacher_triplet"))
    with pytest.raises(ConfigError, match="loss.teacher=RUN"):
        train_run(needy)
    loss = replace(needy.loss, teacher=str(teacher / "best.vidfake"))
    result = train_run(replace(needy, name="student", loss=loss, optim=replace(config.optim, epochs=2)))
    assert result.metrics["video_auc"] > 0.9


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"data": DataSettings(store="")}, ConfigError, "data.store is empty"),
        ({"data": {"train_split": "nope"}}, ConfigError, "splits are"),
        ({"data": {"validation_split": "train"}}, ConfigError, "both 'train'"),
        ({"optim": {"sam_rho": 0.1, "accumulate": 2}}, ConfigError, "accumulate must be 1"),
        (
            {
                "loss": LossSettings(name="supcon", task="manipulation"),
                "data": {"sampler": SamplerSettings("balanced")},
            },
            SamplerError,
            "classes_per_batch",
        ),
        ({"data": {"cache_features": True}}, ConfigError, "frozen=true"),
        ({"data": {"augment_options": {"h264": {"crf_low": 30}}}}, ConfigError, "'h264', which is in neither"),
        ({"data": {"maker_options": {"mouth_replace": {}}}}, ConfigError, "'mouth_replace', which is in neither"),
        (
            {"data": {"makers": ("self_blend",), "maker_options": {"self_blend": 0.1}}},
            ConfigError,
            "it is a table of options",
        ),
        (
            {"data": {"makers": ("self_blend",), "maker_options": {"self_blend": {"drift": "x"}}}},
            ConfigError,
            "self_blend: drift",
        ),
        (
            {"data": {"makers": ("autoencoder",), "maker_options": {"autoencoder": {"weights": "no.file"}}}},
            ConfigError,
            "'no.file': no such file",
        ),
        (
            {
                "data": {"validation_augment": ("jpeg",), "cache_features": True},
                "model": {"encoder": EncoderSettings(name="mobilenet_v3_small", weights="none", frozen=True)},
            },
            ConfigError,
            "degrades pictures",
        ),
        ({"data": {"train_num_frames": 99}}, ConfigError, "train_num_frames is 99"),
        ({"name": "../x"}, ConfigError, "plain folder name"),
    ],
)
def test_what_cannot_be_is_said_before_the_first_step(
    toy_store: Path, tmp_path: Path, changes: dict[str, object], error: type[Exception], words: str
) -> None:
    config = toy_config(toy_store, tmp_path)
    for key, value in changes.items():
        new = replace(getattr(config, key), **value) if isinstance(value, dict) else value
        config = replace(config, **{key: new})
    with pytest.raises(error, match=words):
        train_run(config)


def test_a_folder_with_a_run_is_not_overwritten(finished: tuple[RunConfig, Path]) -> None:
    config, _ = finished
    with pytest.raises(ConfigError, match="already holds a run"):
        train_run(config)


def test_a_run_with_other_settings_is_not_resumed(finished: tuple[RunConfig, Path]) -> None:
    from vidfake.errors import CheckpointError

    config, _ = finished
    with pytest.raises(CheckpointError, match="other settings"):
        train_run(replace(config, seed=1), resume=True)


@dataclass
class Listed:
    """Of a stored video, what splitting reads."""

    record: VideoRecord


def test_where_no_row_names_a_split_all_train(
    toy_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And a part of them is held out; one row that names another split is enough to ask for `train`."""
    config, store = toy_config(toy_store, tmp_path), ClipStore(toy_store)
    records = [replace(video.record, split="") for video in store.videos]
    monkeypatch.setattr(store, "videos", [Listed(record) for record in records])
    train, held_out = split_records(config, store)
    assert sorted(r.video_id for r in [*train, *held_out]) == sorted(r.video_id for r in records)
    assert train
    assert held_out
    assert not {r.source_id for r in train} & {r.source_id for r in held_out}
    monkeypatch.setattr(store, "videos", [Listed(replace(records[0], split="test")), *map(Listed, records[1:])])
    with pytest.raises(ConfigError, match=r"splits are \['', 'test'\]"):
        split_records(config, store)


def test_a_run_on_a_trained_encoder_has_seen_what_that_has_seen(
    finished: tuple[RunConfig, Path], toy_store: Path, tmp_path: Path
) -> None:
    earlier = finished[1] / "best.vidfake"
    config = toy_config(toy_store, tmp_path)
    encoder = replace(config.model.encoder, weights=str(earlier), frozen=True)
    config = replace(
        config,
        model=replace(config.model, encoder=encoder),
        data=replace(
            config.data,
            cache_features=True,
            augment=(),
            train_split="validation",
            validation_split="none",
            validation_fraction=0.5,
        ),
        optim=replace(config.optim, epochs=1),
    )
    later = load_checkpoint(train_run(config).folder / "best.vidfake")
    first = load_checkpoint(earlier)
    own = build_data(config)
    facts = training_facts([*own.training.records.values(), *own.validation.records.values()])
    assert set(later.extra["training_sources"]) >= set(first.extra["training_sources"])
    assert set(facts["training_sources"]) <= set(later.extra["training_sources"])
    assert set(later.extra["training_sources"]) > set(facts["training_sources"])
    for name, tensor in first.detector.encoder.state_dict().items():
        assert torch.equal(later.detector.encoder.state_dict()[name], tensor)


def test_fakes_of_a_still_face_are_skipped_and_counted(toy_store: Path, tmp_path: Path) -> None:
    """One training video and one of validation stand still: the run goes on without their fakes over time."""
    config = toy_config(toy_store, tmp_path)
    config = replace(
        config,
        data=replace(config.data, makers=("temporal_face", "self_blend"), leave_out=("swap", "mouth")),
        optim=replace(config.optim, epochs=3),
    )
    data = build_data(config)
    still = {next(r for r in data.training.records), next(r for r in data.validation.records if r != "empty")}
    read = ClipStore.read_faces

    def frozen(self: ClipStore, clip: StoredClip, frames: slice = slice(None)) -> ByteArray:
        faces = read(self, clip, frames)
        return np.repeat(faces[:1], len(faces), axis=0) if clip.video.video_id in still else faces

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ClipStore, "read_faces", frozen)
        run = train_run(config)
    counted = json.loads((run.folder / "result.json").read_text())["made_fakes"]
    assert counted == run.made_fakes
    (in_training,) = still & set(data.training.records)
    assert counted["never_made"] == [f"{in_training}#temporal_face"]
    assert counted["left_out_of_validation"] == 2
    assert counted["skipped"]["self_blend"] == 0 < counted["skipped"]["temporal_face"]
    log = [json.loads(line) for line in (run.folder / "log.jsonl").read_text().splitlines()]
    assert sum(line.get("skipped_fakes", 0) for line in log) == counted["skipped"]["temporal_face"]
    ids = set(ScoreTable.read(run.folder / "validation.jsonl").video_id.tolist())
    (in_validation,) = still - {in_training}
    assert f"{in_validation}#self_blend" in ids
    assert f"{in_validation}#temporal_face" not in ids
