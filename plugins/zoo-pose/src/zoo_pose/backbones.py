"""Trunks that give networks of poses their feature maps."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from zoo.nn.resnet import ResNet

RESNET50_CHANNELS = (256, 512, 1024, 2048)


def resnet50() -> ResNet:
    """ResNet-50 without its classifier; ``maps`` gives strides 4, 8, 16 and 32. Torchvision's names and layout."""
    return ResNet((3, 4, 6, 3), num_classes=0)


class StridedConvolutions(nn.Module):
    """A small trunk for tests and little data: a convolution of stride ``first``, then of stride 2, each with ReLU."""

    def __init__(self, channels: Sequence[int], first: int = 4) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Conv2d(before, after, stride, stride)
            for (before, after), stride in zip(
                pairwise((3, *channels)), (first, *[2] * (len(channels) - 1)), strict=True
            )
        )

    def maps(self, images: Tensor) -> list[Tensor]:
        """(batch, 3, H, W) to one map per layer."""
        found = []
        x = images
        for layer in self.layers:
            x = layer(x).relu()
            found.append(x)
        return found
