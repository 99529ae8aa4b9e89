"""How much of a video is looked at: three profiles of cost and care, all of their settings in this file."""

from __future__ import annotations

from dataclasses import dataclass, replace

from vidfake.errors import UsageError
from vidfake.registry import nearest
from vidfake.settings import ExtractSettings


@dataclass(frozen=True)
class Profile:
    """One choice between speed and care.

    Only how many clips are taken changes, never how a clip is made: number and spacing of its frames, detection,
    alignment and crop stay those that the detector was trained with. `interval_factor` stretches the time between
    the starts of neighbouring clips, `clips_factor` the most clips of one video. With `flip` every clip is scored
    as it is and mirrored, and the two scores are averaged. `cost` is the encoder's work in words.
    """

    name: str
    interval_factor: float
    clips_factor: float
    flip: bool
    cost: str

    def extract(self, settings: ExtractSettings) -> ExtractSettings:
        """A detector's own extract settings with this profile's clips; the same object where nothing changes."""
        if self.interval_factor == self.clips_factor == 1.0:
            return settings
        return replace(
            settings,
            clip_interval_seconds=settings.clip_interval_seconds * self.interval_factor,
            max_clips=max(1, round(settings.max_clips * self.clips_factor)),
        )


PROFILES = {
    profile.name: profile
    for profile in (
        Profile("fast", 2.0, 0.25, False, "half as many clips of a short video, a quarter of a long one"),
        Profile("balanced", 1.0, 1.0, False, "the clips that the detector was trained and calibrated with"),
        Profile("thorough", 0.5, 2.0, True, "twice as many clips, each scored twice: as it is and mirrored"),
    )
}
BALANCED = PROFILES["balanced"]


def find_profile(name: str) -> Profile:
    """The profile of that name. Raises UsageError for any other."""
    if name not in PROFILES:
        raise UsageError(f"--profile is '{name}'. It takes: {', '.join(PROFILES)}.{nearest(name, list(PROFILES))}")
    return PROFILES[name]
