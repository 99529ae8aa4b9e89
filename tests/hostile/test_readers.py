"""Every reader, on files that somebody made to break it: an error of the package that says what to do, or a whole
value; never another exception, a file outside of the folder, a program run, or memory by what a file claims."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import made_stores
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mutations import NASTY_TEXTS, changed_bytes, changed_json
from watch import watched

from vidfake.config import load, to_toml
from vidfake.data.manifest import read_manifest
from vidfake.data.store import ClipStore
from vidfake.errors import CheckpointError, ConfigError, ManifestError, ScoreFileError, StoreError, VidfakeError
from vidfake.files import sha256_json
from vidfake.models.checkpoint import load_checkpoint, save_checkpoint
from vidfake.models.detector import build_detector
from vidfake.scores import ScoreTable, ScoreTableBuilder
from vidfake.scores.foreign import read_score_file
from vidfake.settings import AggregatorSettings, EncoderSettings, ExtractSettings, ModelSettings, RunConfig
from vidfake.types import VideoRecord

MB = 1 << 20
FUZZ = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)


def attempt(folder: Path, read: Callable[[], Any], refused: type[VidfakeError], *, memory: bool = False) -> None:
    """`read` gives a value or raises `refused` with a message for people, and does no harm."""
    with watched(memory=memory) as deeds:
        try:
            read()
        except refused as problem:
            error: VidfakeError | None = problem
        else:
            error = None
    assert error is None or str(error)
    deeds.assert_harmless(folder, most_bytes=64 * MB if memory else None)


# --- manifests ---------------------------------------------------------------------------------------------------

MANIFEST = (
    b"video_id,path,label,manipulation,source_id,region,split,mine\n"
    b'a,a.mp4,0,none,a,1 2 30 40,train,x\nb,"b,c.mp4",1,swap,a,,train,"y ""z"""\nc,c.mp4,,,c,,test,\n'
)


