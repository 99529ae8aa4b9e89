"""Makers of manipulated clips. To add one: its own file here, its test, and one import line below."""

from __future__ import annotations

from vidfake.synth import autoencoder as _autoencoder  # noqa: F401
from vidfake.synth import cross_blend as _cross_blend  # noqa: F401
from vidfake.synth import expression_warp as _expression_warp  # noqa: F401
from vidfake.synth import flicker_blend as _flicker_blend  # noqa: F401
from vidfake.synth import morphed_face as _morphed_face  # noqa: F401
from vidfake.synth import mouth_replace as _mouth_replace  # noqa: F401
from vidfake.synth import pasted_face as _pasted_face  # noqa: F401
from vidfake.synth import resynthesis as _resynthesis  # noqa: F401
from vidfake.synth import self_blend as _self_blend  # noqa: F401
from vidfake.synth import swap_warp as _swap_warp  # noqa: F401
from vidfake.synth import temporal_face as _temporal_face  # noqa: F401
from vidfake.synth.base import MAKERS, AnyMaker, DonorMaker, MadeClip, Maker, MakerClip

__all__ = ["MAKERS", "AnyMaker", "DonorMaker", "MadeClip", "Maker", "MakerClip"]
