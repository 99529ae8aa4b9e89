"""A maker of fakes applied to a whole file: the manipulated faces are put back where they were taken from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from vidfake.data.decoding import Decoding
from vidfake.data.made import make_visible
from vidfake.data.render_faces import MAX_FACES, OnFrame, crop_side, read_faces
from vidfake.data.render_files import Manipulated, write_files
from vidfake.errors import MakerError, MediaError, UsageError
from vidfake.faces.extract import ExtractionResult, pixel_aspect_of
from vidfake.seeding import generator
from vidfake.settings import ExtractSettings
from vidfake.synth.base import MAKERS, AnyMaker, MadeClip, MakerClip
from vidfake.synth.compose import apply_maker, build_maker, maker_facts
from vidfake.types import Track

WhichTracks = Literal["all", "longest"] | tuple[int, ...]
Report = Callable[[str, int, int | None], None]


@dataclass(frozen=True)
class TrackFake:
    """One manipulated track: `num_frames` faces from `start_seconds` to `end_seconds`, and what the maker drew."""

    track_id: int
    shot_index: int
    start_seconds: float
    end_seconds: float
    num_frames: int
    parameters: dict[str, Any]


@dataclass(frozen=True)
class RenderedFake:
    """What was written: `num_frames` pictures; the tracks, and by `track_id` why others that were asked for are
    left as they were; `crop_size` of the faces that the maker got; `warnings` about the file."""

    num_frames: int
    tracks: list[TrackFake]
    skipped: dict[int, str]
    crop_size: int
    warnings: list[str]


class Donor:
    """Somebody else's face for makers that need one: the longest track of a file, found once for all fakes.

    Raises MediaError for a file that cannot be read or shows no face.
    """

    def __init__(self, path: Path | str, settings: ExtractSettings, decoding: Decoding) -> None:
        self.path = path
        self._settings, self._decoding = settings, decoding
        self._track = _longest(_find(path, settings, decoding).tracks)
        self._clips: dict[int, MakerClip] = {}

    def clip(self, side: int) -> MakerClip:
        """Its faces at `side` pixels; as many as are held at once, from the first on."""
        if side not in self._clips:
            track = _beginning(self._track, MAX_FACES * 256**2 // side**2)
            self._clips = {side: read_faces(self.path, [track], side, self._settings, self._decoding)[0]}
        return self._clips[side]


def render_fake(
    path: Path | str,
    out: Path | str,
    maker: str,
    *,
    seed: int,
    settings: ExtractSettings,
    options: Mapping[str, Any] | None = None,
    tracks: WhichTracks = "longest",
    donor: Donor | None = None,
    mask: Path | str | None = None,
    real: Path | str | None = None,
    decoding: Decoding | None = None,
    crf: float = 18,
    report: Report | None = None,
) -> RenderedFake:
    """Write a copy of a video (or photograph) in which faces are manipulated; without its sound.

    Frames keep their times. Outside of the manipulation's mask every frame is as decoded, and the whole is encoded
    once more: compare it with a `real` that was encoded as often and alike. An odd row or column is cut off.

    Args:
        path: a video, or a photograph, which is a clip of one frame.
        out: file to write: H.264 of quality `crf` for a video, .png for a photograph; so `mask` and `real`.
        maker: name of a maker, or of several composed by ``+`` (`synth.compose`).
        seed: of what the maker draws; a track's fake depends on it and on its `track_id` alone.
        options: of the maker.
        tracks: all of them, the longest (in frames), or those of these ids.
        donor: the face that is lent, for makers that need one.
        mask: if given, the file for the mask: white where a pixel is wholly the maker's, black where untouched.
        real: if given, the file for a copy that is not manipulated.
        decoding: default: in a confined child.

    Raises MediaError for a file that cannot be read or shows no face, MakerError where no track could be
    manipulated, UsageError for more faces than are held at once, a track that is not there and a donor that is
    missing, ConfigError and UnknownNameError for the maker. What is written appears whole or not at all.
    """
    decoding = decoding or Decoding()
    build, facts = build_maker(maker, **(options or {})), maker_facts(maker)
    if facts.needs_donor and donor is None:
        raise UsageError(
            f"maker '{maker}' puts another person's face on, and no donor is given. Name a file of one."
        )
    found = _find(path, settings, decoding)
    chosen, skipped = _long_enough(path, _chosen(path, found.tracks, tracks), maker, facts.min_frames)
    side = crop_side(path, chosen, found.info, settings)
    total = found.num_frames_decoded
    clips = read_faces(path, chosen, side, settings, decoding, _counter(report, "reading faces", total))
    lent = donor.clip(side) if donor is not None and facts.needs_donor else None
    kept: list[Manipulated] = []
    for track in chosen:
        clip = clips.pop(0)  # not held any longer than needed
        try:
            kept.append(Manipulated(track, _make(build, clip, lent, maker, seed, track.track_id, path)))
        except (MakerError, UsageError) as error:
            skipped[track.track_id] = str(error)
    if not kept:
        raise MakerError(f"{path}: no face was manipulated. {' '.join(dict.fromkeys(skipped.values()))}")
    files = {name: file for name, file in (("fake", out), ("mask", mask), ("real", real)) if file is not None}
    writing = _counter(report, "writing", total)
    count = write_files(path, files, kept, side, settings, decoding, crf=crf, on_frame=writing)
    return RenderedFake(count, [_told(one) for one in kept], skipped, side, _warnings(found))


def render_copy(path: Path | str, out: Path | str, *, decoding: Decoding | None = None, crf: float = 18) -> int:
    """Write `path` to `out` through the same encoder as `render_fake`, manipulating nothing. Returns the frames."""
    return write_files(path, {"real": out}, [], 0, ExtractSettings(), decoding or Decoding(), crf=crf)


def _find(path: Path | str, settings: ExtractSettings, decoding: Decoding) -> ExtractionResult:
    # as dense outside of clip windows as within: every frame of a track is manipulated
    found = decoding.tracks(path, replace(settings, scan_interval_seconds=settings.detect_interval_seconds))
    if not found.tracks:
        raise MediaError(f"{path}: no face was found, so there is nothing to manipulate. Choose another video.")
    return found


def _longest(tracks: Sequence[Track]) -> Track:
    return max(tracks, key=lambda track: len(track.frame_indices))


def _chosen(path: Path | str, tracks: Sequence[Track], which: WhichTracks) -> list[Track]:
    if which == "all":
        return list(tracks)
    if which == "longest":
        return [_longest(tracks)]
    by_id = {track.track_id: track for track in tracks}
    missing = [number for number in which if number not in by_id]
    if missing:
        known = ", ".join(f"{t.track_id} ({t.pts_seconds[0]:.2f}-{t.pts_seconds[-1]:.2f} s)" for t in tracks)
        raise UsageError(f"{path}: there is no track {missing[0]}. Tracks there: {known}.")
    return [by_id[number] for number in dict.fromkeys(which)]


def _long_enough(
    path: Path | str, tracks: list[Track], maker: str, least: int
) -> tuple[list[Track], dict[int, str]]:
    """The tracks that the maker has enough frames of, and why the others are left out."""
    skipped = {
        track.track_id: f"maker '{maker}' needs {least} frames, and track {track.track_id} has "
        f"{len(track.frame_indices)}."
        for track in tracks
        if len(track.frame_indices) < least
    }
    if len(skipped) == len(tracks):
        single = ", ".join(row.name for row in MAKERS if int(row.details.get("min_frames", 1)) == 1)
        raise MakerError(
            f"{path}: {' '.join(skipped.values())} Makers that take one frame, as of a photograph: {single}."
        )
    return [track for track in tracks if track.track_id not in skipped], skipped


def _make(
    build: AnyMaker,
    clip: MakerClip,
    lent: MakerClip | None,
    maker: str,
    seed: int,
    track_id: int,
    path: Path | str,
) -> MadeClip:
    def draw(attempt: int) -> MadeClip:
        return apply_maker(build, clip, lent, generator(seed, "render", track_id, attempt))

    return make_visible(draw, clip, maker=maker, where=f"{path} track {track_id}")


def _beginning(track: Track, most: int) -> Track:
    """A track's first `most` frames."""
    arrays = ("frame_indices", "pts_seconds", "boxes", "landmarks", "confidences", "detected")
    return replace(track, **{name: getattr(track, name)[:most] for name in arrays})


def _told(one: Manipulated) -> TrackFake:
    track = one.track
    return TrackFake(
        track_id=track.track_id,
        shot_index=track.shot_index,
        start_seconds=float(track.pts_seconds[0]),
        end_seconds=float(track.pts_seconds[-1]),
        num_frames=len(track.frame_indices),
        parameters=one.made.parameters,
    )


def _warnings(found: ExtractionResult) -> list[str]:
    aspect = pixel_aspect_of(found.info)
    sound = ["the sound of the source is left out"] if found.info.has_audio else []
    square = (
        [f"the copy's pixels are square, those of the source {aspect:.4g} times as wide"] if aspect != 1 else []
    )
    return [*found.warnings, *sound, *square]


def _counter(report: Report | None, stage: str, total: int) -> OnFrame | None:
    return None if report is None else lambda done: report(stage, done, total)
