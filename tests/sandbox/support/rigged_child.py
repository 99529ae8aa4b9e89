"""A child process that a file can take over: what it does is in the file's name. For an exploited decoder."""

from __future__ import annotations

import ctypes
import os
import socket
import struct
import subprocess
import time
from pathlib import Path
from typing import Any

BOOT = (
    "import sys, json; config = json.loads(sys.argv[1]); sys.path[:] = config['sys_path']; "
    "from rigged_child import main; main(config)"
)


def main(config: dict[str, Any]) -> None:
    from vidfake.sandbox import child

    honest = child.extract_clips

    def rigged(path: str, settings: Any, **options: Any) -> Any:
        act = ACTS.get(Path(path).name.split("-")[0].split(".")[0])
        if act is not None:
            act(Path(path), settings, options)
        return honest(path, settings, **options)

    child.extract_clips = rigged
    child.main(config)


def _segfault(*_: Any) -> None:
    ctypes.string_at(0)


def _quit(*_: Any) -> None:
    os._exit(0)


def _hang(*_: Any) -> None:
    time.sleep(3600)


def _spin(*_: Any) -> None:
    while True:
        pass


def _eat(*_: Any) -> None:
    eaten = []
    while True:
        eaten.append(bytearray(os.urandom(1 << 10)) * (1 << 16))


def _crash_late(path: Path, settings: Any, options: dict[str, Any]) -> None:
    """Clips first, then the crash."""
    from vidfake.faces.extract import extract_clips

    extract_clips(path, settings, **options)
    ctypes.string_at(0)


def _answer(data: bytes) -> None:
    """Straight into the pipe to the parent, which is the first one that is open for writing beyond 2."""
    for descriptor in range(3, 64):
        try:
            if str(Path(f"/proc/self/fd/{descriptor}").readlink()).startswith("pipe:"):
                os.write(descriptor, data)
        except OSError:
            continue


def _nonsense(*_: Any) -> None:
    _answer(os.urandom(4096))
    time.sleep(3600)


def _lie(*_: Any) -> None:
    """Says again and again that frames were decoded."""
    count = 0
    while True:
        count += 1
        text = b'{"frames": %d, "pixels": 0}' % count
        _answer(struct.pack(">BIQ", 2, len(text), 0) + text)
        time.sleep(0.02)


def _misuse(path: Path, *_: Any) -> None:
    """Everything that the filter on system calls forbids; what succeeded is told in an error's message."""
    folder, done = path.parent, []

    def attempt(name: str, action: Any) -> None:
        try:
            action()
        except (OSError, ValueError):
            return
        done.append(name)

    attempt("write", lambda: open(folder / "written", "w").close())
    attempt("append", lambda: open(path, "ab").close())
    attempt("delete", (folder / "victim").unlink)
    attempt("rename", lambda: (folder / "victim").rename(folder / "moved"))
    attempt("truncate", lambda: os.truncate(folder / "victim", 0))
    attempt("chmod", lambda: (folder / "victim").chmod(0o777))
    attempt("mkdir", (folder / "made").mkdir)
    attempt("link", lambda: (folder / "linked").symlink_to("victim"))
    attempt("socket", lambda: socket.socket(socket.AF_INET).close())
    attempt("unix socket", lambda: socket.socket(socket.AF_UNIX).close())
    attempt("fork", lambda: os.fork() or os._exit(0))
    attempt("program", lambda: subprocess.run(["/bin/true"], check=True))
    attempt("signal to the parent", lambda: os.kill(os.getppid(), 0))
    attempt("signal to its group", lambda: os.kill(0, 0))
    raise KeyError("done: " + ", ".join(done))


def _environment(*_: Any) -> None:
    import sys

    names = " ".join(sorted(os.environ))
    raise KeyError(f"torch={'torch' in sys.modules} cwd_in_path={'' in sys.path} environment: {names}")


ACTS = {
    "segfault": _segfault, "quit": _quit, "hang": _hang, "spin": _spin, "eat": _eat, "late": _crash_late,
    "nonsense": _nonsense, "lie": _lie, "misuse": _misuse, "environment": _environment,
}  # fmt: skip
