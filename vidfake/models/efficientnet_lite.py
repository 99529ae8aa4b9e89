"""EfficientNet-Lite0, feature part: EfficientNet-B0 without squeeze-and-excitation, ReLU6 throughout.

Source: https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite, after Tan and Le 2019,
https://arxiv.org/abs/1905.11946. The public weights were trained in TensorFlow; hence its "SAME" padding and its
BatchNorm epsilon.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

FEATURE_DIM = 1280
MEAN, STD = (127 / 255,) * 3, (128 / 255,) * 3  # the published weights' own normalisation, not ImageNet's mean

# output channels, repeats, kernel, stride of the first, expansion
STAGES = (
    (16, 1, 3, 1, 1),
    (24, 2, 3, 2, 6),
    (40, 2, 5, 2, 6),
    (80, 3, 3, 2, 6),
    (112, 3, 5, 1, 6),
    (192, 4, 5, 2, 6),
    (320, 1, 3, 1, 6),
)

# the published file's name of a layer -> its name here
PUBLISHED_BLOCK = {
    "_expand_conv": "expand.0",
    "_bn0": "expand.1",
    "_depthwise_conv": "depthwise.0",
    "_bn1": "depthwise.1",
    "_project_conv": "project.0",
    "_bn2": "project.1",
}
PUBLISHED_ENDS = {"_conv_stem": "stem.0", "_bn0": "stem.1", "_conv_head": "last.0", "_bn1": "last.1"}


class SameConv2d(nn.Conv2d):
    """Convolution padded as TensorFlow's "SAME": output ceil(input / stride), odd padding at bottom and right."""

    def forward(self, pictures: Tensor) -> Tensor:
        """(N, C, ceil(H / stride), ceil(W / stride))."""
        kernel, stride = self.kernel_size[0], self.stride[0]
        height, width = (max(0, (-(-n // stride) - 1) * stride + kernel - n) for n in pictures.shape[-2:])
        padding = (width // 2, width - width // 2, height // 2, height - height // 2)
        return super().forward(F.pad(pictures, padding) if any(padding) else pictures)


def _convolve(inputs: int, outputs: int, kernel: int, *, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """A convolution and its BatchNorm."""
    convolution = SameConv2d(inputs, outputs, kernel, stride=stride, groups=groups, bias=False)
    nn.init.kaiming_normal_(convolution.weight, mode="fan_out")
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs, eps=1e-3, momentum=0.01))


class InvertedResidual(nn.Module):
    """Expand, filter each channel, project; added to the input where shapes allow."""

    def __init__(self, inputs: int, outputs: int, *, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = inputs * expansion
        self.adds = stride == 1 and inputs == outputs
        self.expand = _convolve(inputs, inner, 1) if expansion > 1 else None
        self.depthwise = _convolve(inner, inner, kernel, stride=stride, groups=inner)
        self.project = _convolve(inner, outputs, 1)

    def forward(self, pictures: Tensor) -> Tensor:
        """(N, outputs, ceil(H / stride), ceil(W / stride))."""
        x = pictures if self.expand is None else F.relu6(self.expand(pictures))
        x = F.relu6(self.depthwise(x))
        projected: Tensor = self.project(x)
        return pictures + projected if self.adds else projected


class EfficientNetLite0(nn.Module):
    """(N, 3, S, S) -> pooled features (N, 1280)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = _convolve(3, 32, 3, stride=2)
        blocks: list[nn.Module] = []
        inputs = 32
        for outputs, repeats, kernel, stride, expansion in STAGES:
            for repeat in range(repeats):
                first = stride if repeat == 0 else 1
                blocks.append(InvertedResidual(inputs, outputs, kernel=kernel, stride=first, expansion=expansion))
                inputs = outputs
        self.blocks = nn.Sequential(*blocks)
        self.last = _convolve(inputs, FEATURE_DIM, 1)

    def forward(self, pictures: Tensor) -> Tensor:
        """(N, 1280)."""
        x = F.relu6(self.stem(pictures))
        x = F.relu6(self.last(self.blocks(x)))
        return x.mean(dim=(2, 3))


def rename_published(name: str) -> str:
    """A published tensor's name, such as ``_blocks.0._bn1.weight``, as here: ``blocks.0.depthwise.1.weight``."""
    parts = name.split(".")
    if parts[0] == "_blocks" and len(parts) == 4:
        return ".".join(["blocks", parts[1], PUBLISHED_BLOCK.get(parts[2], parts[2]), parts[3]])
    return ".".join([PUBLISHED_ENDS.get(parts[0], parts[0]), *parts[1:]])
