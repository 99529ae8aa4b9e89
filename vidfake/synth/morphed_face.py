"""A neural face swap's look: two people's faces morphed, drawn anew at a generator's resolution and pasted back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import cv2
import numpy as np

from vidfake.geometry import apply
from vidfake.synth.base import MAKERS, DonorMaker, MadeClip, MakerClip
from vidfake.synth.blending import match_colour, tint_share, toned
from vidfake.synth.face_views import ENLARGINGS, back_into_crop, drawn_part, into_view, view
from vidfake.synth.masks import OUTLINES, clip_masks
from vidfake.synth.options import check_names, check_range, check_sizes, check_span
from vidfake.synth.resynthesis import UPSAMPLINGS, upsample
from vidfake.synth.seams import BLENDS, join
from vidfake.synth.swap_warp import match_pose, warp_to
from vidfake.synth.timing import jitter
from vidfake.types import ByteArray, FloatArray

SOURCE = (
    "imitates autoencoder swaps (DeepFaceLab, Perov et al. 2020), https://arxiv.org/abs/2005.05535; morphing: "
    "Beier & Neely 1992, https://doi.org/10.1145/133994.134003"
)
PLAIN = tuple(ENLARGINGS)  # besides the up-samplings that leave a generator's grid
PHASES = 0.06 * np.array([[1.0, -0.5], [-0.75, 0.25]])  # of a transposed convolution's grid, at full strength


@MAKERS.register("morphed_face", source=SOURCE, needs_donor=True)
def morphed_face(
    *,
    outlines: tuple[str, ...] = ("face", "inner", "features", "lower", "mouth"),
    blends: tuple[str, ...] = BLENDS,
    upsamplings: tuple[str, ...] = (*PLAIN, *UPSAMPLINGS),
    pixels: tuple[int, int] = (64, 224),
    share: tuple[float, float] = (0.3, 0.9),
    least_detail: float = 0.5,
    least_matching: float = 0.7,
    jitter_share: float = 0.004,
) -> DonorMaker:
    """Paste a morph of the clip's own face and another person's, drawn anew at 64 to 224 pixels, into the clip.

    A trained swap keeps the clip's expression, gaze and light and gives it another person's features, more smoothly
    than a camera would have it; a donor's picture pasted as it is keeps none of these.

    Args:
        outlines: mask outlines to draw from (`vidfake.synth.masks.OUTLINES`).
        blends: ways to join it to draw from (`vidfake.synth.seams.BLENDS`).
        upsamplings: how the drawn face is enlarged, to draw from: `linear`, `cubic`, or with a generator's traces
            (`resynthesis`).
        pixels: least and most side of the picture that is drawn, from hairline to chin.
        share: least and most share of the donor's face in the morph; the rest is the clip's own.
        least_detail: least share of the drawn picture's finest detail that is kept.
        least_matching: least share of the way on which the drawn colours are brought to the clip's.
        jitter_share: most by which each frame's face is off its place, as a share of the crop.

    Raises ConfigError for options out of range; the maker raises ValueError for clips of different sizes.
    """
    check_names("morphed_face", "outlines", outlines, OUTLINES)
    check_names("morphed_face", "blends", blends, BLENDS)
    check_names("morphed_face", "upsamplings", upsamplings, (*PLAIN, *UPSAMPLINGS))
    check_span("morphed_face", "pixels", pixels, 24, 512)
    check_span("morphed_face", "share", share, 0.05, 1)
    check_range("morphed_face", "least_detail", least_detail, 0, 1)
    check_range("morphed_face", "least_matching", least_matching, 0, 1)
    check_range("morphed_face", "jitter_share", jitter_share, 0, 0.05)

    def make(clip: MakerClip, donor: MakerClip, rng: np.random.Generator) -> MadeClip:
        size = clip.faces.shape[1]
        check_sizes(clip, donor)
        taken, distance = match_pose(clip.landmarks, donor.landmarks, rng)
        outline, way = str(rng.choice(outlines)), str(rng.choice(blends))
        feather = float(np.exp(rng.uniform(np.log(0.008), np.log(0.05))))
        matching = float(rng.uniform(least_matching, 1.0))
        generator = _Generator(
            pixels=round(float(np.exp(rng.uniform(*np.log(pixels))))),
            share=float(rng.uniform(*share)),
            detail=float(rng.uniform(least_detail, 1.0)),
            upsampling=str(rng.choice(upsamplings)),
            strength=float(rng.uniform(0.2, 1.0)),
            tint=tint_share(clip.faces),
        )
        masks = clip_masks(clip.landmarks, size, outline=outline, wobble=0.15, feather=feather, rng=rng)
        offsets = jitter_share * size * jitter(len(masks), rng, inertia=float(rng.uniform(0.3, 0.95)), columns=2)
        faces, applied = clip.faces.copy(), np.zeros_like(masks)
        lent = MakerClip(donor.faces[taken], donor.landmarks[taken])
        for t, (drawn, place) in enumerate(generator.draw(clip, lent, offsets)):
            face, mask = clip.faces[t], np.minimum(masks[t], drawn_part(drawn.shape[0], place, size))
            if mask.max() <= 0:
                continue
            enlarging = ENLARGINGS.get(generator.upsampling, cv2.INTER_CUBIC)
            altered = back_into_crop(drawn, place, size, enlarging=enlarging)
            altered = match_colour(altered, face, mask, share=matching)
            applied[t], faces[t] = mask, join(face, altered, mask, way)
        record: dict[str, Any] = {
            "maker": "morphed_face",
            "pose_distance": distance,
            "frames": taken.tolist(),
            "outline": outline,
            "blend": way,
            "feather": feather,
            "matching": matching,
            **generator._asdict(),
        }
        return MadeClip(faces, applied, record)

    return make


class _Generator(NamedTuple):
    """What draws the faces of one clip; a trained one would be as constant."""

    pixels: int
    share: float
    detail: float
    upsampling: str
    strength: float
    tint: float

    def draw(
        self, clip: MakerClip, donor: MakerClip, offsets: FloatArray
    ) -> Iterator[tuple[FloatArray, FloatArray]]:
        """For each frame the morph (p, p, 3) float32, and the (2, 3) map from the crop to it.

        `donor` is as long as the clip; `offsets` (T, 2) displace each frame's face, in crop pixels.
        """
        size = clip.faces.shape[1]
        for face, points, theirs, their_points, offset in zip(
            clip.faces, clip.landmarks, donor.faces, donor.landmarks, offsets, strict=True
        ):
            place, their_place = into_view(points, self.pixels, size), into_view(their_points, self.pixels, size)
            own = view(face, place, self.pixels)
            lent = view(theirs, their_place, self.pixels)
            lent = warp_to(lent, apply(their_place, their_points), apply(place, points))
            drawn = self._morph(own, lent)
            if self.upsampling in UPSAMPLINGS:
                phases = self.strength * PHASES
                drawn = upsample(drawn, self.upsampling, strength=self.strength, phases=phases)
            yield drawn, into_view(points + offset, drawn.shape[0], size)

    def _morph(self, own: ByteArray, lent: ByteArray) -> FloatArray:
        everywhere = np.ones(own.shape[:2], np.float32)
        alike = match_colour(toned(lent.astype(np.float32), self.tint), own, everywhere)
        mixed = np.asarray(self.share * alike + (1 - self.share) * own, np.float32)
        smooth = cv2.GaussianBlur(mixed, (0, 0), 1.2)
        return np.clip(smooth + self.detail * (mixed - smooth), 0, 255).astype(np.float32)
