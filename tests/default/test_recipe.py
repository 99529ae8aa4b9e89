"""From manifests to a shippable detector: test rows stay out, every stage is skipped once it is done."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import cv2
import pytest
import torch
from commands import face_video
from toy_runs import TOY_ENCODER

from vidfake.config import load
from vidfake.data.manifest import read_manifest
from vidfake.data.store import ClipStore
from vidfake.default.card import read_card
from vidfake.default.recipe import (
    data_used,
    fewest,
    read_changes,
    recipe,
    trained,
    training_records,
    written,
)
from vidfake.demo.media import portrait
from vidfake.errors import ConfigError, ManifestError, ProtocolError, UsageError
from vidfake.models.checkpoint import load_checkpoint
from vidfake.settings import RunConfig
from vidfake.train.data import check_options

HEADER = "video_id,path,label,source_id,identity,split,origin,license\n"
CONFIG = f"""
name = "toy_default"
[extract]
crop_size = 64
num_frames = 4
min_frames = 2
[data]
makers = ["self_blend"]
augment = []
workers = 0
[data.sampler]
name = "source_paired"
options = {{ steps = 2 }}
[model]
embedding_dim = 8
encoder = {{ name = "{TOY_ENCODER}", weights = "none", input_size = 32 }}
aggregator = {{ name = "mean" }}
[optim]
epochs = 1
batch_size = 4
"""


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two training videos, one for validation, a photograph; a test row whose file does not exist."""
    folder = tmp_path_factory.mktemp("media")
    for number in range(3):
        face_video(folder / f"{number}.mp4", frames=20, seed=number)
    cv2.imwrite(str(folder / "photo.png"), cv2.cvtColor(portrait(), cv2.COLOR_RGB2BGR))
    rows = [
        "a,0.mp4,0,sa,anna,train,studio:0.mp4,CC0",
        "b,1.mp4,0,sb,bert,train,studio:1.mp4,CC0",
        "c,2.mp4,0,sc,cleo,validation,park:2.mp4,",
        "d,not-there.mp4,1,sd,dora,test,web:x.mp4,unknown",
    ]
    (folder / "videos.csv").write_text(HEADER + "\n".join(rows) + "\n")
    (folder / "images.csv").write_text("path,identity,origin,license\nphoto.png,eva,museum,public domain\n")
    (folder / "toy.toml").write_text(CONFIG)
    return folder


def test_test_rows_are_dropped_before_any_file_is_opened(media: Path, tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"not-there.mp4"):
        read_manifest(media / "videos.csv")
    records = training_records(media / "videos.csv", media / "images.csv")
    assert [(r.video_id, r.split, r.label) for r in records] == [
        ("a", "train", 0), ("b", "train", 0), ("c", "validation", 0), ("photo.png", "train", 0),
    ]  # fmt: skip
    kept = written(records, tmp_path / "training.csv")
    assert kept == records
    assert "not-there" not in (tmp_path / "training.csv").read_text()


def test_a_missing_training_file_is_an_error_that_names_it(media: Path, tmp_path: Path) -> None:
    (tmp_path / "videos.csv").write_text(HEADER + "a,gone.mp4,0,sa,,train,,\n")
    records = training_records(tmp_path / "videos.csv")
    with pytest.raises(ManifestError, match=r"gone.mp4"):
        written(records, tmp_path / "out" / "training.csv")


