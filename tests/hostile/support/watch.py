"""What a piece of code did to the world: files opened, programs started, objects unpickled, memory taken."""

from __future__ import annotations

import contextlib
import os
import sys
import sysconfig
import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

NEVER = ("pickle.find_class", "os.system", "os.exec", "os.posix_spawn", "subprocess.Popen", "socket.connect",
         "socket.getaddrinfo", "os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.truncate")  # fmt: skip
_OWN = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})
_PACKAGE = str(Path(__file__).resolve().parents[3] / "vidfake")


@dataclass
class Deeds:
    """`opened`: files other than Python's and this package's own; `forbidden`: events of `NEVER`."""

    opened: list[str] = field(default_factory=list)
    forbidden: list[str] = field(default_factory=list)
    peak_bytes: int = 0

    def assert_harmless(self, folder: Path, *, most_bytes: int | None = None) -> None:
        """Nothing was opened outside of `folder`, nothing run, unpickled, sent or deleted."""
        inside = os.path.realpath(folder) + os.sep
        outside = [p for p in self.opened if not (os.path.realpath(p) + os.sep).startswith(inside)]
        assert not outside, f"opened outside of its folder: {outside[:3]}"
        assert not self.forbidden
        assert most_bytes is None or self.peak_bytes < most_bytes, f"took {self.peak_bytes} bytes"


_active: list[Deeds] = []


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if not _active:
        return
    if event == "open" and isinstance(arguments[0], str | bytes):
        path = os.fsdecode(arguments[0])
        if not path.startswith((*_OWN, _PACKAGE)):
            _active[-1].opened.append(path)
    elif event in NEVER:
        _active[-1].forbidden.append(f"{event} {arguments!r:.200}")


sys.addaudithook(_hook)


@contextlib.contextmanager
def watched(*, memory: bool = False) -> Iterator[Deeds]:
    """Notes what the block does; with `memory` the most that Python and numpy held in it, too."""
    deeds = Deeds()
    if memory:
        tracemalloc.start()
    _active.append(deeds)
    try:
        yield deeds
    finally:
        _active.remove(deeds)
        if memory:
            deeds.peak_bytes = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
