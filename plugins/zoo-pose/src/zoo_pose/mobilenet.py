"""MobileNetV2: bottlenecks turned inside out, thin outside and wide within, with convolutions channel by channel.

Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", arXiv 1801.04381. A block is

    1x1 convolution to t C, 3x3 convolution channel by channel, both with ReLU6;  1x1 convolution to C' without

each with batch norm, plus its input where neither size nor channels change.
"""

from __future__ import annotations

from torch import Tensor, nn

STEM, LAST = 32, 1280
# Expansion t, channels, blocks, stride of the first of them.
STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
CHANNELS = (24, 32, 96, LAST)
"""Of the last maps of strides 4, 8, 16 and 32."""


def _convolution(before: int, after: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(before, after, kernel, stride, padding=kernel // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(after), nn.ReLU6())


class InvertedResidual(nn.Module):
    """(batch, in_channels, H, W) to (batch, out_channels, H / stride, W / stride).

    Args:
        in_channels, out_channels: outside.
        stride: of the middle convolution.
        expansion: t, width within over ``in_channels``; at 1 the first convolution is left out.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int, expansion: int) -> None:
        super().__init__()
        self.same = stride == 1 and in_channels == out_channels
        hidden = in_channels * expansion
        self.conv = nn.Sequential(
            *([] if expansion == 1 else [_convolution(in_channels, hidden)]),
            _convolution(hidden, hidden, 3, stride, groups=hidden),
            nn.Conv2d(hidden, out_channels, 1, bias=False),
            nn.BatchNorm2d(out_channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """The block."""
        return x + self.conv(x) if self.same else self.conv(x)


class MobileNetV2(nn.Module):
    """Images (batch, 3, H, W) to maps of strides 4, 8, 16 and 32 with ``CHANNELS`` channels; without its classifier."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [_convolution(3, STEM, 3, 2)]
        # Those whose output is the last of its stride.
        self.kept: list[int] = []
        channels = STEM
        for index, (expansion, width, count, stride) in enumerate(STAGES):
            for number in range(count):
                layers.append(InvertedResidual(channels, width, 1 if number else stride, expansion))
                channels = width
            if index + 1 < len(STAGES) and STAGES[index + 1][3] == 2:
                self.kept.append(len(layers) - 1)
        layers.append(_convolution(channels, LAST))
        # The first of them has stride 2, which no neck asks for.
        self.kept = [*self.kept[1:], len(layers) - 1]
        self.features = nn.ModuleList(layers)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Kaiming normal for convolutions."""
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out")

    def maps(self, images: Tensor) -> list[Tensor]:
        """The finest first."""
        found = []
        x = images
        for index, layer in enumerate(self.features):
            x = layer(x)
            if index in self.kept:
                found.append(x)
        return found
