"""A photograph animated into a short clip: head sway, mouth, blinks, camera drift, light, sensor noise.

The motion is a smooth displacement field tied to five face landmarks, so that real face detection, tracking and
alignment have something real to do. It is no substitute for footage: figures from it say nothing of real videos.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

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
        zoom=float(rng.uniform(1.0, 1.6)),
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
    width = height = side
    scene = draw_scene(seed, num_frames / frame_rate)
    noise = generator("demo noise", seed)
    view = _view(photo, face, scene, width, height)
    picture = cv2.warpAffine(photo, view, (width, height), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REFLECT_101)
    landmarks = face.landmarks @ view[:, :2].T + view[:, 2]
    grid_y, grid_x = np.mgrid[:height, :width].astype(np.float32)
    for index in range(num_frames):
        dx, dy = _displacement(grid_x, grid_y, landmarks, scene, index / frame_rate)
        moved = cv2.remap(picture, grid_x + dx, grid_y + dy, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
        light = 1 + 0.04 * np.sin(2 * np.pi * index / frame_rate / 3 + scene.phase)
        graded = 255 * np.clip(moved / 255.0 * light, 0, 1) ** scene.gamma * scene.gain
        frame = np.clip(graded + noise.normal(0, scene.noise, graded.shape), 0, 255).round().astype(np.uint8)
        yield np.ascontiguousarray(frame[:, ::-1]) if scene.mirrored else frame


def _view(photo: ByteArray, face: Face, scene: Scene, width: int, height: int) -> FloatArray:
    """Affine (2, 3) that frames the face: about a third of the picture, more with zoom."""
    x0, y0, x1, y1 = face.box
    scale = scene.zoom * 0.3 * height / (y1 - y0)
    centre = np.array([(x0 + x1) / 2, (y0 + y1) / 2])
    target = np.array([width, height]) * (0.5 + scene.shift)
    return np.concatenate([np.eye(2) * scale, (target - scale * centre)[:, None]], axis=1)


def _displacement(
    x: FloatArray, y: FloatArray, landmarks: FloatArray, scene: Scene, seconds: float
) -> tuple[FloatArray, FloatArray]:
    """Where each output pixel is taken from, relative to itself: (H, W) twice, float32."""
    right_eye, left_eye, _, right_mouth, left_mouth = landmarks
    eyes, mouth = (right_eye + left_eye) / 2, (right_mouth + left_mouth) / 2
    unit = float(np.linalg.norm(left_eye - right_eye))
    centre = (eyes + mouth) / 2
    amplitude, period = scene.sway.T
    sway = amplitude * np.sin(2 * np.pi * seconds / period + scene.phase * np.array([1, 2, 3]))
    head = np.exp(-((((x - centre[0]) / (2.2 * unit)) ** 2 + ((y - centre[1]) / (2.8 * unit)) ** 2) ** 2))
    dx = head * (-sway[0] * unit - sway[2] * (y - centre[1]))
    dy = head * (-sway[1] * unit + sway[2] * (x - centre[0]))
    opening = scene.speech[0] * unit * max(0.0, np.sin(2 * np.pi * seconds / scene.speech[1])) ** 2
    near_mouth = np.exp(-(((x - mouth[0]) / (0.55 * unit)) ** 2) - ((y - mouth[1]) / (0.45 * unit)) ** 2)
    dy = dy - near_mouth * opening * np.tanh((y - mouth[1]) / (0.12 * unit))
    closing = float(np.exp(-(((scene.blink_seconds - seconds) / 0.07) ** 2)).max())
    for eye in (right_eye, left_eye):
        near_eye = np.exp(-(((x - eye[0]) / (0.22 * unit)) ** 2) - ((y - eye[1]) / (0.13 * unit)) ** 2)
        dy = dy + near_eye * closing * 1.2 * (y - eye[1])
    return dx.astype(np.float32), dy.astype(np.float32)
