"""How far a study is, and an honest guess of the time that is left."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field

FINAL_OVER_TRIAL = 1.6  # a final run also scores the tests; used until one has been timed


@dataclass(frozen=True)
class StudyProgress:
    """`done` of `total` runs are on disk, `failed` of them failed; `seconds_left` is None before the first run."""

    done: int
    total: int
    failed: int
    seconds_left: float | None


@dataclass
class Pace:
    """Mean seconds of a run by phase, measured in this session only, over the runs of each phase that are left."""

    workers: int
    left: Counter[str]
    done: int = 0
    failed: int = 0
    _spent: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def ran(self, phase: str, status: str, seconds: float) -> None:
        """One more run is on disk."""
        self.left[phase] -= 1
        self.done += 1
        self.failed += status != "ok"
        self._spent[phase].append(seconds)

    def drop(self, phase: str, count: int) -> None:
        """Runs that will not be made after all (an arm whose every trial failed)."""
        self.left[phase] -= count

    def now(self) -> StudyProgress:
        """The progress."""
        means = {phase: sum(spent) / len(spent) for phase, spent in self._spent.items()}
        left: float | None = None
        if means:
            trial = means.get("search", next(iter(means.values())))
            guess = {"search": trial, "final": trial * FINAL_OVER_TRIAL, **means}
            left = sum(count * guess[phase] for phase, count in self.left.items()) / max(1, self.workers)
        return StudyProgress(self.done, self.done + sum(self.left.values()), self.failed, left)
