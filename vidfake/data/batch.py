"""One clip as the training loop gets it, and a batch of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from torch import Tensor

from vidfake.types import ByteArray, FloatArray


@dataclass(frozen=True, eq=False)
class ClipItem:
    """One clip: `faces` (T, H, W, 3) uint8 or `features` (T, D), `pts_seconds` (T,) from the clip's first frame.

    `length` is the T of the batch it will join; missing frames are padded and masked. `manipulation_mask` (T, G, G)
    float32 is the changed share of each cell of a grid over the picture: 0 in a real clip, -1 where nobody knows.
    `skipped` names the fakes (`video_id`) that were drawn before this one, and in which nothing visible changed.
    """

    faces: ByteArray | None
    features: FloatArray | None
    pts_seconds: FloatArray
    length: int
    label: int
    class_label: int
    video_id: str
    source_id: str
    dataset: str
    compression: str
    track_id: int
    clip_index: int
    manipulation_mask: FloatArray | None = None
    skipped: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class ClipBatch:
    """B clips of T frames; checks itself when made (docs/contracts.md).

    Exactly one of `frames` (B, T, 3, H, W) uint8 or float in [0, 1] and `features` (B, T, D) float32 is given.
    `mask` (B, T) bool, True where there is a frame; padding is at the end and repeats the last frame, so that batch
    statistics of an encoder see no invented picture. `pts_seconds` (B, T) float32 from the clip's first frame.
    `labels` (B,) int64 0 real 1 fake; `class_labels` (B,) int64 0 real, 1..M manipulation.
    `manipulation_masks` (B, T, G, G) float32, if asked for: the changed share of each cell of a grid over the
    picture, -1 where nobody knows. `skipped` are those of its clips, for counting.
    """

    mask: Tensor
    pts_seconds: Tensor
    labels: Tensor
    class_labels: Tensor
    video_ids: list[str]
    source_ids: list[str]
    datasets: list[str]
    compressions: list[str]
    track_ids: list[int]
    clip_indices: list[int]
    frames: Tensor | None = None
    features: Tensor | None = None
    manipulation_masks: Tensor | None = None
    skipped: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if (self.frames is None) == (self.features is None):
            raise ValueError("a ClipBatch holds either frames or features")
        if self.frames is not None and (self.frames.ndim != 5 or self.frames.shape[2] != 3):
            raise ValueError(f"frames must be (B, T, 3, H, W), got {tuple(self.frames.shape)}")
        if self.features is not None and self.features.ndim != 3:
            raise ValueError(f"features must be (B, T, D), got {tuple(self.features.shape)}")
        b, t = self.pixels_or_features.shape[:2]
        if b == 0 or t == 0:
            raise ValueError(f"a ClipBatch of {b} clips of {t} frames is empty")
        for name, tensor, shape, dtype in (
            ("mask", self.mask, (b, t), torch.bool),
            ("pts_seconds", self.pts_seconds, (b, t), torch.float32),
            ("labels", self.labels, (b,), torch.int64),
            ("class_labels", self.class_labels, (b,), torch.int64),
        ):
            if tensor.shape != shape or tensor.dtype != dtype:
                raise ValueError(f"{name} must be {shape} {dtype}, got {tuple(tensor.shape)} {tensor.dtype}")
        masks = self.manipulation_masks
        if masks is not None and (masks.ndim != 4 or masks.shape[:2] != (b, t) or masks.dtype != torch.float32):
            raise ValueError(f"manipulation_masks must be ({b}, {t}, G, G) float32, got {tuple(masks.shape)}")
        for name in ("video_ids", "source_ids", "datasets", "compressions", "track_ids", "clip_indices"):
            if len(getattr(self, name)) != b:
                raise ValueError(f"{name} must have {b} entries, got {len(getattr(self, name))}")
        if self.mask.device.type == "cpu":  # values would make a GPU wait; they were checked before the move
            self._check_values()

    def _check_values(self) -> None:
        if not bool(self.mask[:, 0].all()) or bool((self.mask[:, 1:] & ~self.mask[:, :-1]).any()):
            raise ValueError("mask must be True from the first frame on, then False to the end")
        if bool(((self.labels != 0) & (self.labels != 1)).any()):
            raise ValueError(f"labels must be 0 (real) or 1 (fake), got {self.labels.tolist()}")
        if bool(((self.class_labels == 0) != (self.labels == 0)).any()):
            raise ValueError(
                f"class_labels {self.class_labels.tolist()} and labels {self.labels.tolist()} disagree on the reals"
            )

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def pixels_or_features(self) -> Tensor:
        """Whichever of `frames` and `features` the batch holds."""
        tensor = self.frames if self.frames is not None else self.features
        if tensor is None:
            raise ValueError("a ClipBatch holds either frames or features")
        return tensor

    def to(self, device: torch.device | str, *, non_blocking: bool = False) -> ClipBatch:
        """The same batch with its tensors on `device`."""
        moved = {name: tensor.to(device, non_blocking=non_blocking) for name, tensor in self._tensors().items()}
        return replace(self, **moved)  # type: ignore[arg-type]

    def pin_memory(self) -> ClipBatch:
        """The same batch in page-locked memory (torch's DataLoader calls this)."""
        pinned = {name: tensor.pin_memory() for name, tensor in self._tensors().items()}
        return replace(self, **pinned)  # type: ignore[arg-type]

    def _tensors(self) -> dict[str, Tensor]:
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if isinstance(value, Tensor)}


