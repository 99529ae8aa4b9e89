"""What a run of `prepare` did, in numbers and names."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from vidfake.types import Status


@dataclass(frozen=True)
class VideoOutcome:
    """What became of one video. `seconds` and `timings` are of this run; a video done before has none.

    `num_bytes` is the size of its tar; `video_seconds` the length that its container claims, 0 where unknown.
    """

    video_id: str
    status: Status
    reason: str
    num_clips: int
    num_faces: int
    num_bytes: int
    video_seconds: float = 0.0
    seconds: float = 0.0
    timings: dict[str, float] = field(default_factory=dict)
    done_before: bool = False


@dataclass(frozen=True)
class PrepareReport:
    """Outcomes in the order of the records. `seconds` is wall clock; `finished` says that the store can be read."""

    store: str
    outcomes: tuple[VideoOutcome, ...]
    seconds: float
    workers: int
    finished: bool
    num_other_videos: int = 0  # in the store, but not among the records

    @property
    def num_videos(self) -> int:
        """Videos asked for (of this shard)."""
        return len(self.outcomes)

    @property
    def num_done_before(self) -> int:
        """Videos that an earlier run had finished."""
        return sum(outcome.done_before for outcome in self.outcomes)

    @property
    def num_ok(self) -> int:
        """Videos with at least one clip."""
        return sum(outcome.status == "ok" for outcome in self.outcomes)

    @property
    def coverage(self) -> float:
        """Share of videos with at least one clip."""
        return self.num_ok / len(self.outcomes) if self.outcomes else 0.0

    @property
    def num_clips(self) -> int:
        """Clips of all videos."""
        return sum(outcome.num_clips for outcome in self.outcomes)

    @property
    def num_bytes(self) -> int:
        """Bytes of all tars."""
        return sum(outcome.num_bytes for outcome in self.outcomes)

    @property
    def no_face(self) -> list[tuple[str, str]]:
        """(video_id, reason) of videos without a clip."""
        return self._named("no_face")

    @property
    def unreadable(self) -> list[tuple[str, str]]:
        """(video_id, reason) of videos that failed."""
        return self._named("unreadable")

    @property
    def timings(self) -> dict[str, float]:
        """Seconds per stage, summed over this run's videos and workers."""
        total: dict[str, float] = {}
        for outcome in self.outcomes:
            for stage, seconds in outcome.timings.items():
                total[stage] = total.get(stage, 0.0) + seconds
        return total

    @property
    def times_real_time(self) -> float | None:
        """Seconds of video prepared per second of this run; None when nothing was done."""
        done = sum(outcome.video_seconds for outcome in self._new())
        return done / self.seconds if done and self.seconds else None

    def to_json(self) -> dict[str, Any]:
        """Everything, JSON-ready."""
        return {
            "store": self.store,
            "finished": self.finished,
            "videos": self.num_videos,
            "done_before": self.num_done_before,
            "other_videos_in_store": self.num_other_videos,
            "ok": self.num_ok,
            "coverage": self.coverage,
            "clips": self.num_clips,
            "bytes": self.num_bytes,
            "seconds": self.seconds,
            "workers": self.workers,
            "times_real_time": self.times_real_time,
            "timings": self.timings,
            "outcomes": [asdict(outcome) for outcome in self.outcomes],
        }

    def _new(self) -> Iterable[VideoOutcome]:
        return (outcome for outcome in self.outcomes if not outcome.done_before)

    def _named(self, status: str) -> list[tuple[str, str]]:
        return [(outcome.video_id, outcome.reason) for outcome in self.outcomes if outcome.status == status]
