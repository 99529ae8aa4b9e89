"""EfficientNet-Lite0, feature part: EfficientNet-B0 without squeeze-and-excitation, ReLU6 throughout.

Source: https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite, after Tan and Le 2019,
https://arxiv.org/abs/1905.11946. The public weights were trained in TensorFlow; hence its "SAME" padding and its
BatchNorm epsilon.
"""

from __future__ import annotations

import re

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


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


class SameConv2d(nn.Conv2d):
    """Convolution padded as TensorFlow's "SAME": output ceil(input / stride), odd padding at bottom and right."""

    def __init__(self, inputs: int, outputs: int, kernel: int, *, stride: int = 1, groups: int = 1) -> None:
        super().__init__(inputs, outputs, kernel, stride=stride, groups=groups, bias=False)

    def forward(self, pictures: Tensor) -> Tensor:
        """(N, C, ceil(H / stride), ceil(W / stride))."""
        kernel, stride = self.kernel_size[0], self.stride[0]
        height, width = (max(0, (-(-n // stride) - 1) * stride + kernel - n) for n in pictures.shape[-2:])
        padding = (width // 2, width - width // 2, height // 2, height - height // 2)
        return super().forward(F.pad(pictures, padding) if any(padding) else pictures)


class InvertedResidual(nn.Module):
    """Expand, filter each channel, project; added to the input where shapes allow."""

    def __init__(self, inputs: int, outputs: int, *, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = inputs * expansion
        self.expands, self.adds = expansion > 1, stride == 1 and inputs == outputs
        if self.expands:
            self.expand_conv = SameConv2d(inputs, inner, 1)
            self.bn0 = _norm(inner)
        self.depthwise_conv = SameConv2d(inner, inner, kernel, stride=stride, groups=inner)
        self.bn1 = _norm(inner)
        self.project_conv = SameConv2d(inner, outputs, 1)
        self.bn2 = _norm(outputs)

    def forward(self, pictures: Tensor) -> Tensor:
        """(N, outputs, ceil(H / stride), ceil(W / stride))."""
        x = F.relu6(self.bn0(self.expand_conv(pictures))) if self.expands else pictures
        x = F.relu6(self.bn1(self.depthwise_conv(x)))
        x = self.bn2.forward(self.project_conv(x))
        return pictures + x if self.adds else x


class EfficientNetLite0(nn.Module):
    """(N, 3, S, S) -> pooled features (N, 1280)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv_stem = SameConv2d(3, 32, 3, stride=2)
        self.bn0 = _norm(32)
        blocks: list[nn.Module] = []
        inputs = 32
        for outputs, repeats, kernel, stride, expansion in STAGES:
            for repeat in range(repeats):
                first = stride if repeat == 0 else 1
                blocks.append(InvertedResidual(inputs, outputs, kernel=kernel, stride=first, expansion=expansion))
                inputs = outputs
        self.blocks = nn.Sequential(*blocks)
        self.conv_head = SameConv2d(inputs, FEATURE_DIM, 1)
        self.bn1 = _norm(FEATURE_DIM)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")

    def forward(self, pictures: Tensor) -> Tensor:
        """(N, 1280)."""
        x = F.relu6(self.bn0(self.conv_stem(pictures)))
        x = F.relu6(self.bn1(self.conv_head(self.blocks(x))))
        return x.mean(dim=(2, 3))


def rename_published(name: str) -> str:
    """A tensor's name in the published file (``_blocks.0._bn1.weight``) as it is here (``blocks.0.bn1.weight``)."""
    return re.sub(r"(^|\.)_", r"\1", name)
