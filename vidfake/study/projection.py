"""Frame features on their main axes: a fixed linear layer after the frozen encoder, so that runs are quicker."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vidfake.data.features import FeatureDataset
from vidfake.errors import ConfigError
from vidfake.types import FloatArray


@dataclass(frozen=True)
class Projection:
    """``(x - mean) @ axes``: (..., D) -> (..., K), of mean variance 1. `share` is the variance that is kept."""

    mean: npt.NDArray[np.float64]
    axes: npt.NDArray[np.float64]
    share: float

    def __call__(self, features: FloatArray) -> FloatArray:
        """Projected features, float32."""
        projected: FloatArray = ((features - self.mean) @ self.axes).astype(np.float32)
        return projected

    @property
    def digest(self) -> str:
        """Hash of the layer."""
        return hashlib.sha256(self.mean.tobytes() + self.axes.tobytes()).hexdigest()


def fit_projection(training: FeatureDataset, dim: int) -> Projection:
    """Principal axes (Pearson 1901) of all frames of the training clips; no label is looked at.

    Raises ConfigError when the features have no more than `dim` channels or the frames are too few.
    """
    width = training.cache.dim
    if not 1 <= dim < width:
        raise ConfigError(
            f"data.feature_dim is {dim}; the encoder gives {width} channels. Take fewer, or 0 for all of them."
        )
    count, total = 0, np.zeros(width)
    products = np.zeros((width, width))
    for i in range(len(training)):
        frames = training.cache.read(i).astype(np.float64)
        count += len(frames)
        total += frames.sum(0)
        products += frames.T @ frames
    if count <= dim:
        raise ConfigError(f"data.feature_dim is {dim}, but training has {count} frames; take fewer dimensions.")
    mean = total / count
    values, vectors = np.linalg.eigh(products / count - np.outer(mean, mean))
    kept, axes = values[::-1][:dim], vectors[:, ::-1][:, :dim]
    signs = np.sign(axes[np.abs(axes).argmax(0), np.arange(dim)])  # an axis has no sign of its own
    scale = np.sqrt(max(float(kept.mean()), np.finfo(np.float64).tiny))
    return Projection(mean, axes * signs / scale, float(kept.sum() / max(values.sum(), np.finfo(np.float64).tiny)))
