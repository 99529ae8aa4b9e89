"""Every kind of file is read, and no damage to any of them reaches further than its own result."""

from __future__ import annotations

import hashlib
import json
import resource
import time
from collections import Counter
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from media_corpus import FRAMES, MUTATIONS, mutants, write_all

from vidfake.inference.load import LoadedDetector, load_detector
from vidfake.inference.result import schema
from vidfake.inference.video import score_video
from vidfake.sandbox import extract_in_child, extraction
from vidfake.settings import ExtractSettings

SETTINGS = ExtractSettings(crop_size=32, num_frames=4, min_frames=2)
CHILD_BYTES = 1 << 30  # resident, at any moment
GROWTH_BYTES = 200 << 20  # of this process, over all files
LONGEST_SECONDS = 60.0  # for a file, on a machine that is busy


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_all(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def detector(checkpoint: Path) -> LoadedDetector:
    return load_detector(checkpoint)


@pytest.fixture(scope="module")
def validator() -> Any:
    return jsonschema.Draft202012Validator(schema())


def test_every_kind_is_read(corpus: list[Path]) -> None:
    for path in corpus:
        result = extract_in_child(path, SETTINGS, threads=1)
        assert (path.name, result.status, result.decode_errors) == (path.name, "no_face", 0)
        assert (path.name, result.num_frames_decoded) == (path.name, FRAMES)
        turned = {"turn90": 90, "turn180": 180, "turn270": 270}
        expected = next((degrees for word, degrees in turned.items() if word in path.name), 0)
        if path.suffix in (".mp4", ".mov"):
            assert (path.name, result.info.rotation_degrees) == (path.name, expected)


def test_mutations_are_reproducible_and_all_in_use(corpus: list[Path]) -> None:
    first = list(mutants(corpus, 500, seed=0))
    assert first == list(mutants(corpus, 500, seed=0))
    used = Counter(name.split("-")[1] for name, _, _ in first)
    assert set(used) == set(MUTATIONS)
    assert min(used.values()) > 20
    originals = {hashlib.sha256(path.read_bytes()).digest() for path in corpus}
    assert sum(hashlib.sha256(data).digest() in originals for _, _, data in first) < 25


@pytest.mark.parametrize(
    ("count", "seed"), [(500, 0), pytest.param(20_000, 1, marks=[pytest.mark.slow, pytest.mark.timeout(7200)])]
)
def test_damage_is_one_files_affair(
    corpus: list[Path], detector: LoadedDetector, validator: Any, tmp_path: Path, count: int, seed: int
) -> None:
    """No crash here, no hang, memory bounded, nothing written, every result valid JSON with a status."""
    extract_in_child(corpus[0], SETTINGS)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    statuses: Counter[str] = Counter()
    failed: list[str] = []
    largest = 0
    canary = tmp_path / "canary.txt"
    canary.write_text("untouched")
    for name, suffix, data in mutants(corpus, count, seed=seed):
        path = tmp_path / f"damaged{suffix}"
        path.write_bytes(data)
        start = time.monotonic()
        result = score_video(path, detector, threads=1).json
        assert time.monotonic() - start < LONGEST_SECONDS, name
        validator.validate(json.loads(json.dumps(result, allow_nan=False)))
        statuses[result["status"]] += 1
        assert (result["error"] is None) == (result["status"] == "ok"), name
        if result["status"] == "unreadable" and "the process that decoded it" in result["error"]:
            failed.append(f"{name}{suffix}: {result['error']}")
        assert path.read_bytes() == data, f"{name}: the file was changed"
        assert sorted(p.name for p in tmp_path.iterdir()) == ["canary.txt", path.name], name
        path.unlink()
        for child in extraction._idle:
            largest = max(largest, _peak_bytes(child.pid))
    assert canary.read_text() == "untouched"
    assert sum(statuses.values()) == count
    assert statuses["unreadable"] > count // 10
    assert statuses["no_face"] > count // 10
    assert largest < CHILD_BYTES
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before < GROWTH_BYTES
    # a crash would be survived; that none is known of keeps this list empty
    assert not failed, "\n".join(failed)


def _peak_bytes(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmHWM")), 0)
