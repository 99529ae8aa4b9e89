"""Bytes that find their own way through a reader; only errors of the package may come of them. See tools/fuzz."""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

try:
    import atheris
except ImportError:
    sys.exit("tools/fuzz needs atheris, which has wheels for Linux on x86-64: pip install atheris")

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "data" / "support"))

with atheris.instrument_imports(include=["vidfake"]):
    import vidfake.config
    import vidfake.data.manifest
    import vidfake.data.store
    import vidfake.errors
    import vidfake.models.checkpoint_files
    import vidfake.scores.foreign
    import vidfake.scores.table
    import vidfake.settings

MANIFEST = b"""video_id,path,label,manipulation,source_id,region,split
a,a.mp4,0,none,a,1 2 30 40,train
b,"b,c.mp4",1,x,a,,
"""
SCORES = b"video_id,score,label\na,0.25,0\nb,-1e3,1\n"
Read = Callable[[Path], object]


def readers(folder: Path) -> dict[str, tuple[Path, list[bytes], Read]]:
    """Name -> the file that is fuzzed, its first contents, and what reads it. Stores and checkpoints are copies."""
    import made_stores

    store = made_stores.small_store(folder / "store").path
    detector = Path(shutil.copytree(ROOT / "vidfake" / "default" / "detector.vidfake", folder / "detector.vidfake"))
    config = (ROOT / "configs" / "default_detector.toml").read_bytes()
    (folder / "s.csv").write_bytes(SCORES)
    vidfake.scores.foreign.read_score_file(folder / "s.csv", higher_is="fake").write(folder / "t.jsonl")

    def manifest(path: Path) -> object:
        return vidfake.data.manifest.read_manifest(path, require_labels=False, check_files=False)

    def checkpoint(path: Path) -> object:
        files = vidfake.models.checkpoint_files
        return files.find_tensors(files.read_description(path.parent))

    def table(path: Path) -> object:
        return vidfake.scores.table.ScoreTable.read(path)

    def scores(path: Path) -> object:
        return vidfake.scores.foreign.read_score_file(path, higher_is="fake")

    def settings(path: Path) -> object:
        return vidfake.config.load(vidfake.settings.RunConfig, path)

    return {
        "manifest": (folder / "m.csv", [MANIFEST], manifest),
        "config": (folder / "c.toml", [config], settings),
        "scores-csv": (folder / "s.csv", [SCORES], scores),
        "scores-json": (folder / "s.json", [b'{"a": 0.25, "b": -1}', b'[{"video_id": "a", "score": 1}]'], scores),
        "table": (folder / "t.jsonl", [], table),
        "store-header": (store / "store.json", [], lambda path: vidfake.data.store.ClipStore(path.parent)),
        "store-index": (store / "index.json", [], lambda path: vidfake.data.store.ClipStore(path.parent)),
        "checkpoint": (detector / "checkpoint.json", [], checkpoint),
    }


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="tools/fuzz", description=__doc__)
    parser.add_argument("reader", nargs="?")
    parser.add_argument("--seconds", type=int, default=60)
    given = parser.parse_args(arguments)
    folder = Path(tempfile.mkdtemp(prefix="vidfake-fuzz-"))
    broken = folder / "broken"
    try:
        known = readers(folder)
        if given.reader is None:
            print("\n".join(known))
            return 0
        if given.reader not in known:
            parser.error(f"reader is '{given.reader}'. It takes: {', '.join(known)}.")
        broken.mkdir()
        if (child := os.fork()) == 0:
            try:
                fuzz(*known[given.reader], broken, given.seconds)
            finally:
                os._exit(1)  # what comes after is for the process that waits
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        found = sorted(broken.iterdir())
        print(f"{given.reader}: {len(found)} files broke it" + (f", kept in {broken}" if found else ""))
        return 1 if found or code else 0
    finally:
        if not broken.exists() or not any(broken.iterdir()):
            shutil.rmtree(folder)


def fuzz(path: Path, contents: list[bytes], read: Read, broken: Path, seconds: int) -> NoReturn:
    """Try contents of `path` for so long; what breaks `read` goes to `broken`. Ends this process."""
    corpus = broken.with_name("corpus")
    corpus.mkdir()
    for number, data in enumerate(contents or [path.read_bytes()]):
        (corpus / str(number)).write_bytes(data)

    def one(data: bytes) -> None:
        path.write_bytes(data)
        try:
            with contextlib.suppress(vidfake.errors.VidfakeError):  # what a reader is to do with such bytes
                read(path)
        except Exception:
            (broken / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)
            raise

    options = [f"-max_total_time={seconds}", "-max_len=20000", f"-artifact_prefix={broken}/", "-timeout=20"]
    atheris.Setup([sys.argv[0], str(corpus), *options], one)
    atheris.Fuzz()
    raise AssertionError("libFuzzer ends its process")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
