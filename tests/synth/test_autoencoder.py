"""The autoencoder's maker: views that lie where they lay, weights that are checked, bytes that repeat."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from vidfake.errors import CheckpointError, ConfigError
from vidfake.synth import MAKERS, MakerClip
from vidfake.synth.autoencoder import files_of, sources_seen
from vidfake.synth.autoencoder_file import read_autoencoder, source_hash, write_tensors
from vidfake.synth.autoencoder_net import Autoencoder, AutoencoderSettings, redraw, tensor_shapes
from vidfake.synth.face_views import VIEW_LANDMARKS, back_into_crop, drawn_part, into_view, view
from vidfake.synth.version import describe_maker

POINTS = np.array([[45, 50], [83, 50], [64, 72], [48, 92], [80, 92]], float)
SETTINGS = AutoencoderSettings(32, width=4, bottleneck=16)


@pytest.fixture
def file(weights: Callable[[int], str], tmp_path: Path) -> Path:
    """A copy to damage."""
    return Path(shutil.copy(weights(0), tmp_path / "weights.safetensors"))


@pytest.fixture(scope="session")
def map_weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A file of a small, untrained autoencoder that draws pictures of any size."""
    path = tmp_path_factory.mktemp("map") / "map.safetensors"
    settings = AutoencoderSettings(32, width=4, bottleneck=4, stages=2, middle="map", upsampling="transposed")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        write_tensors(path, Autoencoder(settings).state_dict(), settings, {"steps": 0, "sources": []})
    return str(path)


def test_without_weights_those_are_taken_that_ship(clip: MakerClip) -> None:
    """They draw any size, by different networks, and far more alike than untrained ones."""
    trained = [read_autoencoder(file) for file in files_of("")]
    assert len(trained) >= 2
    assert len({one.sha256 for one in trained}) == len(trained)
    assert len({one.network.settings.upsampling for one in trained}) > 1
    for one in trained:
        assert one.network.settings.any_size
        assert one.training["held_out_error"] < 0.04
        assert one.training["sources"]
    made = MAKERS.build("autoencoder", least_matching=0.0)(clip, np.random.default_rng(0))
    assert made.parameters["weights_sha256"] in {one.sha256 for one in trained}
    with pytest.raises(ConfigError, match="'nowhere.safetensors': no such file"):
        MAKERS.build("autoencoder", weights="nowhere.safetensors")


@pytest.mark.parametrize("upsampling", ["shuffle", "transposed", "nearest"])
@pytest.mark.parametrize("stages", [1, 2, 4])
def test_a_network_with_a_map_draws_any_size(upsampling: str, stages: int) -> None:
    settings = AutoencoderSettings(32, width=4, bottleneck=3, stages=stages, middle="map", upsampling=upsampling)
    network = Autoencoder(settings)
    assert {n: tuple(t.shape) for n, t in network.state_dict().items()} == tensor_shapes(settings)
    for height, width in ((32, 32), (48, 80)):
        drawn = network(torch.rand(2, 3, height, width))
        assert drawn.shape == (2, 3, height, width)
        assert 0 <= drawn.min() <= drawn.max() <= 1
    assert network.encoder(torch.rand(1, 3, 64, 64)).shape[-1] == 64 // 2**stages


def test_a_map_keeps_what_is_far_away_apart() -> None:
    """A picture changed in one corner is drawn otherwise there, and nowhere else."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = Autoencoder(AutoencoderSettings(64, 4, 4, stages=2, middle="map")).eval()
        one = torch.rand(1, 3, 64, 64)
    other = one.clone()
    other[..., :8, :8] = 1 - other[..., :8, :8]
    with torch.no_grad():
        moved = (network(one) - network(other)).abs().amax(dim=(0, 1))
    assert moved[:8, :8].max() > 1e-4
    assert moved[40:, 40:].max() == 0


def test_whole_crops_are_drawn_without_a_seam(
    map_weights: str, clip: MakerClip, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Oracle: the crop resized, drawn by the network and enlarged, by torch alone."""
    make = MAKERS.build(
        "autoencoder", weights=map_weights, whole_share=1.0, pixels=(64, 64), sharpening=0.0, least_matching=0.0
    )
    monkeypatch.setattr("vidfake.synth.autoencoder.match_colour", lambda drawn, face, mask, share: drawn)
    made = make(clip, np.random.default_rng(0))
    assert (made.mask == 1).all()
    assert made.parameters["outline"] is None
    assert made.parameters["pixels"] == 64
    network = read_autoencoder(Path(map_weights)).network
    pictures = torch.from_numpy(clip.faces).permute(0, 3, 1, 2).float()
    small = torch.nn.functional.avg_pool2d(pictures, 2).round() / 255
    with torch.no_grad():
        drawn = 255 * network(small)
    mode = {"linear": "bilinear", "cubic": "bicubic"}[made.parameters["enlarging"]]
    wanted = torch.nn.functional.interpolate(drawn, size=128, mode=mode).permute(0, 2, 3, 1).clamp(0, 255).numpy()
    assert np.abs(made.faces - wanted).mean() < 1