def collate(items: Sequence[ClipItem]) -> ClipBatch:
    """Clips of any lengths as one batch; short ones are padded at the end and masked."""
    if not items:
        raise ValueError("a batch needs at least one clip")
    length = max(max(item.length, len(item.pts_seconds)) for item in items)
    counts = torch.tensor([len(item.pts_seconds) for item in items])
    pts = np.stack([_padded(item.pts_seconds, length) for item in items]).astype(np.float32)
    return ClipBatch(
        frames=_frames(items, length),
        features=_stacked([item.features for item in items], length, "features"),
        manipulation_masks=_stacked([item.manipulation_mask for item in items], length, "manipulation masks"),
        skipped=tuple(name for item in items for name in item.skipped),
        mask=torch.arange(length)[None, :] < counts[:, None],
        pts_seconds=torch.from_numpy(pts),
        labels=torch.tensor([item.label for item in items], dtype=torch.int64),
        class_labels=torch.tensor([item.class_label for item in items], dtype=torch.int64),
        video_ids=[item.video_id for item in items],
        source_ids=[item.source_id for item in items],
        datasets=[item.dataset for item in items],
        compressions=[item.compression for item in items],
        track_ids=[item.track_id for item in items],
        clip_indices=[item.clip_index for item in items],
    )


def _padded(array: FloatArray | ByteArray, length: int) -> FloatArray | ByteArray:
    """`array` with its last entry repeated up to `length`."""
    missing = length - len(array)
    return np.concatenate([array, np.repeat(array[-1:], missing, axis=0)]) if missing else array


def _frames(items: Sequence[ClipItem], length: int) -> Tensor | None:
    faces = [item.faces for item in items if item.faces is not None]
    if not faces:
        return None
    if len({array.shape[1:] for array in faces}) > 1 or len(faces) != len(items):
        raise ValueError(f"faces of one batch must have one size, got {sorted({a.shape[1:] for a in faces})}")
    height, width = faces[0].shape[1:3]
    frames = torch.empty((len(faces), length, 3, height, width), dtype=torch.uint8)
    for row, array in zip(frames, faces, strict=True):
        row.copy_(torch.from_numpy(_padded(array, length)).permute(0, 3, 1, 2))
    return frames


def _stacked(arrays: Sequence[FloatArray | None], length: int, what: str) -> Tensor | None:
    """What every clip has, padded to `length` frames, as float32 (B, T, ...); None where none has it."""
    there = [_padded(array, length) for array in arrays if array is not None]
    if not there:
        return None
    if len(there) != len(arrays):
        raise ValueError(f"a batch holds {what} for all of its clips or for none")
    return torch.from_numpy(np.stack(there).astype(np.float32))
