"""A drawn face for the makers: no photograph, and every pixel known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from vidfake.synth import MakerClip

SIZE, LENGTH = 128, 8
POINTS = np.array([[45, 50], [83, 50], [64, 72], [48, 92], [80, 92]], float)


def draw_clip(length: int = LENGTH) -> MakerClip:
    """A textured oval with eyes and a talking mouth over a textured ground, swaying slightly."""
    rng = np.random.default_rng(0)
    ground = rng.integers(0, 255, (SIZE, SIZE, 3)).astype(np.uint8)
    y, x = np.mgrid[:SIZE, :SIZE].astype(float)
    faces, landmarks = [], []
    for t in range(length):
        shift = np.array([2 * np.sin(t / 2), 0.0])
        u = x - shift[0]
        skin = np.stack([x + 60, y + 60 + 3 * t, (x + y) / 2 + 60 + 10 * np.sin(u / 3) * np.cos(y / 4)], -1)
        picture = np.where((((u - 64) / 45) ** 2 + ((y - 70) / 55) ** 2 < 1)[..., None], skin, ground)
        for eye in POINTS[:2]:
            picture[((u - eye[0]) / 7) ** 2 + ((y - eye[1]) / 3.5) ** 2 < 1] = (40, 30, 30)
        opening = 2 + 5 * abs(np.sin(1.3 * t + 0.4))
        picture[((u - 64) / 15) ** 2 + ((y - 92) / opening) ** 2 < 1] = (120, 30, 40)
        faces.append(picture.clip(0, 255).astype(np.uint8))
        landmarks.append(POINTS + shift)
    return MakerClip(np.stack(faces), np.stack(landmarks))


@pytest.fixture
def clip() -> MakerClip:
    return draw_clip()


@pytest.fixture
def still() -> MakerClip:
    """The same, its first frame in all frames."""
    one = draw_clip(1)
    return MakerClip(np.repeat(one.faces, LENGTH, 0), np.repeat(one.landmarks, LENGTH, 0))


@pytest.fixture
def donor(clip: MakerClip) -> MakerClip:
    """Somebody else: other colours, larger, a longer clip."""
    other = np.array([[40, 48], [88, 48], [64, 74], [44, 98], [84, 98]], float)
    faces = np.concatenate([255 - clip.faces, 255 - clip.faces[::-1]])
    return MakerClip(faces, np.stack([other + 0.1 * t for t in range(16)]))


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], str]:
    """Files of small, untrained autoencoders: another seed, other weights. Nothing is drawn well by them."""
    import torch

    from vidfake.synth.autoencoder_file import write_tensors
    from vidfake.synth.autoencoder_net import Autoencoder, AutoencoderSettings

    folder, settings = tmp_path_factory.mktemp("weights"), AutoencoderSettings(32, width=4, bottleneck=16)

    def write(seed: int) -> str:
        path = folder / f"{seed}.safetensors"
        if not path.exists():
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                write_tensors(path, Autoencoder(settings).state_dict(), settings, {"steps": 0, "sources": []})
        return str(path)

    return write
