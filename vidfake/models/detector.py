"""The detector: encoder, aggregator, embedding layer and frame head. It knows nothing of losses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
from einops import rearrange
from torch import Tensor, nn

from vidfake.errors import ConfigError
from vidfake.models.encoders import build_encoder
from vidfake.models.folding import fold_batch_norms
from vidfake.models.interfaces import AGGREGATORS, ENCODERS, Aggregator, ClipEncoder, Encoder, FrameEncoder
from vidfake.settings import ModelSettings

MAX_EMBEDDING_DIM = 65536

# learned vectors and tables that weight decay would only pull towards zero, though they have more than one axis
NO_DECAY_NAMES = (
    "cls_token",
    "position_table",
    "relative_position_bias_table",
    "layer_scale",
    "pos_embed",
    "pos_embed_spatial",
    "pos_embed_temporal",
    "pos_embed_class",
)


class DetectorOutput(NamedTuple):
    """What the detector says of B clips.

    `embeddings` (B, E) float32, not normalised; `frame_logits` (B, T) float32, higher = fake, meaningless in the
    padding; `features` (B, T, D) of the frames, 0 in the padding. `mask_logits` (N, H', W') float32 of the N frames
    outside the padding, in the order of (B, T), higher = changed here; only in training, and only with a mask head.
    """

    embeddings: Tensor
    frame_logits: Tensor
    features: Tensor
    mask_logits: Tensor | None = None


@dataclass(frozen=True)
class ParameterGroup:
    """Trainable parameters that an optimiser treats alike. `part` is ``encoder`` (pretrained) or ``new``."""

    part: Literal["encoder", "new"]
    decay: bool
    names: list[str]
    parameters: list[nn.Parameter]


class Detector(nn.Module):
    """Clips of aligned faces -> one embedding per clip and one logit per frame.

    Args:
        encoder: frames -> features (B, T, D), or clip -> tokens (B, T', D).
        aggregator: features -> clip vector.
        embedding_dim: E.
        embedding_norm: ``batch`` puts a BatchNorm after the last Linear layer; ``none`` nothing. A LayerNorm there
            would give every embedding the same norm and silence losses that read it.
        dropout: on features before the frame head and on the clip vector before the embedding layer.
        mask_map: layer of the encoder's backbone, and its channels, from which a mask head tells where a frame was
            changed. It teaches the encoder while training and has no part in scores.
    """

    def __init__(
        self,
        encoder: Encoder,
        aggregator: Aggregator,
        *,
        embedding_dim: int,
        embedding_norm: Literal["none", "batch"] = "none",
        dropout: float = 0.0,
        mask_map: tuple[str, int] | None = None,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.aggregator = aggregator
        self.feature_dim, self.embedding_dim = encoder.feature_dim, embedding_dim
        layers: list[nn.Module] = [nn.Linear(aggregator.output_dim, embedding_dim)]
        if embedding_norm == "batch":
            layers.append(nn.BatchNorm1d(embedding_dim))
        self.embedding = nn.Sequential(*layers)
        self.frame_head = nn.Linear(self.feature_dim, 1)
        self.mask_head: nn.Conv2d | None = None
        if mask_map is not None:
            assert isinstance(encoder, FrameEncoder)
            layer, channels = mask_map
            encoder.keep_map(layer)
            self.mask_head = nn.Conv2d(channels, 1, kernel_size=1)
        self.dropout = nn.Dropout(dropout)
        # both kinds leave the norm free from clip to clip; BatchNorm only fixes its mean over a batch
        self.norm_can_vary = True

    def forward(self, frames: Tensor, mask: Tensor, pts_seconds: Tensor) -> DetectorOutput:
        """Embeddings, frame logits and features of frames (B, T, 3, H, W), mask (B, T), pts_seconds (B, T)."""
        output = self.aggregate(self.encode(frames, mask), mask, pts_seconds)
        return output._replace(mask_logits=self._mask_logits())

    def _mask_logits(self) -> Tensor | None:
        if self.mask_head is None or not self.training:
            return None
        assert isinstance(self.encoder, FrameEncoder)
        seen, self.encoder.last_map = self.encoder.last_map, None
        if seen is None:
            return None
        with torch.autocast(device_type=seen.device.type, enabled=False):
            logits: Tensor = rearrange(self.mask_head(seen.float()), "n 1 h w -> n h w")
        return logits

    def encode(self, frames: Tensor, mask: Tensor | None = None) -> Tensor:
        """Features (B, T, D), 0 outside `mask`. Tokens of a clip encoder are spread over the clip's frames; one
        that gives a single token repeats it, and then all frames of a clip have the same frame logit."""
        if isinstance(self.encoder, FrameEncoder):
            features: Tensor = self.encoder(frames, mask)
            return features
        assert isinstance(self.encoder, ClipEncoder)
        if mask is None:
            mask = torch.ones(frames.shape[:2], dtype=torch.bool, device=frames.device)
        return spread_tokens(self.encoder(frames, mask), mask)

    def aggregate(self, features: Tensor, mask: Tensor, pts_seconds: Tensor) -> DetectorOutput:
        """As `forward`, from features that `encode` gave (possibly cached). Padding is blanked first."""
        features = features.masked_fill(~mask.unsqueeze(-1), 0.0)
        vectors = self.aggregator(features, mask, pts_seconds)
        # autocast off: an embedding rounded to bfloat16 would lose what margins and cosines are made of
        with torch.autocast(device_type=features.device.type, enabled=False):
            embeddings = self.embedding(self.dropout(vectors.float()))
            frame_logits = rearrange(self.frame_head(self.dropout(features.float())), "b t 1 -> b t")
        return DetectorOutput(embeddings, frame_logits, features)

    def prepare_for_inference(self) -> Detector:
        """Evaluation mode, no gradients, BatchNorm folded: for scoring only, not to be trained or saved afterwards.

        Returns the detector itself. Outputs stay equal up to rounding.
        """
        self.eval().requires_grad_(False)
        fold_batch_norms(self.encoder)
        self.encoder.to(memory_format=torch.channels_last)
        return self

    def parameter_groups(self) -> list[ParameterGroup]:
        """Trainable parameters by part and by whether weight decay suits them; empty groups are left out.

        No decay on biases, norms, CLS tokens and positions.
        """
        groups: dict[tuple[Literal["encoder", "new"], bool], ParameterGroup] = {}
        for name, parameter in self.named_parameters():
            if not parameter.requires_grad:
                continue
            part: Literal["encoder", "new"] = "encoder" if name.startswith("encoder.") else "new"
            decay = parameter.ndim > 1 and name.rpartition(".")[2] not in NO_DECAY_NAMES
            group = groups.setdefault((part, decay), ParameterGroup(part, decay, [], []))
            group.names.append(name)
            group.parameters.append(parameter)
        return list(groups.values())


def spread_tokens(tokens: Tensor, mask: Tensor) -> Tensor:
    """Tokens (B, T', D) as features (B, T, D) of the T places of `mask`: linear between token centres, 0 outside
    the mask."""
    length, tokens_length = mask.shape[1], tokens.shape[1]
    centres = (torch.arange(length, device=mask.device) + 0.5) * tokens_length / length - 0.5
    grid = centres.clamp(0, tokens_length - 1)
    below = grid.floor().long()
    above = (below + 1).clamp(max=tokens_length - 1)
    share = rearrange(grid - below, "t -> t 1").to(tokens.dtype)
    return torch.lerp(tokens[:, below], tokens[:, above], share).masked_fill(~mask.unsqueeze(-1), 0.0)


def build_detector(
    settings: ModelSettings,
    *,
    num_frames: int = 16,
    load_pretrained: bool = True,
    encoder: Encoder | None = None,
) -> Detector:
    """The detector of `settings` for clips of `num_frames` frames.

    With `load_pretrained=False` the encoder's first weights are not looked for (a checkpoint brings its own). An
    `encoder` that is given takes the place of the settings' own.
    Raises UnknownNameError, ConfigError, MissingPackageError or CheckpointError.
    """
    if not 1 <= settings.embedding_dim <= MAX_EMBEDDING_DIM:
        raise ConfigError(
            f"model.embedding_dim is {settings.embedding_dim}. It takes 1 to {MAX_EMBEDDING_DIM} channels."
        )
    if not 0.0 <= settings.dropout < 1.0:
        raise ConfigError(f"model.dropout is {settings.dropout}. It takes 0 up to, not including, 1.")
    if encoder is None:
        encoder = build_encoder(settings.encoder, num_frames=num_frames, load_pretrained=load_pretrained)
    aggregator = _build_aggregator(settings, feature_dim=encoder.feature_dim, num_frames=num_frames)
    return Detector(
        encoder,
        aggregator,
        embedding_dim=settings.embedding_dim,
        embedding_norm=settings.embedding_norm,
        dropout=settings.dropout,
        mask_map=_mask_map(settings),
    )


def _mask_map(settings: ModelSettings) -> tuple[str, int] | None:
    """Where the mask head reads, if the settings ask for one. Raises ConfigError for an encoder without maps."""
    if settings.mask_loss_weight < 0:
        raise ConfigError(f"model.mask_loss_weight is {settings.mask_loss_weight}. It takes 0 or more.")
    if settings.mask_loss_weight == 0:
        return None
    rows = {row.name: row.details.get("map_layer") for row in ENCODERS}
    found: tuple[str, int] | None = rows.get(settings.encoder.name)
    if found is None or settings.encoder.frozen:
        known = ", ".join(name for name, layer in rows.items() if layer)
        raise ConfigError(
            f"model.mask_loss_weight is {settings.mask_loss_weight}, but encoder '{settings.encoder.name}' "
            + ("is frozen, and the mask teaches the encoder alone" if found else "has no map for it to read")
            + f". Set it to 0, or train one of: {known}."
        )
    return found


def _build_aggregator(settings: ModelSettings, *, feature_dim: int, num_frames: int) -> Aggregator:
    """The aggregator; `num_frames` and `dropout` go to those that take them and were not told otherwise."""
    name = settings.aggregator.name
    defaults: dict[str, Any] = {"num_frames": num_frames, "dropout": settings.dropout}
    accepted = AGGREGATORS.row(name).options()
    options = {key: value for key, value in defaults.items() if key in accepted}
    return AGGREGATORS.build(name, feature_dim=feature_dim, **{**options, **settings.aggregator.options})
