"""A real generator's traces: every frame's face, or the whole crop, drawn anew by a trained autoencoder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from vidfake.errors import ConfigError
from vidfake.synth.base import MAKERS, MadeClip, Maker, MakerClip
from vidfake.synth.blending import blend, match_colour, tint_share, toned
from vidfake.synth.compose import parts_of
from vidfake.synth.face_views import ENLARGINGS, back_into_crop, drawn_part, into_view, view
from vidfake.synth.masks import OUTLINES, clip_masks
from vidfake.synth.options import check_names, check_range, check_span
from vidfake.synth.timing import jitter
from vidfake.types import ByteArray, FloatArray

if TYPE_CHECKING:
    from vidfake.synth.autoencoder_net import Autoencoder

SHIPPED = Path(__file__).parent / "generators"
"""Weights that come with the package; how they were trained is in docs/synthesis.md."""

SOURCE = (
    "the autoencoder of the first face-swap tool (2017), https://github.com/deepfakes/faceswap; "
    "up-sampling: Shi et al. 2016 (sub-pixel convolution), https://arxiv.org/abs/1609.05158"
)


@MAKERS.register("autoencoder", source=SOURCE, has_weights=True)
def autoencoder(
    *,
    weights: str | tuple[str, ...] = "",
    outlines: tuple[str, ...] = ("face", "inner", "features"),
    whole_share: float = 0.0,
    pixels: tuple[int, int] = (64, 256),
    jitter_share: float = 0.003,
    least_matching: float = 0.5,
    sharpening: float = 1.0,
) -> Maker:
    """Draw the face anew, frame by frame, by a trained autoencoder; match its colours and paste it back.

    Args:
        weights: a file of `tools/train_autoencoder`, or several: each clip is drawn by one of them. Without, those
            that come with the package.
        outlines: mask outlines to draw from (`vidfake.synth.masks.OUTLINES`).
        whole_share: share of the clips in which the whole crop is drawn, as by generators of talking heads: there
            is no seam in it (in a rendered video the crop's border is one). Takes weights that draw pictures of any
            size (middle "map").
        pixels: least and most side of the picture that is drawn; weights that draw one size only have their own.
        jitter_share: most by which each frame's face is cut out off its place, as a share of the crop.
        least_matching: least share of the way on which the drawn colours are brought to the frame's.
        sharpening: most unsharp masking of what was drawn; in half of the clips there is none.

    Raises ConfigError for options out of range and a file that is not there, CheckpointError for a damaged one.
    """
    check_names("autoencoder", "outlines", outlines, OUTLINES)
    check_range("autoencoder", "whole_share", whole_share, 0, 1)
    check_span("autoencoder", "pixels", pixels, 32, 512)
    check_range("autoencoder", "jitter_share", jitter_share, 0, 0.05)
    check_range("autoencoder", "least_matching", least_matching, 0, 1)
    check_range("autoencoder", "sharpening", sharpening, 0, 3)
    from vidfake.synth.autoencoder_file import read_autoencoder  # torch, only where it is needed

    files = files_of(weights)
    trained = [read_autoencoder(file) for file in files]
    # what `make` holds is its description, and so part of the key of cached features: the hashes, but not the paths
    networks, weights_sha256 = [one.network for one in trained], [one.sha256 for one in trained]
    for file, network in zip(files, networks, strict=True):
        if whole_share > 0 and not network.settings.any_size:
            raise ConfigError(
                f"autoencoder: whole_share is {whole_share}, and {file} draws pictures of "
                f"{network.settings.pixels} pixels only. Train one with --middle map, or leave whole_share at 0."
            )

    def make(clip: MakerClip, rng: np.random.Generator) -> MadeClip:
        size, length = clip.faces.shape[1], len(clip.faces)
        chosen = int(rng.integers(len(networks)))
        network, side = networks[chosen], _side(networks[chosen], pixels, rng)
        outline, enlarging = str(rng.choice(outlines)), str(rng.choice(list(ENLARGINGS)))
        feather = float(rng.uniform(0.01, 0.04))
        masks = clip_masks(clip.landmarks, size, outline=outline, wobble=0.1, feather=feather, rng=rng)
        offsets = jitter(length, rng, inertia=float(rng.uniform(0.3, 0.95)), columns=2)
        matching = float(rng.uniform(least_matching, 1.0))
        sharpened = float(rng.uniform(0, sharpening)) if rng.random() < 0.5 else 0.0
        record: dict[str, Any] = {
            "maker": "autoencoder",
            "pixels": side,
            "enlarging": enlarging,
            "sharpened": sharpened,
            "matching": matching,
            "weights_sha256": weights_sha256[chosen],
        }
        if rng.random() < whole_share:
            faces = _redrawn_crops(network, clip.faces, side, sharpened, ENLARGINGS[enlarging], matching)
            whole = np.ones(faces.shape[:3], np.float32)
            return MadeClip(faces, whole, record | {"outline": None})
        places = [
            into_view(points + jitter_share * size * offset, side, size)
            for points, offset in zip(clip.landmarks, offsets, strict=True)
        ]
        drawn = _redrawn(
            network, [view(face, p, side) for face, p in zip(clip.faces, places, strict=True)], sharpened
        )
        tint = tint_share(clip.faces)
        faces, applied = clip.faces.copy(), np.zeros_like(masks)
        for t, (face, place) in enumerate(zip(clip.faces, places, strict=True)):
            applied[t] = np.minimum(masks[t], drawn_part(side, place, size))
            if applied[t].max() <= 0:
                continue
            back = back_into_crop(drawn[t], place, size, enlarging=ENLARGINGS[enlarging])
            coloured = match_colour(toned(back, tint), face, applied[t], share=matching)
            faces[t] = blend(face, coloured, applied[t])
        return MadeClip(faces, applied, record | {"outline": outline, "feather": feather})

    return make


def files_of(weights: str | Sequence[str]) -> list[Path]:
    """The files that option `weights` stands for: those that ship, one or several."""
    if not weights:
        return sorted(SHIPPED.glob("*.safetensors"))
    return [Path(weights)] if isinstance(weights, str) else [Path(file) for file in weights]


def _side(network: Autoencoder, pixels: tuple[int, int], rng: np.random.Generator) -> int:
    """Side of the picture to draw: the network's own, or one of `pixels`, of a whole number of its places."""
    settings = network.settings
    if not settings.any_size:
        return settings.pixels
    step = settings.step
    return int(max(1, round(float(np.exp(rng.uniform(*np.log(pixels)))) / step)) * step)


def _redrawn(network: Autoencoder, pictures: Sequence[ByteArray], sharpened: float) -> FloatArray:
    """`pictures` (p, p, 3) drawn anew, (T, p, p, 3) float32."""
    from vidfake.synth.autoencoder_net import redraw

    return np.stack([_sharp(picture, sharpened) for picture in redraw(network, np.stack(pictures))])


def _redrawn_crops(
    network: Autoencoder, faces: ByteArray, side: int, sharpened: float, enlarging: int, matching: float
) -> ByteArray:
    """Whole crops (T, S, S, 3) drawn anew at `side` pixels; grey ones stay grey."""
    size, tint = faces.shape[1], tint_share(faces)
    shrinking = cv2.INTER_AREA if side < size else cv2.INTER_CUBIC
    small = [np.asarray(cv2.resize(face, (side, side), interpolation=shrinking), np.uint8) for face in faces]
    drawn, everywhere = _redrawn(network, small, sharpened), np.ones((size, size), np.float32)
    found = np.empty_like(faces)
    for t, (picture, face) in enumerate(zip(drawn, faces, strict=True)):
        back = toned(cv2.resize(picture, (size, size), interpolation=enlarging), tint)
        coloured = match_colour(back, face, everywhere, share=matching)
        found[t] = np.clip(np.round(coloured), 0, 255)
    return found


def sources_seen(maker: str, tables: Mapping[str, Mapping[str, Any]], source_ids: Iterable[str]) -> list[str]:
    """Those of `source_ids` that the weights have seen with which `maker` draws: fakes of these flatter whoever
    made them. The weights are those that the maker's table in `tables` names, or those that ship. None for makers
    and compositions without this one."""
    if "autoencoder" not in parts_of(maker):
        return []
    from vidfake.synth.autoencoder_file import read_autoencoder

    known = list(source_ids)
    files = files_of(tables.get("autoencoder", {}).get("weights", ""))
    return sorted({source for file in files for source in read_autoencoder(file).seen(known)})


def _sharp(picture: FloatArray, strength: float) -> FloatArray:
    """Unsharp masking of what was drawn (p, p, 3), as face-swap tools offer."""
    if strength <= 0:
        return picture
    return np.asarray(picture + strength * (picture - cv2.GaussianBlur(picture, (0, 0), 1.0)), np.float32)
