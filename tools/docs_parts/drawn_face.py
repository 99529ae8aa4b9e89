"""A face that nobody has: painted by code, moving a little, with the five landmarks it was painted around."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from vidfake.faces.align import crop_template
from vidfake.seeding import generator
from vidfake.synth import MakerClip
from vidfake.types import ByteArray, FloatArray

Colour = tuple[float, float, float]


def at(x: float, y: float) -> FloatArray:
    """A way to go, in pixels or in the unit that it is multiplied by."""
    return np.array([x, y])


@dataclass(frozen=True)
class Person:
    """What one drawn person looks like; colours are RGB in 0..255, sizes are factors."""

    skin: Colour
    hair: Colour
    iris: Colour
    lips: Colour
    shirt: Colour
    wall: Colour
    width: float
    brow: float


PEOPLE = (
    Person((214, 166, 138), (70, 45, 30), (70, 110, 90), (176, 88, 84), (60, 84, 130), (150, 158, 160), 1.0, 1.0),
    Person((158, 110, 80), (25, 20, 20), (70, 45, 25), (130, 66, 62), (150, 120, 60), (182, 172, 150), 1.1, 1.5),
)


def drawn_clip(person: Person, *, num_frames: int = 16, crop_size: int = 256, margin: float = 1.3) -> MakerClip:
    """`num_frames` aligned faces at 25 frames a second: the head turns a little, eyes blink, the mouth speaks."""
    rng = generator(0, "drawn face", str(person))
    pores = _texture(rng, crop_size)
    frames, landmarks = [], []
    for t in range(num_frames):
        turn = 0.02 * np.sin(2 * np.pi * t / 25)
        closed = float(np.exp(-(((t - num_frames / 2) / 1.5) ** 2)))
        spoken = 0.5 + 0.5 * np.sin(2 * np.pi * t / 7)
        points = crop_template(crop_size=crop_size, margin=margin) + at(turn * crop_size, 0)
        points[2, 0] += 2 * turn * crop_size  # the nose goes ahead of the rest of a head that turns
        frames.append(_paint(person, points, crop_size, closed=closed, spoken=spoken, pores=pores))
        landmarks.append(points)
    return MakerClip(np.stack(frames), np.stack(landmarks).astype(np.float32))


def _texture(rng: np.random.Generator, size: int) -> FloatArray:
    """Fine grain on top of broad blotches (size, size, 1), as skin has, around 0."""
    fine = cv2.GaussianBlur(rng.normal(0, 1, (size, size)), (0, 0), 0.8)
    broad = cv2.GaussianBlur(rng.normal(0, 1, (size, size)), (0, 0), 12)
    return np.asarray(5 * fine + 60 * broad, np.float32)[..., None]


def _paint(
    person: Person, points: FloatArray, size: int, *, closed: float, spoken: float, pores: FloatArray
) -> ByteArray:
    """One picture (size, size, 3). `closed` and `spoken` say how far eyes are shut and the mouth is open, 0..1."""
    left, right, nose, mouth_left, mouth_right = points
    eyes, mouth = (left + right) / 2, (mouth_left + mouth_right) / 2
    unit = float(right[0] - left[0])  # between the eyes
    head = np.array([eyes[0], eyes[1] + 0.45 * unit])
    y, x = np.mgrid[:size, :size].astype(np.float32)
    picture = np.broadcast_to(np.float32(person.wall), (size, size, 3)) * (0.8 + 0.3 * y / size)[..., None]

    def blend(mask: FloatArray, colour: Colour | FloatArray, share: float = 1.0) -> None:
        nonlocal picture
        picture = picture + (share * mask[..., None]) * (np.asarray(colour, np.float32) - picture)

    def oval(centre: FloatArray, width: float, height: float, soft: float) -> FloatArray:
        distance = np.sqrt(((x - centre[0]) / width) ** 2 + ((y - centre[1]) / height) ** 2)
        return np.asarray(0.5 - 0.5 * np.tanh((distance - 1) * max(width, height) / (2 * soft)), np.float32)

    def stroke(line: FloatArray, thickness: int, soft: float) -> FloatArray:
        mask = np.zeros((size, size), np.float32)
        cv2.polylines(mask, [np.rint(line * 16).astype(np.int32)], False, 1.0, thickness, cv2.LINE_AA, 4)
        return np.asarray(cv2.GaussianBlur(mask, (0, 0), soft), np.float32)

    wide = 1.02 * person.width
    blend(oval(head + at(0, 2.6 * unit), 2.2 * unit, 1.35 * unit, 2), person.shirt)
    light = 1.12 - 0.5 * ((x - head[0]) / (2.4 * unit)) ** 2 - 0.14 * (x - head[0]) / unit
    skin = np.float32(person.skin) * light[..., None] + pores
    blend(oval(head + at(0, 1.5 * unit), 0.62 * unit, 0.75 * unit, 2), 0.78 * skin)
    blend(oval(head - at(0, 0.42 * unit), 1.22 * unit * person.width, 1.5 * unit, 3), person.hair)
    for side in (-1, 1):
        blend(oval(head + at(side * wide * unit, 0), 0.16 * unit, 0.32 * unit, 2), 0.85 * skin)
    blend(oval(head, wide * unit, 1.36 * unit, 2), skin)
    fringe = oval(head - at(0.1 * unit, 1.28 * unit), 1.02 * unit, 0.52 * unit, 3)
    blend(fringe, np.float32(person.hair) + 2 * pores)
    for side, eye in ((-1, left), (1, right)):
        blend(oval(eye - at(0, 0.02 * unit), 0.32 * unit, 0.2 * unit, 4), 0.72 * skin, 0.6)
        slit = max(0.02, 0.115 * (1 - closed))
        white = oval(eye, 0.22 * unit, slit * unit, 0.8)
        blend(white, (236, 232, 226))
        blend(oval(eye, 0.1 * unit, 0.1 * unit, 0.8) * white, person.iris)
        blend(oval(eye, 0.045 * unit, 0.045 * unit, 0.6) * white, (12, 10, 10))
        blend(oval(eye + at(0.03 * unit, -0.03 * unit), 0.02 * unit, 0.02 * unit, 0.5) * white, (250, 250, 250))
        t = np.linspace(-1, 1, 9)[:, None]
        lid = eye + np.concatenate([0.23 * unit * t, -slit * unit * (1 - t**2)], axis=1)
        blend(stroke(lid, 2, 0.7), (50, 32, 28), 0.9)
        brow = eye + np.concatenate([0.3 * unit * t, -unit * (0.27 + 0.06 * (1 - t**2) + 0.02 * side * t)], axis=1)
        blend(stroke(brow, round(4 * person.brow), 1.2), person.hair, 0.9)
    bridge = np.stack([eyes + at(0.12 * unit, 0.05 * unit), nose + at(0.1 * unit, -0.1 * unit)])
    blend(stroke(bridge, 5, 4), 0.7 * skin, 0.8)
    blend(oval(nose, 0.13 * unit, 0.12 * unit, 3), 1.1 * skin, 0.8)
    for side in (-1, 1):
        blend(oval(nose + at(side * 0.1 * unit, 0.09 * unit), 0.045 * unit, 0.025 * unit, 1), 0.35 * skin, 0.9)
        fold = np.stack([nose + at(side * 0.24 * unit, 0.06 * unit), mouth + at(side * 0.55 * unit, -0.02 * unit)])
        blend(stroke(fold, 2, 2.5), 0.75 * skin, 0.6)
    half = (mouth_right[0] - mouth_left[0]) / 2
    opening = (0.02 + 0.09 * spoken) * unit
    blend(oval(mouth, half, 0.1 * unit + opening, 1.2), person.lips)
    blend(oval(mouth, 0.8 * half, opening, 0.8), (52, 20, 22))
    blend(oval(mouth - at(0, 0.5 * opening), 0.6 * half, 0.35 * opening, 0.8), (225, 218, 208), 0.9)
    blend(oval(mouth + at(0, 0.36 * unit), 0.3 * unit, 0.05 * unit, 4), 0.8 * skin, 0.6)
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), 0.6).clip(0, 255), np.uint8)
