"""Dies, without any cleaning up, at every point of a `prepare` run where a file is touched; then runs it again.

Run by test_prepare in a process of its own (a fork of a process with threads would be no clean one):
``crash_points.py MANIFEST FOLDER`` prints a JSON line per point: whether it died there and the tree's hash after.
"""

from __future__ import annotations

import builtins
import hashlib
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fake_extract import SETTINGS, extract

from vidfake.data.manifest import read_manifest
from vidfake.data.prepare import prepare


def tree_hash(folder: Path) -> str:
    """One hash over the names and bytes of every file below `folder`."""
    total = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        total.update(f"{path.relative_to(folder)}\0{path.stat().st_size}\0".encode())
        total.update(path.read_bytes())
    return total.hexdigest()


class Countdown:
    """Replaces functions so that the process ends at the n-th call of any of them."""

    def __init__(self, calls: int) -> None:
        self.left = calls

    def wrap(self, owner: Any, name: str) -> None:
        real: Callable[..., Any] = getattr(owner, name)

        def counted(*args: Any, **kwargs: Any) -> Any:
            self.left -= 1
            if self.left < 0:
                os._exit(9)
            return real(*args, **kwargs)

        setattr(owner, name, counted)


def die_at(point: int, manifest: Path, out: Path) -> bool:
    """Prepare in a child that ends at the given point; False when it got through before."""
    child = os.fork()
    if child == 0:
        countdown = Countdown(point)
        for owner, name in (
            (builtins, "open"),
            (os, "open"),
            (os, "replace"),
            (os, "fsync"),
            (os, "unlink"),
            (os, "mkdir"),
        ):
            countdown.wrap(owner, name)
        prepare(read_manifest(manifest), out, SETTINGS, workers=0, extract=extract)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


def main(manifest: Path, folder: Path) -> None:
    for point in range(0, 10_000):
        out = folder / f"{point:05d}"
        died = die_at(point, manifest, out)
        prepare(read_manifest(manifest), out, SETTINGS, workers=0, extract=extract)
        print(json.dumps({"point": point, "died": died, "tree": tree_hash(out)}), flush=True)
        if not died:
            return


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