def test_pictures_of_a_map_are_drawn_at_sizes_of_the_span(map_weights: str, clip: MakerClip) -> None:
    make = MAKERS.build("autoencoder", weights=map_weights, pixels=(48, 120))
    sides = {make(clip, np.random.default_rng(seed)).parameters["pixels"] for seed in range(20)}
    assert len(sides) > 5
    assert 48 <= min(sides) < 64
    assert 96 < max(sides) <= 120
    assert not any(side % 4 for side in sides)


def test_clips_are_shared_out_among_several_weights(weights: Callable[[int], str], clip: MakerClip) -> None:
    make = MAKERS.build("autoencoder", weights=(weights(0), weights(1)))
    used = [make(clip, np.random.default_rng(seed)).parameters["weights_sha256"] for seed in range(12)]
    assert set(used) == {read_autoencoder(Path(weights(seed))).sha256 for seed in (0, 1)}


def test_whole_crops_take_a_network_that_draws_any_size(weights: Callable[[int], str]) -> None:
    with pytest.raises(ConfigError, match=r"draws pictures of 32 pixels only.*--middle map"):
        MAKERS.build("autoencoder", weights=weights(0), whole_share=0.5)


def test_torch_is_imported_only_for_this_maker() -> None:
    code = "import sys, vidfake.synth; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_network_keeps_shape_and_range() -> None:
    for pixels in (32, 48, 128):
        settings = AutoencoderSettings(pixels, width=4, bottleneck=16)
        network = Autoencoder(settings)
        drawn = network(torch.rand(2, 3, pixels, pixels))
        assert drawn.shape == (2, 3, pixels, pixels)
        assert 0 <= drawn.min() <= drawn.max() <= 1
        assert {n: tuple(t.shape) for n, t in network.state_dict().items()} == tensor_shapes(settings)


def test_faces_are_drawn_alike_alone_and_among_others_on_any_number_of_threads(
    weights: Callable[[int], str],
) -> None:
    network = read_autoencoder(Path(weights(0))).network
    views = np.random.default_rng(0).integers(0, 256, (19, 32, 32, 3), dtype=np.uint8)
    threads = torch.get_num_threads()
    together = redraw(network, views)
    assert torch.get_num_threads() == threads
    for t in (0, 15, 18):
        assert np.abs(redraw(network, views[t : t + 1])[0] - together[t]).max() < 1e-2
    tensor = torch.from_numpy(views).permute(0, 3, 1, 2) / 255
    with torch.no_grad():
        expected = 255 * network(tensor).permute(0, 2, 3, 1).numpy()
    assert np.abs(together - expected).max() < 1e-2


def test_landmarks_come_to_lie_where_the_view_has_them() -> None:
    """A crop that shows the view's own landmarks turned, sized and moved is put back to within rounding."""
    turn = 1.7 * np.array([[np.cos(0.3), -np.sin(0.3)], [np.sin(0.3), np.cos(0.3)]])
    crop = VIEW_LANDMARKS * 64 @ turn.T + (12, -5)
    matrix = into_view(crop, 64, 128)
    assert np.abs(crop @ matrix[:, :2].T + matrix[:, 2] - VIEW_LANDMARKS * 64).max() < 1e-9


