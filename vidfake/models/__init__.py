"""Networks: frame encoders, temporal aggregators, the detector that joins them, and its checkpoint."""

from __future__ import annotations

# ruff: isort: off
# frame encoders before clip encoders: registries list their rows in the order of registration
from vidfake.models import aggregators as aggregators
from vidfake.models import encoders as encoders
from vidfake.models import clip_encoders as clip_encoders

# ruff: isort: on
from vidfake.models.checkpoint import LoadedCheckpoint, load_checkpoint, save_checkpoint
from vidfake.models.detector import Detector, DetectorOutput, ParameterGroup, build_detector
from vidfake.models.interfaces import AGGREGATORS, ENCODERS, Aggregator, ClipEncoder, Encoder, FrameEncoder

__all__ = [
    "AGGREGATORS",
    "ENCODERS",
    "Aggregator",
    "ClipEncoder",
    "Detector",
    "DetectorOutput",
    "Encoder",
    "FrameEncoder",
    "LoadedCheckpoint",
    "ParameterGroup",
    "build_detector",
    "load_checkpoint",
    "save_checkpoint",
]
