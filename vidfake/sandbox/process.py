"""The parent's side of one child: starting it, reading its answers on a thread of their own, ending it."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vidfake.errors import SandboxError
from vidfake.sandbox.confine import MEMORY_EXIT
from vidfake.sandbox.limits import SandboxLimits
from vidfake.sandbox.wire import Kind, WireError, items, read_message, text

_BOOT = (
    "import sys, json; config = json.loads(sys.argv[1]); sys.path[:] = config['sys_path']; "
    "from vidfake.sandbox.child import main; main(config)"
)
# everything else stays here: proxies, tokens, credentials, and what would change Python's or the linker's doing
_KEPT_VARIABLES = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT", "LANG", "LC_ALL", "LC_CTYPE", "TZ")
_QUEUED = 6  # messages that wait for the parent: the child decodes on while the parent scores
_TICK_SECONDS = 0.25
_STOP_SECONDS = 5.0

Message = tuple[int, dict[str, Any], bytearray]


class Child:
    """One decoding process. Not for several threads at once; `close` it, or it ends with this process."""

    def __init__(self, limits: SandboxLimits) -> None:
        self.limits = limits
        self.num_files = 0
        self.in_force: list[str] = []
        self.max_payload: Callable[[int], int] = lambda kind: 0
        self._ready = False
        self._messages: queue.Queue[Message | WireError | None] = queue.Queue(_QUEUED)
        self._stopped = False
        config = {
            "sys_path": _absolute_sys_path(),
            "memory_bytes": limits.memory_bytes,
            "open_files": limits.open_files,
            "start_seconds": limits.start_seconds,
        }
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-B", "-c", _BOOT, json.dumps(config)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=0,
                env=_environment(),
                # no controlling terminal that a child which was taken over could type into
                start_new_session=True,
            )
        except OSError as error:
            raise SandboxError(f"the decoding process cannot be started ({error}). {_WAY_OUT}") from error
        self._reader = threading.Thread(target=self._read, name="vidfake-sandbox", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def wait_ready(self) -> None:
        """Until its limits are in force. Raises SandboxError where it does not come up."""
        if self._ready:
            return
        try:
            message, waited = self.receive(self.limits.start_seconds)
            if message is None:
                how = f"within {waited:.0f} s" if self.is_alive() else f"({self.how_it_ended()})"
                raise SandboxError(f"the decoding process did not come up {how}. {_WAY_OUT}")
            kind, header, _ = message
            if kind != Kind.READY:
                raise WireError(f"a message of kind {kind}")
            words = items(header.get("in_force"), "in_force", most=16)
            self.in_force = [text(word, "in_force", longest=40) for word in words]
        except SandboxError:
            self.kill()
            raise
        except WireError as error:
            self.kill()
            raise SandboxError(
                f"the decoding process began with what is no greeting ({error}). {_WAY_OUT}"
            ) from error
        self._ready = True

    def send(self, job: dict[str, Any]) -> bool:
        """Hand over a job. False where the process is gone."""
        assert self._process.stdin is not None
        line = json.dumps(job).encode("ascii") + b"\n"
        view = memoryview(line)
        try:
            while len(view):
                view = view[self._process.stdin.write(view) or 0 :]
        except OSError:
            return False
        self.num_files += 1
        return True

    def receive(self, patience_seconds: float) -> tuple[Message | None, float]:
        """(message, seconds waited); None where none came in time, or the process is gone. Raises WireError.

        Time is counted in ticks of this loop, each as long as it is meant to be at most, so that a process which
        was stopped for an hour and goes on finds no clock run out.
        """
        waited = 0.0
        while True:
            start = time.monotonic()
            try:
                message = self._messages.get(timeout=_TICK_SECONDS)
            except queue.Empty:
                waited += _TICK_SECONDS
                if waited >= patience_seconds:
                    return None, waited
                continue
            waited += min(_TICK_SECONDS, time.monotonic() - start)
            if isinstance(message, WireError):
                raise message
            return message, waited

    def is_running(self) -> bool:
        """Whether the process can take a job; False for one that ended while it was idle."""
        return self._process.poll() is None

    def is_alive(self) -> bool:
        """False once the process has ended and its last message was taken."""
        return self._reader.is_alive() or not self._messages.empty()

    def how_it_ended(self) -> str:
        """What ended the process, in words; waits for it, and kills it if it closed its output and goes on."""
        try:
            code = self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        if code == MEMORY_EXIT:
            return "needed more memory than allowed"
        if code >= 0:
            return f"ended with code {code}"
        number = -code
        if number == getattr(signal, "SIGXCPU", None):
            return "used more processor time than allowed"
        return f"was ended by signal {number} ({signal.strsignal(number)})"

    def kill(self) -> None:
        """End the process now. May be called again."""
        self._stopped = True
        self._kill_group()
        self._release()

    def close(self) -> None:
        """Let an idle process end; one that is still loading is ended."""
        if not self._ready:
            self.kill()
            return
        self._stopped = True
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._release()

    def forget(self) -> None:
        """In a copy of this process made by fork: give back what belongs to the original."""
        self._process.returncode = 0
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            with contextlib.suppress(OSError):
                stream.close()

    def _kill_group(self) -> None:
        """The process, and whatever it may have started where no filter kept it from that."""
        if hasattr(os, "killpg"):
            with contextlib.suppress(OSError):  # gone already
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.kill()

    def _release(self) -> None:
        self._process.wait()
        end = time.monotonic() + _STOP_SECONDS
        while self._reader.is_alive() and time.monotonic() < end:
            with contextlib.suppress(queue.Empty):
                self._messages.get(timeout=0.01)
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            with contextlib.suppress(OSError):
                stream.close()

    def _read(self) -> None:
        """On the reader's thread: messages until the end of the stream, or the first that breaks the rules."""
        stream = self._process.stdout
        assert stream is not None
        while not self._stopped:
            found: Message | WireError | None
            try:
                found = read_message(
                    lambda n: stream.read(n) or b"", max_payload=lambda kind: self.max_payload(kind)
                )
            except WireError as error:
                found = error
            except (OSError, ValueError):  # closed under our hands by `kill`
                found = None
            self._messages.put(found)
            if not isinstance(found, tuple):
                return


_WAY_OUT = (
    "Start `python -c 'import vidfake.sandbox.child'` to see why, or go on with --no-sandbox, which gives up the "
    "protection from files made to attack the decoder."
)


def _absolute_sys_path() -> list[str]:
    """Where modules are found, this package's own place included; never the current folder."""
    own = str(Path(__file__).resolve().parents[2])
    found = [entry for entry in sys.path if Path(entry).is_absolute()]
    return found if own in found else [*found, own]


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    return kept | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}
