"""What the face autoencoder learns from: faces of real clips, and pairs of a warped face and the face itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from vidfake.data.store import ClipStore
from vidfake.data.store_index import StoredClip
from vidfake.errors import ConfigError
from vidfake.geometry import apply, centred, inverse, similarity_transform
from vidfake.seeding import derived_seed, generator
from vidfake.synth.face_views import VIEW_LANDMARKS, into_view, softened, view
from vidfake.synth.masks import clip_masks
from vidfake.types import REAL, ByteArray, FloatArray

HELD_OUT = 20  # one source in so many is not trained on, for the error on unknown faces
GRID = 5  # knots of the warp along each side
WARP = 0.03  # standard deviation of a knot's displacement, as a share of the side
TURN_DEGREES, ZOOM, SHIFT = 10.0, 0.05, 0.05
AROUND = 0.2  # weight of what lies outside of the face's outline

# source_id -> video_id -> its real clips
People = dict[str, dict[str, list[StoredClip]]]


@dataclass(frozen=True)
class TrainingFaces:
    """Real faces of a store by source: those to train on, and those `held_out` to measure on."""

    store: ClipStore
    trained: People
    held_out: People

    @property
    def num_clips(self) -> int:
        """Of those that are trained on."""
        return sum(len(clips) for videos in self.trained.values() for clips in videos.values())

    def face(self, people: People, rng: np.random.Generator) -> tuple[ByteArray, FloatArray]:
        """One crop (S, S, 3) and its landmarks (5, 2): a source, of it a video, a clip and a frame, each drawn
        evenly, so that long videos do not count for more."""
        videos = people[str(rng.choice(list(people)))]
        clips = videos[str(rng.choice(list(videos)))]
        clip = clips[int(rng.integers(len(clips)))]
        frame = int(rng.integers(clip.num_faces))
        faces = self.store.read_faces(clip, slice(frame, frame + 1))
        return faces[0], self.store.details(clip).crop_landmarks[frame]


def training_faces(store: ClipStore, *, split: str, seed: int) -> TrainingFaces:
    """The store's real clips of `split` ('' for all), one source in `HELD_OUT` drawn by `seed` put aside.

    Raises ConfigError where there are none.
    """
    trained: People = {}
    held_out: People = {}
    for clip in store.clips:
        record = clip.video.record
        if record.label != REAL or (split and record.split != split):
            continue
        source = record.source_id or record.video_id
        aside = derived_seed(seed, "autoencoder held out", source) % HELD_OUT == 0
        videos = (held_out if aside else trained).setdefault(source, {})
        videos.setdefault(record.video_id, []).append(clip)
    if not trained:
        splits = sorted({video.record.split for video in store.videos})
        raise ConfigError(
            f"{store.path}: no real clips of split '{split}' to train on; the store's splits are {splits}. Name "
            "one with --split, or '' for all, of a store with real videos."
        )
    return TrainingFaces(store, trained, held_out)


def batch(faces: TrainingFaces, step: int, *, seed: int, size: int, pixels: int) -> tuple[Tensor, Tensor]:
    """Warped faces and faces, each (B, 3, P, P) in [0, 1], of one step: the same whatever was drawn before."""
    rng = generator(seed, "autoencoder", step)
    pairs = [warped_pair(*faces.face(faces.trained, rng), pixels, rng) for _ in range(size)]
    return as_tensor([warped for warped, _ in pairs]), as_tensor([plain for _, plain in pairs])


def held_out_batch(faces: TrainingFaces, *, seed: int, size: int, pixels: int) -> Tensor | None:
    """Unwarped views (B, 3, P, P) of sources that are not trained on; None where there are none."""
    if not faces.held_out:
        return None
    rng = generator(seed, "autoencoder held out faces")
    drawn = [faces.face(faces.held_out, rng) for _ in range(size)]
    return as_tensor([view(face, into_view(points, pixels, face.shape[0]), pixels) for face, points in drawn])


def as_tensor(pictures: Sequence[ByteArray]) -> Tensor:
    """Pictures (P, P, 3) uint8 as (B, 3, P, P) in [0, 1]."""
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 255


def face_weights(pixels: int) -> Tensor:
    """Weights (P, P) of the loss, mean 1: the face's outline counts in full, what lies around it `AROUND`."""
    landmarks = (VIEW_LANDMARKS * pixels)[None]
    rng = np.random.default_rng(0)  # without wobble nothing is drawn from it
    mask = clip_masks(landmarks, pixels, outline="face", wobble=0.0, feather=0.03, rng=rng)[0]
    weights = AROUND + (1 - AROUND) * mask
    return torch.from_numpy((weights / weights.mean()).astype(np.float32))


def warped_pair(
    face: ByteArray, landmarks: FloatArray, pixels: int, rng: np.random.Generator
) -> tuple[ByteArray, ByteArray]:
    """A view (P, P, 3) of the crop bent by a random grid, and the same face unbent; both turned, sized, placed and
    mirrored alike.

    As `deepfakes/faceswap` trains (random_warp): the input is sampled where the knots of a grid were moved at
    random, the target through the similarity that fits the moved knots best. Only the bending has to be undone.
    """
    matrix = _unsteady(into_view(landmarks, pixels, face.shape[0]), pixels, rng)
    soft = softened(face, matrix)
    crop = centred(inverse(matrix))
    ticks = (np.arange(GRID) + 0.5) * pixels / GRID - 0.5
    knots = np.stack(np.meshgrid(ticks, ticks), axis=-1)
    moves = rng.normal(0, WARP * pixels, knots.shape)
    fitted = similarity_transform(knots.reshape(-1, 2), (knots + moves).reshape(-1, 2))
    y, x = np.mgrid[:pixels, :pixels].astype(np.float64)
    places: FloatArray = np.stack([x, y], axis=-1)
    bent = np.asarray(places + cv2.resize(moves, (pixels, pixels), interpolation=cv2.INTER_CUBIC))
    pair = [_sampled(soft, apply(crop, where)) for where in (bent, apply(fitted, places))]
    if rng.random() < 0.5:
        pair = [np.ascontiguousarray(picture[:, ::-1]) for picture in pair]
    return pair[0], pair[1]


def _unsteady(matrix: FloatArray, pixels: int, rng: np.random.Generator) -> FloatArray:
    """`matrix` into a view, followed by a small turn, zoom and shift around the view's middle."""
    turn = np.radians(rng.uniform(-TURN_DEGREES, TURN_DEGREES))
    zoom = 1 + rng.uniform(-ZOOM, ZOOM)
    move = zoom * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    middle = np.full(2, pixels / 2)
    shift = middle + rng.uniform(-SHIFT, SHIFT, 2) * pixels - move @ middle
    return np.concatenate([move @ matrix[:, :2], (move @ matrix[:, 2] + shift)[:, None]], axis=1)


def _sampled(face: ByteArray, places: FloatArray) -> ByteArray:
    """The crop at `places` (P, P, 2) of its own pixels."""
    where = places.astype(np.float32)
    return np.asarray(
        cv2.remap(face, where[..., 0], where[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101), np.uint8
    )
