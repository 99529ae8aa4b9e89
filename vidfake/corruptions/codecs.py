"""Video compression: DeeperForensics-1.0's H.264 (VC), and four codecs at rates from good to poor."""

from __future__ import annotations

from vidfake.corruptions.base import CodecCorruption, register
from vidfake.corruptions.colour import FAMILY, SOURCE

RECODED = "re-encoding"


@register("VC", source=SOURCE, family=FAMILY)
class VideoCompression(CodecCorruption):
    """Video compression: H.264 by x264 at ffmpeg's other defaults (preset medium, 4:2:0)."""

    codec = "libx264"
    levels = (30, 32, 35, 38, 40)


@register("x264", source="own", family=RECODED)
class X264(CodecCorruption):
    """H.264 by x264, from ffmpeg's default quality down."""

    codec = "libx264"
    levels = (23, 28, 33, 38, 43)


@register("x265", source="own", family=RECODED)
class X265(CodecCorruption):
    """HEVC by x265, from its default quality down."""

    codec = "libx265"
    levels = (28, 32, 36, 40, 44)


@register("vp9", source="own", family=RECODED)
class VP9(CodecCorruption):
    """VP9 by libvpx, constant quality."""

    codec = "libvpx-vp9"
    levels = (31, 38, 45, 52, 59)


@register("av1", source="own", family=RECODED)
class AV1(CodecCorruption):
    """AV1 by SVT-AV1."""

    codec = "libsvtav1"
    levels = (35, 42, 49, 56, 63)