def test_further_passes_start_from_the_encoders_before_them(
    media: Path, tmp_path: Path, train_tool: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, files = tmp_path / "out", [tmp_path / "second.toml", tmp_path / "third.toml"]
    files[0].write_text('set = ["data.makers=[\'mouth_replace\']", "model.embedding_dim=4"]\n')
    files[1].write_text('set = ["model.encoder.frozen=true"]\n')
    arguments = [
        str(media / "videos.csv"), str(media / "images.csv"), str(out), "--config", str(media / "toy.toml"),
        "--workers", "1", "--smoke", "--set", "model.encoder.input_size=32",
        *(part for file in files for part in ("--then", str(file))),
    ]  # fmt: skip
    assert train_tool.main(arguments) == 0
    parts = ("pass1", "pass2", ".")
    runs = [load_checkpoint(out / part / "runs" / "toy_default" / "best.vidfake") for part in parts]
    assert [run.config.data.makers[0] for run in runs] == ["self_blend", "mouth_replace", "self_blend"]
    assert [run.config.model.embedding_dim for run in runs] == [8, 4, 8]
    first, second, third = (dict(run.detector.encoder.named_parameters()) for run in runs)
    assert any(not torch.allclose(first[name], second[name]) for name in first)
    for name, tensor in third.items():
        torch.testing.assert_close(tensor, (first[name] + second[name]) / 2)
    card = read_card(out / "shipped")
    assert card is not None
    assert card.weights.source_sha256 == runs[2].sha256

    moved = out.rename(tmp_path / "moved")
    again = [argument.replace(str(out), str(moved)) for argument in arguments]
    monkeypatch.setattr("vidfake.default.recipe.train_run", lambda *_, **__: pytest.fail("trained again"))
    assert train_tool.main(again) == 0
    files[0].write_text("steps = 3\n")
    assert train_tool.main(again) == 2


def test_the_further_passes_of_the_recipe_can_be(train_tool: ModuleType) -> None:
    """Their changes are settings of the config they are made to, and each of them changes something."""
    before = load(RunConfig, train_tool.CONFIG)
    for path in train_tool.PASSES:
        changes = read_changes(path)
        for change in changes:
            assert load(RunConfig, train_tool.CONFIG, [change]) != before, change
        check_options(load(RunConfig, train_tool.CONFIG, changes))


@pytest.mark.parametrize(
    ("videos", "images", "error", "words"),
    [
        ("a,0.mp4,0,sa,,test,,\n", "p.png,x,,\n", ManifestError, None),
        ("a,0.mp4,0,sa,anna,test,,\nb,1.mp4,0,sb,,train,,\n", "p.png,anna,,\n", ProtocolError, "person anna"),
        ("a,0.mp4,0,sa,,other,,\nb,1.mp4,0,sa,,train,,\n", "p.png,x,,\n", (ProtocolError, ManifestError), "sa"),
        ("p.png,0.mp4,0,sa,,train,,\n", "p.png,x,,\n", ManifestError, "stands once"),
    ],
    ids=["photos alone are a train split", "person in test", "source in test", "one id twice"],
)
def test_what_would_be_dishonest_is_refused(
    tmp_path: Path, videos: str, images: str, error: type[Exception], words: str | None
) -> None:
    (tmp_path / "videos.csv").write_text(HEADER + videos)
    (tmp_path / "images.csv").write_text("path,identity,origin,license\n" + images)
    if words is None:
        assert [r.video_id for r in training_records(tmp_path / "videos.csv", tmp_path / "images.csv")] == ["p.png"]
        with pytest.raises(error, match="no row has split 'train'"):
            training_records(tmp_path / "videos.csv")
        return
    with pytest.raises(error, match=words):
        training_records(tmp_path / "videos.csv", tmp_path / "images.csv")


def test_a_fake_photograph_is_refused(tmp_path: Path) -> None:
    (tmp_path / "videos.csv").write_text(HEADER + "a,0.mp4,0,sa,,train,,\n")
    (tmp_path / "images.csv").write_text("path,label\np.png,1\n")
    with pytest.raises(ManifestError, match="labelled fake"):
        training_records(tmp_path / "videos.csv", tmp_path / "images.csv")


def test_data_are_counted_by_origin_and_terms(media: Path) -> None:
    found = data_used(training_records(media / "videos.csv", media / "images.csv"))
    assert [(d.role, d.origin, d.what, d.number, d.terms) for d in found] == [
        ("train", "museum", "photographs", 1, "public domain"),
        ("train", "studio", "videos", 2, "CC0"),
        ("validation", "park", "videos", 1, "(not stated)"),
    ]


def test_a_trial_takes_a_handful(media: Path) -> None:
    records = training_records(media / "videos.csv", media / "images.csv")
    many = [*records[:1] * 20, *records[3:] * 20]
    assert len(fewest(many)) == 14


def test_one_command_from_footage_to_a_shippable_detector_and_no_stage_twice(
    media: Path, tmp_path: Path, train_tool: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    arguments = [
        str(media / "videos.csv"), str(media / "images.csv"), str(out), "--config", str(media / "toy.toml"),
        "--workers", "1", "--smoke", "--set", "model.encoder.input_size=32",
        "--set", "data.sampler.options.steps=2",
    ]  # fmt: skip
    assert train_tool.main(arguments) == 0
    store = ClipStore(out / "store")
    assert {video.record.video_id for video in store.videos} == {"a", "b", "c", "photo.png"}
    photos = [clip for clip in store.clips if clip.video.record.video_id == "photo.png"]
    assert [clip.num_faces for clip in photos] == [1]
    card = read_card(out / "shipped")
    assert card is not None
    assert card.training.command.startswith("tools/train_default videos.csv images.csv OUT --smoke")
    assert str(tmp_path) not in (out / "shipped" / "card.json").read_text()
    before = {path.name: path.stat().st_mtime_ns for path in (out / "shipped").iterdir()}

    def never(*_: object, **__: object) -> None:
        raise AssertionError("a finished stage is not run again")

    monkeypatch.setattr("vidfake.default.recipe.train_run", never)
    monkeypatch.setattr(train_tool, "ship", never)
    assert train_tool.main(arguments) == 0
    assert {path.name: path.stat().st_mtime_ns for path in (out / "shipped").iterdir()} == before
    assert train_tool.main([*arguments, "--set", "seed=5"]) == 2, "another recipe does not go into the same folder"
    assert train_tool.main([*arguments, "--card", str(tmp_path / "gone.toml")]) == 2, "before anything is trained"
    with pytest.raises(SystemExit):
        train_tool.main([*arguments, "--into-package"])


def test_a_command_that_failed_before_its_run_leaves_the_place_to_another(
    media: Path, tmp_path: Path, train_tool: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "runs" / "toy_default"
    begun: list[int] = []

    def train_run(config: RunConfig, **_: object) -> None:
        begun.append(config.seed)
        if config.seed == 1:
            raise ConfigError("a wrong setting")
        folder.mkdir()
        (folder / "resume.pt").write_bytes(b"")

    monkeypatch.setattr("vidfake.default.recipe.train_run", train_run)
    records = training_records(media / "videos.csv")
    configs = [recipe(media / "toy.toml", [f"seed={n}"], out=tmp_path, store=tmp_path / "store") for n in range(4)]
    with pytest.raises(ConfigError, match="a wrong setting"):
        trained(configs[1], records)
    trained(configs[2], records)
    with pytest.raises(UsageError, match="other settings"):
        trained(configs[3], records)
    assert begun == [1, 2]


def test_a_run_that_died_before_its_first_state_starts_anew(
    media: Path, tmp_path: Path, train_tool: ModuleType
) -> None:
    folder = tmp_path / "out" / "runs" / "toy_default"
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text('name = "toy_default"\n')
    arguments = [
        str(media / "videos.csv"), str(media / "images.csv"), str(tmp_path / "out"), "--config",
        str(media / "toy.toml"), "--workers", "1", "--smoke", "--set", "model.encoder.input_size=32",
    ]  # fmt: skip
    assert train_tool.main(arguments) == 0
    assert (folder / "result.json").exists()
