"""What the process that decodes an untrusted file may use."""

from __future__ import annotations

from dataclasses import dataclass, field

from vidfake.video.limits import VideoLimits

_SCAN_BYTES_PER_SECOND = 5e6  # a slow disk; the whole file is read once before its first frame counts
_SECONDS_PER_FRAME = 0.02  # generous by a factor of about 20, so that a busy machine is not taken for an attack
_SECONDS_PER_PIXEL = 4e-7


@dataclass(frozen=True)
class SandboxLimits:
    """Limits on the child process, and on one video (`video`).

    Time is what the parent spends waiting for the child; while the parent itself is busy, no clock runs. A child
    that gives no frame for `stall_seconds`, or on average takes longer than any honest picture of that size, is
    ended, and so is one that took `max_seconds` for a file in all.
    """

    memory_bytes: int = 4 * 2**30  # of address space; an idle child has about 0.4 GiB of it
    open_files: int = 64
    start_seconds: float = 120.0
    stall_seconds: float = 60.0
    max_seconds: float = 6 * 3600.0
    files_per_child: int = 200  # then a fresh one, so that nothing a file left behind lasts
    video: VideoLimits = field(default_factory=VideoLimits)

    def __post_init__(self) -> None:
        for name in ("start_seconds", "stall_seconds", "max_seconds", "files_per_child", "open_files"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be above 0")
        if self.memory_bytes < 2**29:
            raise ValueError(f"memory_bytes is {self.memory_bytes}; the decoder alone needs {2**29} (512 MiB)")

    def stall_seconds_for(self, num_bytes: int, num_frames: int) -> float:
        """Longest silence of the child on a file of `num_bytes`, after `num_frames` frames."""
        return self.stall_seconds + (0.0 if num_frames else num_bytes / _SCAN_BYTES_PER_SECOND)

    def total_seconds_for(self, num_bytes: int, num_frames: int, num_pixels: int) -> float:
        """Longest wait so far, after `num_frames` frames that hold `num_pixels` pixels together."""
        earned = num_frames * _SECONDS_PER_FRAME + num_pixels * _SECONDS_PER_PIXEL
        return min(self.max_seconds, self.stall_seconds + num_bytes / _SCAN_BYTES_PER_SECOND + earned)