@FUZZ
@given(data=changed_bytes(MANIFEST))
def test_manifest_bytes(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "m.csv"
    path.write_bytes(data)
    attempt(tmp_path, lambda: read_manifest(path, require_labels=False, check_files=False), ManifestError)


@FUZZ
@given(fields=st.lists(st.sampled_from([*NASTY_TEXTS, "0", "1", "a.mp4"]), min_size=8, max_size=8))
def test_manifest_fields(tmp_path: Path, fields: list[str]) -> None:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(MANIFEST.decode().splitlines()[0].split(","))
    writer.writerow(fields)
    path = tmp_path / "m.csv"
    path.write_bytes(out.getvalue().encode("utf-8", "surrogatepass"))
    attempt(tmp_path, lambda: read_manifest(path, require_labels=False, check_files=False), ManifestError)


def test_manifest_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vidfake.data.manifest.MAX_MANIFEST_BYTES", 1000)
    path = tmp_path / "m.csv"
    path.write_bytes(MANIFEST + b"d,d.mp4,0,,,,,\n" * 100)
    with pytest.raises(ManifestError, match="1000 bytes"):
        read_manifest(path)
    with pytest.raises(ManifestError, match="1000 bytes"):
        read_manifest("/dev/zero")


# --- clip stores -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_stores.small_store(tmp_path_factory.mktemp("store")).path


def use_all(path: Path) -> None:
    """Open a store and read everything that it says it has."""
    opened = ClipStore(path)
    for video in opened.videos:
        opened.record(video)
    for clip in opened.clips:
        opened.details(clip)
        opened.read_faces(clip)


@pytest.mark.parametrize("name", ["index.json", "store.json"])
def test_store_json(store: Path, tmp_path: Path, name: str) -> None:
    own = shutil.copytree(store, tmp_path / "own")
    original = json.loads((own / name).read_text())

    @FUZZ
    @given(value=changed_json(original))
    def fuzz(value: Any) -> None:
        (own / name).write_bytes(json.dumps(value).encode())
        attempt(own, lambda: use_all(own), StoreError, memory=True)

    fuzz()


def test_store_record_that_fits_its_hash(store: Path, tmp_path: Path) -> None:
    own = shutil.copytree(store, tmp_path / "own")
    index = json.loads((own / "index.json").read_text())
    digest = index["videos"][0]["record_sha256"]
    (record,) = [p for p in own.rglob("shards/*/*.json") if hashlib.sha256(p.read_bytes()).hexdigest() == digest]
    original = json.loads(record.read_text())

    @FUZZ
    @given(value=changed_json(original))
    def fuzz(value: Any) -> None:
        data = json.dumps(value).encode()
        record.write_bytes(data)
        index["videos"][0]["record_sha256"] = hashlib.sha256(data).hexdigest()
        (own / "index.json").write_text(json.dumps(index))
        attempt(own, lambda: use_all(own), StoreError, memory=True)

    fuzz()


@pytest.mark.parametrize("name", ["index.json", "store.json", "tar"])
def test_store_bytes(store: Path, tmp_path: Path, name: str) -> None:
    own = shutil.copytree(store, tmp_path / "own")
    path = next(own.rglob("*.tar")) if name == "tar" else own / name
    original = path.read_bytes()

    @FUZZ
    @given(data=changed_bytes(original))
    def fuzz(data: bytes) -> None:
        path.write_bytes(data)
        attempt(own, lambda: use_all(own), StoreError)

    fuzz()


# --- configs -----------------------------------------------------------------------------------------------------

CONFIG = to_toml(RunConfig()).encode()


@FUZZ
@given(data=changed_bytes(CONFIG))
def test_config_bytes(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "c.toml"
    path.write_bytes(data)
    attempt(tmp_path, lambda: load(RunConfig, path, ["name=x", "seed=3"]), ConfigError)


@FUZZ
@given(
    key=st.sampled_from(["seed", "name", "extract.margin", "data", "a.b.c", "", "."]),
    value=st.sampled_from([*NASTY_TEXTS, "2020-01-01", "[1, 2", "{a = 1}", "inf", "nan", "0x10", "''", "[" * 3000]),
)
def test_config_overrides(tmp_path: Path, key: str, value: str) -> None:
    attempt(tmp_path, lambda: load(RunConfig, None, [f"{key}={value}", "seed=1"]), ConfigError)


@pytest.mark.parametrize(
    "text",
    ["a = " + "[" * 100_000, "a" + ".a" * 100_000 + " = 1", "seed = " + "9" * 100_000, "seed = 2020-01-01"],
    ids=["nested lists", "nested tables", "long number", "date"],
)
def test_config_that_exhausts(tmp_path: Path, text: str) -> None:
    path = tmp_path / "c.toml"
    path.write_text(text)
    with pytest.raises(ConfigError):
        load(RunConfig, path, ["name=x"])


def test_config_without_end() -> None:
    with pytest.raises(ConfigError, match="larger than"):
        load(RunConfig, "/dev/zero")


# --- score files -------------------------------------------------------------------------------------------------


def table() -> ScoreTable:
    builder = ScoreTableBuilder(detector="toy")
    for i in range(4):
        builder.add(
            VideoRecord(f"v{i}", "", label=i % 2),
            frames={"track": [0, 0], "pts_seconds": [0.0, 0.04], "score": [0.1 * i, 0.2]},
            clips={"track": [0], "start_seconds": [0.0], "score": [0.3 * i], "quality": [0.5]},
            attributes={"face_pixels": 100.0},
        )
    return builder.table()


FOREIGN = {
    "s.csv": b"video,frame,score,label\nv0,0,0.25,0\nv0,1,0.5,0\nv1,0,0.75,1\nv2,0,0.5,1\n",
    "s.json": b'{"v0": 0.5, "v1": [0.25, 0.75], "v2": 0.9}',
    "t.json": b'[{"path": "v0", "score": 0.5, "label": 0}, {"path": "v1", "score": 0.75, "label": 1}]',
    "s.jsonl": b'{"video_id": "v0", "score": 0.5}\n{"video_id": "v1", "score": 0.75}\n',
}


@pytest.mark.parametrize("name", FOREIGN)
def test_foreign_scores(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    records = [VideoRecord(f"v{i}", f"/v/v{i}.mp4", label=i % 2, source_id=f"v{i}") for i in range(3)]

    @FUZZ
    @given(data=changed_bytes(FOREIGN[name]), joined=st.booleans())
    def fuzz(data: bytes, joined: bool) -> None:
        path.write_bytes(data)
        known = records if joined else None
        attempt(
            tmp_path,
            lambda: read_score_file(path, records=known, allow_missing=True, higher_is="fake"),
            ScoreFileError,
        )

    fuzz()


def test_own_scores(tmp_path: Path) -> None:
    path = tmp_path / "own.jsonl"
    table().write(path)
    lines = [json.loads(line) for line in path.read_text().splitlines()]

    @FUZZ
    @given(values=changed_json(lines))
    def fuzz(values: Any) -> None:
        path.write_text("".join(json.dumps(value) + "\n" for value in values))
        attempt(tmp_path, lambda: ScoreTable.read(path), ScoreFileError, memory=True)

    fuzz()


# --- checkpoints -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = RunConfig(
        extract=ExtractSettings(num_frames=4, min_frames=2),
        model=ModelSettings(
            encoder=EncoderSettings(name="mobilenet_v3_small", weights="none", input_size=32),
            aggregator=AggregatorSettings(name="mean"),
            embedding_dim=4,
        ),
    )
    torch.manual_seed(0)
    detector = build_detector(config.model, num_frames=4)
    path = tmp_path_factory.mktemp("checkpoint") / "c.vidfake"
    save_checkpoint(
        path,
        detector_state=detector.state_dict(),
        config=config,
        class_names=("real", "fake"),
        calibration={"slope": 1.0},
        extra={"readout": "native", "thresholds": {"likely_fake": 0.5}},
    )
    return path


def test_checkpoint_description_with_a_hash_that_fits(checkpoint: Path, tmp_path: Path) -> None:
    own = shutil.copytree(checkpoint, tmp_path / "own")
    original = json.loads((own / "checkpoint.json").read_text())
    original.pop("json_sha256")

    @settings(FUZZ, max_examples=40)
    @given(value=changed_json(original))
    def fuzz(value: Any) -> None:
        if isinstance(value, dict):
            try:
                value["json_sha256"] = sha256_json(value)
            except (ValueError, UnicodeEncodeError):
                return  # no JSON: there is no hash that fits
        (own / "checkpoint.json").write_text(json.dumps(value))
        attempt(own, lambda: load_checkpoint(own), VidfakeError)

    fuzz()


def test_checkpoint_tensors_with_a_hash_that_fits(checkpoint: Path, tmp_path: Path) -> None:
    own = shutil.copytree(checkpoint, tmp_path / "own")
    original = (own / "model.safetensors").read_bytes()
    head = 8 + int.from_bytes(original[:8], "little")
    description = json.loads((own / "checkpoint.json").read_text())
    description.pop("json_sha256")

    @settings(FUZZ, max_examples=40)
    @given(start=changed_bytes(original[:head]))
    def fuzz(start: bytes) -> None:
        data = start + original[head:]
        (own / "model.safetensors").write_bytes(data)
        facts = {**description, "tensors": {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}}
        facts["json_sha256"] = sha256_json(facts)
        (own / "checkpoint.json").write_text(json.dumps(facts))
        attempt(own, lambda: load_checkpoint(own), CheckpointError)

    fuzz()
