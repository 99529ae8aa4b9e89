"""Temporal aggregators: features of a clip's frames to one vector."""

from __future__ import annotations

from vidfake.models.aggregators import convolution as convolution
from vidfake.models.aggregators import pooling as pooling
from vidfake.models.aggregators import recurrent as recurrent
from vidfake.models.aggregators import transformer as transformer
