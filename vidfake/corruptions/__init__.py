"""Corruptions for robustness figures; see docs/protocols.md. Importing this fills the registry."""

from __future__ import annotations

from vidfake.corruptions import blocks, blur, codecs, colour, scaling, screenshot, timing
from vidfake.corruptions.base import CORRUPTIONS, Corruption, corrupt_clip, parse_corruption
from vidfake.corruptions.files import CorruptedFile, corrupt_video

__all__ = ["CORRUPTIONS", "CorruptedFile", "Corruption", "corrupt_clip", "corrupt_video", "parse_corruption"]

_MODULES = (colour, blocks, blur, scaling, codecs, screenshot, timing)
