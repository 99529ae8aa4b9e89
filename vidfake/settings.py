"""Every setting and its default, in one place. Components declare their own options (see `options` fields)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal


def _check(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)


@dataclass(frozen=True)
class ExtractSettings:
    """From a video to aligned face clips. Identical in prepare, score and evaluate; stored in every clip store
    and checkpoint, and compared before the two are used together."""

    detector: Literal["yunet", "dlib-hog", "dlib-hog-5pt"] = "yunet"
    detector_weights: str | None = None  # a YuNet ONNX file of the user's own
    detect_interval_seconds: float = 0.1  # in clip windows a detection at least this often
    scan_interval_seconds: float = 0.4  # elsewhere, to follow faces; and at every shot's start and end
    detect_max_side: int = 640  # pixels; the frame is scaled down to this for detection only
    min_confidence: float = 0.6  # of any detection that is used
    start_confidence: float = 0.8  # of a detection that begins a track; fainter ones only go on with one
    min_face_pixels: int = 32  # box side in the full-resolution frame
    max_faces: int = 8  # per frame, largest first
    link_iou: float = 0.3  # least overlap of one track's neighbouring detections
    max_gap_seconds: float = 1.0  # longest stretch without a detection that a track is interpolated over
    min_track_seconds: float = 0.3
    smoothing_seconds: float = 0.08  # standard deviation of the zero-phase Gaussian on landmarks
    shot_threshold: float = 18.0  # mean luma difference (0-255) above the running mean that is a cut
    margin: float = 1.3  # crop side over face-box side
    crop_size: int = 256  # pixels, square
    num_frames: int = 16  # aligned faces per clip
    frame_interval_seconds: float = 0.04  # between neighbouring frames of a clip; 0 takes every frame
    clip_interval_seconds: float = 2.5  # between the starts of neighbouring clips
    max_clips: int = 32  # per video; a longer video's clips are spread evenly over it
    min_frames: int = 4  # a shorter clip is not made; one with fewer than num_frames is masked
    jpeg_quality: int = 95  # 4:4:4; every crop passes through this, in score as in prepare; 0 means PNG

    def __post_init__(self) -> None:
        _check(self.num_frames >= 1, f"num_frames is {self.num_frames}; it must be at least 1")
        _check(1 <= self.min_frames <= self.num_frames, f"min_frames is {self.min_frames}; 1 to num_frames")
        _check(self.margin >= 1.0, f"margin is {self.margin}; it must be at least 1.0")
        _check(32 <= self.crop_size <= 1024, f"crop_size is {self.crop_size}; 32 to 1024 pixels")
        _check(
            self.jpeg_quality == 0 or 50 <= self.jpeg_quality <= 100,
            f"jpeg_quality is {self.jpeg_quality}; 50 to 100, or 0 for PNG",
        )
        _check(self.detect_interval_seconds > 0, "detect_interval_seconds must be above 0")
        _check(self.scan_interval_seconds > 0, "scan_interval_seconds must be above 0")
        _check(self.detect_max_side >= 32, f"detect_max_side is {self.detect_max_side}; at least 32 pixels")
        _check(0 < self.min_confidence <= 1, f"min_confidence is {self.min_confidence}; above 0, at most 1")
        _check(0 <= self.start_confidence <= 1, f"start_confidence is {self.start_confidence}; 0 to 1")
        _check(0 < self.link_iou <= 1, f"link_iou is {self.link_iou}; above 0, at most 1")
        for name in ("min_face_pixels", "max_gap_seconds", "min_track_seconds", "smoothing_seconds"):
            _check(getattr(self, name) >= 0, f"{name} is {getattr(self, name)}; it must not be negative")
        _check(self.max_faces >= 1, f"max_faces is {self.max_faces}; it must be at least 1")
        _check(self.frame_interval_seconds >= 0, "frame_interval_seconds must not be negative")
        _check(self.clip_interval_seconds > 0, "clip_interval_seconds must be above 0")
        _check(self.max_clips >= 1, f"max_clips is {self.max_clips}; it must be at least 1")


@dataclass(frozen=True)
class EncoderSettings:
    """Frame encoder (B, T, 3, H, W) -> (B, T, D), or a whole-clip encoder."""

    name: str = "mobilenet_v2"
    weights: str = "imagenet"  # "imagenet", "none", a file, a checkpoint whose encoder is taken, or A+B: their mean
    frozen: bool = False
    input_size: int = 224
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class AggregatorSettings:
    """Temporal aggregator (B, T, D), mask -> (B, D)."""

    name: str = "transformer"
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ModelSettings:
    encoder: EncoderSettings = field(default_factory=EncoderSettings)
    aggregator: AggregatorSettings = field(default_factory=AggregatorSettings)
    embedding_dim: int = 128
    embedding_norm: Literal["none", "batch"] = "none"  # never LayerNorm: it would silence norm-based losses
    dropout: float = 0.1
    frame_loss_weight: float = 0.5  # weight of the frame head's own cross-entropy
    mask_loss_weight: float = 0.0  # of telling where a made fake was changed (docs/models.md); 0 has no such head


@dataclass(frozen=True)
class LossSettings:
    """`name` is a registry row, or a sum such as ``arcface + 0.01*center``; `options` are that row's own, or one
    table per name in a sum."""

    name: str = "softmax"
    options: dict[str, Any] = field(default_factory=dict)
    task: Literal["binary", "manipulation"] = "binary"
    teacher: str = ""  # checkpoint of a frozen teacher of the same embedding_dim, for losses that distil one


@dataclass(frozen=True)
class OptimSettings:
    epochs: int = 10
    batch_size: int = 16  # clips
    learning_rate: float = 1e-3  # aggregator, embedding and frame head
    encoder_learning_rate: float = 1e-4
    head_learning_rate: float = 1e-2  # the loss's own class weights
    weight_decay: float = 0.05  # not on norms, biases and class weights
    warmup_fraction: float = 0.05
    clip_norm: float = 1.0
    accumulate: int = 1
    ema_decay: float = 0.0  # 0 is off
    sam_rho: float = 0.0  # sharpness-aware minimisation; 0 is off
    autocast: Literal["off", "bfloat16"] = "off"
    compile: bool = False


@dataclass(frozen=True)
class SamplerSettings:
    """How batches are drawn. ``auto`` is ``balanced``, or ``pk`` for a loss that needs several clips of a class."""

    name: str = "auto"
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class DataSettings:
    """Where the clips come from and how they are fed."""

    store: str = ""  # folder made by `vidfake prepare`
    train_split: str = "train"
    validation_split: str = "validation"
    validation_fraction: float = 0.2  # of sources, taken from train_split when no row says `validation`
    makers: tuple[str, ...] = ()  # fakes made on the fly from real clips; empty: only the store's fakes
    validation_makers: tuple[str, ...] = ()  # default: the same as `makers`
    maker_options: dict[str, Any] = field(default_factory=dict)  # a table per maker, as [data.maker_options.NAME]
    split_seed: int | None = None  # of that part and of validation's fakes; else the run's own seed
    leave_out: tuple[str, ...] = ()  # manipulations of the store that are neither trained nor validated on
    fake_share: float = 0.5  # share of made fakes among clips when makers are used
    augment: tuple[str, ...] = ("flip", "crop_jitter", "colour", "jpeg", "downscale")
    augment_options: dict[str, Any] = field(default_factory=dict)
    validation_augment: tuple[str, ...] = ()  # degradations of validation clips, real and made alike: h264, jpeg …
    train_num_frames: int = 0  # frames of a training clip, a random stretch of a stored one; 0 takes all of it
    cache_features: bool = False  # frozen-encoder mode: frame features once, then aggregator and head on them
    workers: int = 2
    sampler: SamplerSettings = field(default_factory=SamplerSettings)


@dataclass(frozen=True)
class ScoreSettings:
    """Pooling of clip scores: clip -> track -> video."""

    track_pooling: str = "mean"
    video_pooling: str = "max"
    calibration: Literal["platt", "temperature", "isotonic"] = "platt"  # fitted on validation
    quality_floor: float = 0.0  # tracks whose mean quality is below are listed but not pooled, unless all are


@dataclass(frozen=True)
class RunConfig:
    """A training run, whole. `vidfake train CONFIG` reads the differences from it."""

    name: str = "run"
    seed: int = 0
    out: str = "runs"
    extract: ExtractSettings = field(default_factory=ExtractSettings)
    data: DataSettings = field(default_factory=DataSettings)
    model: ModelSettings = field(default_factory=ModelSettings)
    loss: LossSettings = field(default_factory=LossSettings)
    optim: OptimSettings = field(default_factory=OptimSettings)
    score: ScoreSettings = field(default_factory=ScoreSettings)
