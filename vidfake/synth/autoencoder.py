"""A real generator's traces: every frame's face drawn anew by an autoencoder that was trained in the project."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from vidfake.errors import ConfigError
from vidfake.synth.base import MAKERS, MadeClip, Maker, MakerClip
from vidfake.synth.blending import blend, match_colour, tint_share, toned
from vidfake.synth.compose import parts_of
from vidfake.synth.face_views import ENLARGINGS, back_into_crop, drawn_part, into_view, view
from vidfake.synth.masks import OUTLINES, clip_masks
from vidfake.synth.options import check_names, check_range
from vidfake.synth.timing import jitter
from vidfake.types import FloatArray

SOURCE = (
    "the autoencoder of the first face-swap tool (2017), https://github.com/deepfakes/faceswap; "
    "up-sampling: Shi et al. 2016 (sub-pixel convolution), https://arxiv.org/abs/1609.05158"
)


@MAKERS.register("autoencoder", source=SOURCE, needs_weights=True)
def autoencoder(
    *,
    weights: str = "",
    outlines: tuple[str, ...] = ("face", "inner", "features"),
    jitter_share: float = 0.003,
    least_matching: float = 0.5,
    sharpening: float = 1.0,
) -> Maker:
    """Draw the face anew, frame by frame, by a trained autoencoder; match its colours and paste it back.

    Args:
        weights: a file of `tools/train_autoencoder`.
        outlines: mask outlines to draw from (`vidfake.synth.masks.OUTLINES`).
        jitter_share: most by which each frame's face is cut out off its place, as a share of the crop.
        least_matching: least share of the way on which the drawn colours are brought to the frame's.
        sharpening: most unsharp masking of what was drawn; in half of the clips there is none.

    Raises ConfigError without weights, CheckpointError for a file that is damaged.
    """
    if not weights:
        raise ConfigError(
            "maker 'autoencoder' needs trained weights. Train them on real clips with "
            "`tools/train_autoencoder STORE OUT.safetensors`, then name the file: "
            "`vidfake synth … --option weights=OUT.safetensors`, in training "
            "`--set data.maker_options.autoencoder.weights=OUT.safetensors` (in a study config.data…)."
        )
    check_names("autoencoder", "outlines", outlines, OUTLINES)
    check_range("autoencoder", "jitter_share", jitter_share, 0, 0.05)
    check_range("autoencoder", "least_matching", least_matching, 0, 1)
    check_range("autoencoder", "sharpening", sharpening, 0, 3)
    from vidfake.synth.autoencoder_file import read_autoencoder  # torch, only where it is needed
    from vidfake.synth.autoencoder_net import redraw

    trained = read_autoencoder(Path(weights))
    # what `make` holds is its description, and so part of the key of cached features: the hash, but not the path
    network, weights_sha256 = trained.network, trained.sha256

    def make(clip: MakerClip, rng: np.random.Generator) -> MadeClip:
        size, length, pixels = clip.faces.shape[1], len(clip.faces), network.settings.pixels
        outline, enlarging = str(rng.choice(outlines)), str(rng.choice(list(ENLARGINGS)))
        feather = float(rng.uniform(0.01, 0.04))
        masks = clip_masks(clip.landmarks, size, outline=outline, wobble=0.1, feather=feather, rng=rng)
        offsets = jitter(length, rng, inertia=float(rng.uniform(0.3, 0.95)), columns=2)
        matching = float(rng.uniform(least_matching, 1.0))
        sharpened = float(rng.uniform(0, sharpening)) if rng.random() < 0.5 else 0.0
        tint = tint_share(clip.faces)
        places = [
            into_view(points + jitter_share * size * offset, pixels, size)
            for points, offset in zip(clip.landmarks, offsets, strict=True)
        ]
        views = np.stack([view(face, place, pixels) for face, place in zip(clip.faces, places, strict=True)])
        drawn = redraw(network, views)
        faces, applied = clip.faces.copy(), np.zeros_like(masks)
        for t, (face, place) in enumerate(zip(clip.faces, places, strict=True)):
            applied[t] = np.minimum(masks[t], drawn_part(pixels, place, size))
            if applied[t].max() <= 0:
                continue
            back = back_into_crop(_sharp(drawn[t], sharpened), place, size, enlarging=ENLARGINGS[enlarging])
            coloured = match_colour(toned(back, tint), face, applied[t], share=matching)
            faces[t] = blend(face, coloured, applied[t])
        record: dict[str, Any] = {
            "maker": "autoencoder",
            "weights_sha256": weights_sha256,
            "pixels": pixels,
            "outline": outline,
            "enlarging": enlarging,
            "feather": feather,
            "matching": matching,
            "sharpened": sharpened,
        }
        return MadeClip(faces, applied, record)

    return make


def sources_seen(maker: str, tables: Mapping[str, Mapping[str, Any]], source_ids: Iterable[str]) -> list[str]:
    """Those of `source_ids` on which the weights were trained that `maker` draws with (named in its table of
    `tables`): fakes of these flatter whoever made them. None for makers and compositions without this one."""
    weights = tables.get("autoencoder", {}).get("weights", "")
    if "autoencoder" not in parts_of(maker) or not weights:
        return []
    from vidfake.synth.autoencoder_file import read_autoencoder

    return read_autoencoder(Path(str(weights))).seen(source_ids)


def _sharp(picture: FloatArray, strength: float) -> FloatArray:
    """Unsharp masking of what was drawn (p, p, 3), as face-swap tools offer."""
    if strength <= 0:
        return picture
    return np.asarray(picture + strength * (picture - cv2.GaussianBlur(picture, (0, 0), 1.0)), np.float32)
