"""Who lends a face to a maker that needs one: a real clip of another source and person, in a similar pose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import itemgetter

import numpy as np

from vidfake.data.manifest_rows import identities_of
from vidfake.data.store import ClipStore
from vidfake.data.store_index import StoredClip
from vidfake.errors import SamplerError
from vidfake.files import sha256_json
from vidfake.synth.base import MakerClip
from vidfake.synth.masks import face_frame, nose_place
from vidfake.synth.timing import IntArray, reflect
from vidfake.types import FloatArray, VideoRecord

CANDIDATES = 8  # clips compared at a time: more would give every clip the same few donors
ROUNDS = 4  # times that as many are compared, where none before lies close enough
CLOSE = 0.15  # what is close enough; heads that are turned by 20 degrees against each other are 0.17 apart
PROPORTIONS = 0.5  # weight of a face's proportions beside its pose


class DonorPool:
    """The real clips of a dataset, as donors for each other.

    Args:
        store: where they are.
        clips: the real clips.
        records: manifest rows by `video_id`; a donor shares neither `source_id` nor a person with its receiver.
    """

    def __init__(self, store: ClipStore, clips: Sequence[StoredClip], records: Mapping[str, VideoRecord]) -> None:
        self.store = store
        self.clips = list(clips)
        self._ties = {v: _ties(records[v]) for v in {clip.video.video_id for clip in self.clips}}
        self._known: dict[int, tuple[FloatArray, FloatArray]] = {}  # landmarks and geometry of clips seen

    def require(self, maker: str) -> None:
        """Raises SamplerError where some clip has no donor, as with videos of one person only."""
        groups = set(self._ties.values())
        for video_id, ties in self._ties.items():
            if all(ties & other for other in groups):
                raise SamplerError(
                    f"maker '{maker}' blends the faces of two people, and none of the {len(self.clips)} real clips "
                    f"is of another source and person than video '{video_id}'. Add real videos of other people "
                    "(source_id and identity tell them apart), or leave this maker out."
                )

    def key(self) -> str:
        """SHA-256 of who may lend to whom and how one is chosen: with another, a seed may give another donor."""
        ties = {video_id: sorted(ties) for video_id, ties in self._ties.items()}
        return sha256_json([CANDIDATES, ROUNDS, CLOSE, PROPORTIONS, ties])

    def draw(self, clip: StoredClip, landmarks: FloatArray, rng: np.random.Generator) -> MakerClip:
        """A donor for `clip`, as long as `landmarks` (T, 5, 2), which are those of the frames to be manipulated.

        Of `CANDIDATES` clips drawn at random, the one with the stretch whose poses and proportions come closest
        frame by frame; where that is not `CLOSE`, of as many more, up to `ROUNDS` times. A clip that is too short
        is a candidate only where none is long enough, and then its frames are taken back and forth.
        """
        here, length = geometry(landmarks), len(landmarks)
        offered = self._candidates(clip, length, rng)
        found: list[tuple[float, int, IntArray]] = []
        for start in range(0, len(offered), CANDIDATES):
            for number in offered[start : start + CANDIDATES]:
                frames, distance = best_stretch(here, self._known_of(number)[1])
                found.append((distance, number, frames))
            if min(found, key=itemgetter(0))[0] <= CLOSE:
                break
        _, number, frames = min(found, key=itemgetter(0))
        first, last = int(frames.min()), int(frames.max()) + 1
        faces = self.store.read_faces(self.clips[number], slice(first, last))
        return MakerClip(faces[frames - first], self._known_of(number)[0][frames])

    def _candidates(self, clip: StoredClip, length: int, rng: np.random.Generator) -> list[int]:
        own = self._ties[clip.video.video_id]
        long: list[int] = []
        short: list[int] = []
        for number in rng.permutation(len(self.clips)).tolist():
            other = self.clips[number]
            if own & self._ties[other.video.video_id]:
                continue
            (long if other.num_faces >= length else short).append(number)
            if len(long) == CANDIDATES * ROUNDS:
                break
        return long or short[: CANDIDATES * ROUNDS]

    def _known_of(self, number: int) -> tuple[FloatArray, FloatArray]:
        """Landmarks (T, 5, 2) and geometry (T, 3) of a clip, read once: a record is large, and they are small."""
        if number not in self._known:
            landmarks = self.store.details(self.clips[number]).crop_landmarks
            self._known[number] = landmarks, geometry(landmarks)
        return self._known[number]


def _ties(record: VideoRecord) -> frozenset[tuple[str, str]]:
    people = {("person", person) for person in identities_of(record)}
    return frozenset({("source", record.source_id or record.video_id), *people})


def geometry(landmarks: FloatArray) -> FloatArray:
    """Pose and proportions (T, 3) of faces (T, 5, 2), whatever their place, size and tilt.

    Where the nose lies in face coordinates, which turns and nods move, and the logarithm of the distance between
    the eyes over that from eyes to mouth, times `PROPORTIONS`.
    """
    rows = []
    for points in landmarks:
        _, x_axis, y_axis = face_frame(points)
        width, height = float(np.linalg.norm(x_axis)), float(np.linalg.norm(y_axis))
        rows.append([*nose_place(points), PROPORTIONS * np.log(max(width, 1e-3) / max(height, 1e-3))])
    return np.array(rows)


def best_stretch(here: FloatArray, there: FloatArray) -> tuple[IntArray, float]:
    """The frames (T,) of a donor's `there` (T', 3), in order, that come closest to `here` (T, 3), and how close.

    Where the donor is too short, from its first frame on, back and forth.
    """
    length, most = len(here), len(there)
    starts = range(most - length + 1) if most >= length else [0]
    stretches = np.stack([reflect(start + np.arange(length), most) for start in starts])
    costs = np.linalg.norm(there[stretches] - here, axis=-1).mean(axis=1)
    chosen = int(np.argmin(costs))
    return stretches[chosen], float(costs[chosen])