@pytest.mark.parametrize("enlarging", [cv2.INTER_LINEAR, cv2.INTER_CUBIC])
def test_there_and_back_lies_where_it_lay(enlarging: int) -> None:
    y, x = np.mgrid[:128, :128]
    face = np.repeat((128 + 60 * np.sin(x / 9.0) * np.cos(y / 11.0))[..., None], 3, 2).astype(np.uint8)
    turn = np.array([[np.cos(0.2), -np.sin(0.2)], [np.sin(0.2), np.cos(0.2)]])
    matrix = into_view((POINTS - 64) @ turn.T + 64, 96, 128)
    back = back_into_crop(view(face, matrix, 96).astype(np.float32), matrix, 128, enlarging=enlarging)
    inner = drawn_part(96, matrix, 128) > 0.999
    assert inner[40:100, 40:90].all()
    error = np.abs(back - face)[inner].mean()
    assert error < 1.5
    assert error < np.abs(np.roll(back, 1, 1) - face)[inner].mean() / 3


def test_the_mask_stays_within_what_was_drawn(weights: Callable[[int], str], clip: MakerClip) -> None:
    """A face twice as large as the landmarks say is not pasted beyond the view's border."""
    make = MAKERS.build("autoencoder", weights=weights(0), outlines=("face",), jitter_share=0.0)
    made = make(clip, np.random.default_rng(0))
    for t, points in enumerate(clip.landmarks):
        part = drawn_part(32, into_view(points, 32, 128), 128)
        assert (made.mask[t] <= part).all()
        assert not made.mask[t][part == 0].any()
    assert made.mask.max() > 0.99


