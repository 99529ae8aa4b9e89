"""The run's record: an append-only JSON-lines file, and TensorBoard when it is installed."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

from vidfake.files import write_text


class RunLog:
    """One JSON object per line in ``log.jsonl``; scalars go to TensorBoard too.

    A resumed run first drops the lines written after the state it resumes from, so that no step appears twice.
    """

    def __init__(self, folder: Path, *, resume_step: int | None = None, tensorboard: bool = True) -> None:
        self.path = folder / "log.jsonl"
        if resume_step is not None and self.path.exists():
            kept = [line for line in self.path.read_text("utf-8").splitlines() if _step_of(line) <= resume_step]
            write_text(self.path, "".join(line + "\n" for line in kept))  # atomic: a kill now costs no line
        elif self.path.exists():
            self.path.unlink()
        self._handle = open(self.path, "a", encoding="utf-8")  # noqa: SIM115 (closed by close())
        self._board: Any = None
        if tensorboard and importlib.util.find_spec("tensorboard") is not None:
            from torch.utils.tensorboard import SummaryWriter

            self._board = SummaryWriter(str(folder / "tensorboard"), purge_step=resume_step)

    def write(self, kind: str, step: int, **values: Any) -> None:
        """Append one line. Numbers that are NaN or infinite are written as null, never as a bare NaN."""
        clean = {key: _finite(value) for key, value in values.items()}
        self._handle.write(json.dumps({"kind": kind, "step": step, **clean}, allow_nan=False) + "\n")
        self._handle.flush()
        if self._board is not None:
            for key, value in clean.items():
                if isinstance(value, int | float) and not isinstance(value, bool):
                    self._board.add_scalar(f"{kind}/{key}", value, step)

    def close(self) -> None:
        """Flush and close both writers."""
        self._handle.close()
        if self._board is not None:
            self._board.close()


def _finite(value: Any) -> Any:
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    return value


def _step_of(line: str) -> int:
    try:
        return int(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return 2**62  # a line cut off by a crash: dropped
