"""Trunks that give networks of poses their feature maps."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from zoo.errors import ConfigError
from zoo.nn.resnet import ResNet
from zoo_pose import hrformer, mobilenet, plain_vit
from zoo_pose.hrnet import hrnet

RESNET50_CHANNELS = (256, 512, 1024, 2048)
CHANNELS: dict[str, tuple[int, ...]] = {
    "resnet50": RESNET50_CHANNELS,
    "mobilenetv2": mobilenet.CHANNELS,
    "hrnet-w32": (32, 64, 128, 256),
    "hrnet-w48": (48, 96, 192, 384),
    **{name: tuple(size[0] << step for step in range(4)) for name, size in hrformer.SIZES.items()},
    "vit-base": (plain_vit.BASE[0],),
}
"""Published trunks, and the channels of their maps of strides 4, 8, 16 and 32, the transformer's of stride 16 alone."""


def resnet50() -> ResNet:
    """ResNet-50 without its classifier; ``maps`` gives strides 4, 8, 16 and 32. Torchvision's names and layout."""
    return ResNet((3, 4, 6, 3), num_classes=0)


def published(name: str, height: int, width: int) -> nn.Module:
    """One of ``CHANNELS``, with random weights, whose ``maps`` takes images (batch, 3, height, width).

    Args:
        name: which.
        height, width: of the images, pixels; the plain transformer takes no other size.
    """
    if name == "resnet50":
        return resnet50()
    if name == "mobilenetv2":
        return mobilenet.MobileNetV2()
    if name == "vit-base":
        return plain_vit.PlainViT(height, width, *plain_vit.BASE)
    return hrformer.hrformer(name) if name in hrformer.SIZES else hrnet(CHANNELS[name][0])


def small_resnet(channels: Sequence[int]) -> ResNet:
    """A ResNet of one basic block per stage, whose maps of strides 4, 8, 16 and 32 have w, 2 w, 4 w and 8 w channels.

    Args:
        channels: of the last of these maps, all four or fewer.
    """
    return ResNet((1, 1, 1, 1), width=channels[-1] // 8, bottleneck=False, num_classes=0)


def require_doubling(channels: Sequence[int], backbone: str) -> None:
    """Raise ConfigError unless these can be the last maps of a small ResNet."""
    wanted = [channels[-1] >> step for step in reversed(range(len(channels)))] if channels else []
    if not channels or len(channels) > 4 or channels[-1] % 8 or list(channels) != wanted:
        raise ConfigError(
            f"channels={list(channels)} of {backbone}; expected one to four numbers, each twice the one before, the "
            "last a multiple of 8",
            field="channels",
        )


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