def test_a_perfect_network_would_change_little_but_detail(
    weights: Callable[[int], str], clip: MakerClip, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the views themselves for drawings, only what a reduction to 32 pixels loses is lost."""
    monkeypatch.setattr("vidfake.synth.autoencoder_net.redraw", lambda network, views: views.astype(np.float32))
    make = MAKERS.build("autoencoder", weights=weights(0), jitter_share=0.0, sharpening=0.0)
    smooth = MakerClip(np.stack([cv2.GaussianBlur(face, (0, 0), 6) for face in clip.faces]), clip.landmarks)
    made = make(smooth, np.random.default_rng(0))
    assert np.abs(made.faces.astype(int) - smooth.faces)[made.mask > 0].mean() < 2.0


def test_every_frame_is_drawn_by_itself(weights: Callable[[int], str], still: MakerClip) -> None:
    """On a still face without jitter all frames are alike; with jitter they differ."""
    steady = MAKERS.build("autoencoder", weights=weights(0), jitter_share=0.0)(still, np.random.default_rng(1))
    assert np.ptp(steady.faces.astype(int), axis=0).max() <= 1
    shaken = MAKERS.build("autoencoder", weights=weights(0), jitter_share=0.02)(still, np.random.default_rng(1))
    assert np.ptp(shaken.faces.astype(int), axis=0).max() > 1


def test_the_key_holds_the_weights_content_and_not_their_place(weights: Callable[[int], str], file: Path) -> None:
    def told(path: str | Path) -> dict[str, Any]:
        return describe_maker(MAKERS.build("autoencoder", weights=str(path)))

    assert told(weights(0)) == told(file)
    assert told(weights(0)) != told(weights(1))
    shutil.copy(weights(1), file)
    assert told(file) == told(weights(1))


def test_equal_weights_give_equal_bytes(weights: Callable[[int], str], tmp_path: Path) -> None:
    trained = read_autoencoder(Path(weights(0)))
    training = {"steps": 3, "loss": 0.1, "sources": [source_hash("a")]}
    paths = [tmp_path / name for name in ("a.safetensors", "b.safetensors")]
    digests = [write_tensors(path, trained.network.state_dict(), SETTINGS, training) for path in paths]
    assert digests[0] == digests[1]
    assert paths[0].read_bytes() == paths[1].read_bytes()
    again = read_autoencoder(paths[0])
    assert (again.training, again.sha256) == (training, digests[0])
    assert again.seen(["a", "b"]) == ["a"]
    tables = {"autoencoder": {"weights": str(paths[0])}}
    for maker, expected in (("self_blend+autoencoder", ["a"]), ("self_blend", [])):
        assert sources_seen(maker, tables, ["a", "b"]) == expected
    assert sources_seen("autoencoder", {}, ["a"]) == []  # nor have those that ship
    assert not any(p.requires_grad for p in again.network.parameters())


def test_damage_anywhere_is_refused(file: Path) -> None:
    good = file.read_bytes()
    (length,) = struct.unpack("<Q", good[:8])
    places = [0, 7, 8, 40, length // 2, 8 + length, 8 + length + 101, len(good) - 1]
    bad = [good[:i] + bytes([good[i] ^ 1]) + good[i + 1 :] for i in places]
    bad += [b"", good[:5], good[:-4], good + b"\0\0\0\0", good[: 8 + length], b"PK\x03\x04" + good[4:]]
    bad += [struct.pack("<Q", 2**63) + good[8:], struct.pack("<Q", len(good)) + good[8:]]
    for data in bad:
        file.write_bytes(data)
        with pytest.raises(CheckpointError, match="tools/train_autoencoder"):
            read_autoencoder(file)


def test_files_that_lie_are_refused_before_memory_is_taken(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whole files by their hashes, but of other tensors, settings or versions than they may have."""
    state = read_autoencoder(file).network.state_dict()

    def refused(message: str, tensors: dict[str, torch.Tensor], settings: Any = SETTINGS, **values: str) -> None:
        path = tmp_path / "other.safetensors"
        write_tensors(path, tensors, settings, {}, **values)
        with pytest.raises(CheckpointError, match=message):
            read_autoencoder(path)

    larger = AutoencoderSettings(128, width=64, bottleneck=1024)
    refused("do not fit its settings", dict(state), larger)
    refused("missing: reduce.bias", {n: t for n, t in state.items() if n != "reduce.bias"})
    refused("not expected: more", {**state, "more": torch.zeros(1)})
    refused("reduce.bias: .* instead of", {**state, "reduce.bias": torch.zeros(17)})
    refused("not finite", {**state, "reduce.bias": torch.full((16,), torch.nan)})
    refused("holds 'something'", dict(state), kind="something")
    monkeypatch.setattr("vidfake.synth.autoencoder_file.FORMAT_VERSION", 3)
    write_tensors(tmp_path / "newer.safetensors", state, SETTINGS, {})
    monkeypatch.setattr("vidfake.synth.autoencoder_file.FORMAT_VERSION", 2)
    with pytest.raises(CheckpointError, match="made by a newer vidfake"):
        read_autoencoder(tmp_path / "newer.safetensors")
    monkeypatch.setattr("vidfake.synth.autoencoder_file.MAX_BYTES", 1000)
    with pytest.raises(CheckpointError, match="no autoencoder has over 1000"):
        read_autoencoder(file)


def test_what_is_no_regular_file_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.safetensors")
    for path in (tmp_path, tmp_path / "pipe.safetensors"):
        with pytest.raises(ConfigError, match="no such file"):
            read_autoencoder(path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"outlines": ("nose",)}, "'nose' in outlines is unknown"),
        ({"jitter_share": 0.2}, "jitter_share is 0.2"),
        ({"least_matching": 1.2}, "least_matching is 1.2"),
        ({"sharpening": -1.0}, "sharpening is -1.0"),
        ({"whole_share": 1.5}, "whole_share is 1.5"),
        ({"pixels": (64, 1024)}, "pixels is"),
    ],
)
def test_wrong_options_are_refused(weights: Callable[[int], str], options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        MAKERS.build("autoencoder", weights=weights(0), **options)


@pytest.mark.parametrize(
    "wrong",
    [
        {"pixels": 40}, {"pixels": 256}, {"pixels": 512}, {"width": 0}, {"bottleneck": True}, {"stages": 0},
        {"middle": "wide"}, {"upsampling": "cubic"},
    ],
)  # fmt: skip
def test_wrong_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        AutoencoderSettings(**wrong)


def test_parameters_say_which_weights(weights: Callable[[int], str], clip: MakerClip) -> None:
    made = MAKERS.build("autoencoder", weights=weights(0))(clip, np.random.default_rng(0))
    assert made.parameters["weights_sha256"] == read_autoencoder(Path(weights(0))).sha256
    json.dumps(made.parameters, allow_nan=False)
