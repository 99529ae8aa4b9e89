"""Temporal aggregators: features of a clip's frames to one vector."""

from __future__ import annotations

from vidfake.models.aggregators import transformer as transformer
