"""How differently two pictures look to the first layers of a network that was trained on photographs."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vidfake.models.encoders import build_encoder
from vidfake.models.interfaces import FrameEncoder
from vidfake.settings import EncoderSettings

ENCODER = "mobilenet_v2"
LAYERS = (1, 3, 6)  # of its features: at a half, a quarter and an eighth of the picture's side
TINY = 1e-6


class PerceptualDistance(nn.Module):
    """forward(drawn (B, 3, P, P), wanted (B, 3, P, P)), both in [0, 1] -> mean distance, a float32 scalar.

    Squared differences of maps whose channels are brought to length 1 at each place, averaged over layers (Johnson
    et al. 2016, https://arxiv.org/abs/1603.08155; normalised as by Zhang et al. 2018,
    https://arxiv.org/abs/1801.03924, without learned weights). Generators are trained by the like of it: it keeps
    texture where the mean absolute error alone would have everything smooth.

    Raises MissingPackageError without ImageNet weights.
    """

    def __init__(self) -> None:
        super().__init__()
        encoder = build_encoder(EncoderSettings(ENCODER, "imagenet", frozen=True), num_frames=1)
        assert isinstance(encoder, FrameEncoder)
        self.pixels = encoder.pixels
        self.layers = nn.ModuleList(list(encoder.backbone.get_submodule("features").children())[: LAYERS[-1] + 1])
        self.eval().requires_grad_(False)

    def forward(self, drawn: Tensor, wanted: Tensor) -> Tensor:
        """See the class."""
        first, second = self._maps(drawn), self._maps(wanted)
        each = [((one - other) ** 2).sum(1).mean() for one, other in zip(first, second, strict=True)]
        return torch.stack(each).mean()

    def _maps(self, pictures: Tensor) -> list[Tensor]:
        seen, kept = (pictures - self.pixels.mean) / self.pixels.std, []
        for number, layer in enumerate(self.layers):
            seen = layer(seen)
            if number in LAYERS:
                kept.append(F.normalize(seen, dim=1, eps=TINY))
        return kept
