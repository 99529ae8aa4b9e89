"""Makers of manipulated clips. To add one: its own file here, its test, and one import line below."""

from __future__ import annotations

from vidfake.synth import self_blend as _self_blend  # noqa: F401
from vidfake.synth.base import MAKERS, MadeClip, Maker, MakerClip

__all__ = ["MAKERS", "MadeClip", "Maker", "MakerClip"]
