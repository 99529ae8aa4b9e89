"""Two thousand small files through twenty-four workers: nothing is lost or doubled, and memory stays where it is.

`VIDFAKE_SOAK_FILES=200 pytest -m slow tests/hostile/test_soak.py` tries the machinery with fewer; memory is judged
from a thousand files on, when every worker has long had its first ones.
"""

from __future__ import annotations

import hashlib
import os
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from kill_runs import ROOT

from vidfake.data.prepare import prepare
from vidfake.data.store import ClipStore
from vidfake.errors import MediaError
from vidfake.sandbox import close_children, extract_in_child
from vidfake.settings import ExtractSettings
from vidfake.types import REAL, FaceClip, VideoRecord

FILES = int(os.environ.get("VIDFAKE_SOAK_FILES", "2000"))
WORKERS = 24
SETTINGS = ExtractSettings(crop_size=64, num_frames=4, min_frames=2)
GROWTH = 1.05  # memory of the last quarter over that of the second
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads memory of processes from /proc"),
]
sys.path.append(str(ROOT / "tests" / "cli" / "support"))


class Memory:
    """Memory of this process and all below it, in bytes, each page counted once, several times a second."""

    def __init__(self) -> None:
        self.done = 0
        self.samples: list[tuple[int, int]] = []  # files done, bytes
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Memory:
        self._thread.start()
        return self

    def __exit__(self, *problem: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(0.3):
            self.samples.append((self.done, sum(map(own_bytes, family(os.getpid())))))

    def assert_steady(self) -> None:
        """No more at the end than after a quarter of the files, but for `GROWTH`."""
        if FILES >= 1000:
            assert self.between(0.75, 1.0) < GROWTH * self.between(0.25, 0.5)

    def between(self, first: float, last: float) -> float:
        """Mean over the part of the run in which these shares of the files were done."""
        found = [size for done, size in self.samples if first * FILES <= done < last * FILES]
        assert found, f"no sample between {first:.0%} and {last:.0%}; {len(self.samples)} in all"
        return sum(found) / len(found)


def family(pid: int) -> Iterator[int]:
    """A process and all of its descendants that are there at this moment."""
    yield pid
    for thread in Path(f"/proc/{pid}/task").glob("*"):
        try:
            below = (thread / "children").read_text().split()
        except OSError:  # it ended meanwhile
            continue
        for child in below:
            yield from family(int(child))


def own_bytes(pid: int) -> int:
    """Proportional share of the memory that a process maps; 0 for one that has ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith("Pss:")), 0)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, str]:
    """Path -> the status it must get. No two files have the same bytes."""
    from commands import empty_video, face_video

    folder = tmp_path_factory.mktemp("soak")
    sound = face_video(folder / "sound.mp4", frames=12).read_bytes()
    empty = empty_video(folder / "empty.mp4").read_bytes()
    kinds = [("ok", sound)] * 17 + [("no_face", empty)] * 2 + [("unreadable", sound[: len(sound) // 3])]
    expected = {}
    for number in range(FILES):
        status, data = kinds[number % len(kinds)]
        path = folder / f"{number:05}.mp4"
        path.write_bytes(data + (12).to_bytes(4, "big") + b"free" + number.to_bytes(4, "big"))
        expected[path] = status
    return expected


def test_prepare(files: dict[Path, str], tmp_path: Path) -> None:
    records = [VideoRecord(video_id=path.stem, path=str(path), label=REAL, split="train") for path in files]
    with Memory() as memory:

        def progress(text: str, done: int, total: int | None) -> None:
            memory.done = done

        report = prepare(records, tmp_path / "store", SETTINGS, workers=WORKERS, progress=progress)
    found = Counter(outcome.video_id for outcome in report.outcomes)
    assert found == Counter(record.video_id for record in records), "lost or doubled"
    statuses = {path.stem: status for path, status in files.items()}
    assert {outcome.video_id: outcome.status for outcome in report.outcomes} == statuses
    store = ClipStore(tmp_path / "store")
    assert Counter(video.record.video_id for video in store.videos) == found
    clips = Counter(clip.video.record.video_id for clip in store.clips)
    assert set(clips) == {name for name, status in statuses.items() if status == "ok"}
    assert set(clips.values()) == {1}, "the same pictures gave other numbers of clips"
    sample = store.clips[:: max(1, FILES // 100)]
    assert len({store.read_faces(clip).tobytes() for clip in sample}) == 1
    memory.assert_steady()


def test_decoding_processes_of_one_program(files: dict[Path, str]) -> None:
    """As a service would use it: many threads, each with a file, and a pool of confined processes behind them."""
    close_children()
    lock = threading.Lock()
    found: Counter[Path] = Counter()
    digests: set[str] = set()

    def score(path: Path, memory: Memory) -> str:
        clips: list[FaceClip] = []
        try:
            status = str(extract_in_child(path, SETTINGS, on_clip=clips.append, threads=1).status)
        except MediaError:
            status = "unreadable"
        digest = hashlib.sha256(b"".join(clip.faces.tobytes() for clip in clips)).hexdigest()
        with lock:
            found[path] += 1
            memory.done += 1
            if status == "ok":
                digests.add(digest)
        return status

    with Memory() as memory, ThreadPoolExecutor(WORKERS) as pool:
        statuses = list(pool.map(lambda path: score(path, memory), files))
    assert dict(zip(files, statuses, strict=True)) == files
    assert found == Counter(files.keys())
    assert len(digests) == 1, "the same pictures gave other crops"
    before = len(list(family(os.getpid())))
    close_children()
    assert before <= WORKERS + 2, "children were left behind"
    memory.assert_steady()
