"""A photograph animated into a short clip: head sway, mouth, blinks, camera drift, light, sensor noise.

The motion is a smooth displacement field tied to five face landmarks, so that real face detection, tracking and
alignment have something real to do. It is no substitute for footage: figures from it say nothing of real videos.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np

from vidfake.seeding import generator
from vidfake.types import ByteArray, Face, FloatArray


@dataclass(frozen=True)
class Scene:
    """What is drawn once per clip: how this "recording" looks and moves."""

    zoom: float
    shift: FloatArray  # (2,) share of the picture
    mirrored: bool
    gain: FloatArray  # (3,)
    gamma: float
    noise: float  # grey levels
    sway: FloatArray  # (3, 2) amplitudes in eye distances and periods in seconds: x, y, roll
    speech: FloatArray  # (2,) amplitude, period in seconds
    blink_seconds: FloatArray
    phase: float


def draw_scene(seed: int, duration_seconds: float) -> Scene:
    """A scene for `seed`; the same on every machine."""
    rng = generator("demo scene", seed)
    blinks = np.cumsum(rng.uniform(0.8, 2.5, max(1, int(duration_seconds))))
    return Scene(
        zoom=float(rng.uniform(1.3, 1.9)),
        shift=rng.uniform(-0.04, 0.04, 2),
        mirrored=bool(rng.random() < 0.5),
        gain=rng.uniform(0.8, 1.15, 3),
        gamma=float(rng.uniform(0.8, 1.25)),
        noise=float(rng.uniform(0.5, 3.0)),
        sway=np.stack([rng.uniform(0.02, 0.12, 3) * (1, 0.6, 0.5), rng.uniform(1.5, 4.0, 3)], 1),
        speech=np.array([rng.uniform(0.03, 0.1), rng.uniform(0.25, 0.5)]),
        blink_seconds=blinks,
        phase=float(rng.uniform(0, 2 * np.pi)),
    )


def animate(
    photo: ByteArray, face: Face, *, seed: int, num_frames: int, frame_rate: float, side: int = 480
) -> Iterator[ByteArray]:
    """Frames (side, side, 3) uint8 RGB of `photo` (H, W, 3) moving around the detected `face`."""
    scene = draw_scene(seed, num_frames / frame_rate)
    view = _view(photo, face, scene, side, side)
    picture = cv2.warpAffine(photo, view, (side, side), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REFLECT_101)
    landmarks = face.landmarks @ view[:, :2].T + view[:, 2]
    yield from move(
        np.asarray(picture, np.uint8), landmarks, scene, seed=seed, num_frames=num_frames, frame_rate=frame_rate
    )


def plain_scene(seed: int, duration_seconds: float) -> Scene:
    """A scene in which a picture moves and keeps its colours and its sides."""
    return replace(draw_scene(seed, duration_seconds), mirrored=False, gain=np.ones(3), gamma=1.0)


def move(
    picture: ByteArray, landmarks: FloatArray, scene: Scene, *, seed: int, num_frames: int, frame_rate: float
) -> Iterator[ByteArray]:
    """Frames of a `picture` (H, W, 3), framed as it is, moving around the face of these `landmarks` (5, 2)."""
    noise = generator("demo noise", seed)
    fields = _Fields(landmarks, picture.shape[1], picture.shape[0])
    for index in range(num_frames):
        map_x, map_y = fields.at(scene, index / frame_rate)
        moved = cv2.remap(picture, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
        light = 1 + 0.04 * np.sin(2 * np.pi * index / frame_rate / 3 + scene.phase)
        levels = 255 * np.clip(np.arange(256) / 255.0 * light, 0, 1)[:, None] ** scene.gamma * scene.gain
        graded = np.stack([levels[:, c][moved[..., c]] for c in range(3)], axis=-1).astype(np.float32)
        frame = np.clip(graded + scene.noise * grain(noise, graded.shape), 0, 255).round().astype(np.uint8)
        yield np.ascontiguousarray(frame[:, ::-1]) if scene.mirrored else frame


def _view(photo: ByteArray, face: Face, scene: Scene, width: int, height: int) -> FloatArray:
    """Affine (2, 3) that frames the face: about a third of the picture, more with zoom."""
    x0, y0, x1, y1 = face.box
    scale = scene.zoom * 0.3 * height / (y1 - y0)
    centre = np.array([(x0 + x1) / 2, (y0 + y1) / 2])
    target = np.array([width, height]) * (0.5 + scene.shift)
    return np.concatenate([np.eye(2) * scale, (target - scale * centre)[:, None]], axis=1)


def grain(rng: np.random.Generator, shape: tuple[int, ...]) -> FloatArray:
    """Standard normal noise in float32."""
    return rng.standard_normal(shape, dtype=np.float32)


class _Fields:
    """The parts of the displacement field that do not change with time, (H, W) float32 each."""

    def __init__(self, landmarks: FloatArray, width: int, height: int) -> None:
        self.y, self.x = np.mgrid[:height, :width].astype(np.float32)
        right_eye, left_eye, _, right_mouth, left_mouth = landmarks
        mouth = (right_mouth + left_mouth) / 2
        self.unit = float(np.linalg.norm(left_eye - right_eye))
        centre = ((right_eye + left_eye) / 2 + mouth) / 2
        distance = self._ellipse(centre, 2.2, 2.8)
        head = np.exp(-(distance**2))
        self.head = head
        self.head_x, self.head_y = head * (self.x - centre[0]), head * (self.y - centre[1])
        opening = np.exp(-self._ellipse(mouth, 0.55, 0.45))
        self.mouth = opening * np.tanh((self.y - mouth[1]) / (0.12 * self.unit))
        lids = [np.exp(-self._ellipse(eye, 0.22, 0.13)) * (self.y - eye[1]) for eye in (right_eye, left_eye)]
        self.eyes = 1.2 * (lids[0] + lids[1])

    def _ellipse(self, centre: FloatArray, x_radius: float, y_radius: float) -> FloatArray:
        """Squared distance from `centre` in radii given in eye distances."""
        x, y = (self.x - centre[0]) / (x_radius * self.unit), (self.y - centre[1]) / (y_radius * self.unit)
        return np.asarray(x * x + y * y, np.float32)

    def at(self, scene: Scene, seconds: float) -> tuple[FloatArray, FloatArray]:
        """Where each output pixel is taken from at that time: x and y, (H, W) float32 each."""
        amplitude, period = scene.sway.T
        sway = amplitude * np.sin(2 * np.pi * seconds / period + scene.phase * np.array([1, 2, 3]))
        opening = scene.speech[0] * self.unit * max(0.0, np.sin(2 * np.pi * seconds / scene.speech[1])) ** 2
        closing = float(np.exp(-(((scene.blink_seconds - seconds) / 0.07) ** 2)).max())
        dx = -sway[0] * self.unit * self.head - sway[2] * self.head_y
        dy = -sway[1] * self.unit * self.head + sway[2] * self.head_x
        dy = dy - opening * self.mouth + closing * self.eyes
        return (self.x + dx).astype(np.float32), (self.y + dy).astype(np.float32)
