"""Residual networks, as hosts for attention over feature maps; torchvision's layout and parameter names."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn


class ResidualBlock(nn.Module):
    """Convolutions with batch norm, plus the input (through a 1x1 projection where the shape changes), ReLU.

    Two 3x3 convolutions, or as a bottleneck 1x1, 3x3 and a 1x1 to four times ``width``. A subclass that overrides
    ``branch`` puts something between the last norm and the addition. ``project`` asks for the projection even where
    the shape stays.
    """

    def __init__(self, in_channels: int, width: int, stride: int, bottleneck: bool, project: bool = False) -> None:
        super().__init__()
        self.out_channels = width * (4 if bottleneck else 1)
        sizes = [(in_channels, width, 1, 1), (width, width, 3, stride), (width, self.out_channels, 1, 1)]
        if not bottleneck:
            sizes = [(in_channels, width, 3, stride), (width, width, 3, 1)]
        self.depth = len(sizes)
        for number, (before, after, kernel, step) in enumerate(sizes, 1):
            conv = nn.Conv2d(before, after, kernel, step, padding=kernel // 2, bias=False)
            self.add_module(f"conv{number}", conv)
            self.add_module(f"bn{number}", nn.BatchNorm2d(after))
        self.downsample: nn.Sequential | None = None
        if project or stride != 1 or in_channels != self.out_channels:
            projection = nn.Conv2d(in_channels, self.out_channels, 1, stride, bias=False)
            self.downsample = nn.Sequential(projection, nn.BatchNorm2d(self.out_channels))

    def branch(self, x: Tensor) -> Tensor:
        """What the shortcut is added to: (batch, channels, H, W) to (batch, out_channels, H / stride, W / stride)."""
        for number in range(1, self.depth + 1):
            x = self.get_submodule(f"bn{number}")(self.get_submodule(f"conv{number}")(x))
            if number < self.depth:
                x = x.relu()
        return x

    def forward(self, x: Tensor) -> Tensor:
        """Shapes as of ``branch``."""
        return (self.branch(x) + (x if self.downsample is None else self.downsample(x))).relu()


class ResNet(nn.Module):
    """Images (batch, in_channels, H, W) to logits (batch, num_classes).

    Args:
        depths: blocks per stage; every stage after the first halves height and width and doubles ``width``.
        width: channels of the stem and width of the first stage.
        bottleneck: the kind of block.
        small_stem: a 3x3 convolution for small images, instead of 7x7 with stride 2 and pooling.
        in_channels: channels of the image.
        num_classes: size of the head; 0 for none.
        block: makes a block from (in_channels, width, stride, bottleneck).
    """

    def __init__(
        self,
        depths: Sequence[int],
        *,
        width: int = 64,
        bottleneck: bool = True,
        small_stem: bool = False,
        in_channels: int = 3,
        num_classes: int = 1000,
        block: Callable[[int, int, int, bool], ResidualBlock] = ResidualBlock,
    ) -> None:
        super().__init__()
        kernel, stride = (3, 1) if small_stem else (7, 2)
        self.conv1 = nn.Conv2d(in_channels, width, kernel, stride, padding=kernel // 2, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.maxpool = nn.Identity() if small_stem else nn.MaxPool2d(3, stride=2, padding=1)
        self.stage_names = [f"layer{number + 1}" for number in range(len(depths))]
        self.channels: list[int] = []
        channels = width
        for number, (name, depth) in enumerate(zip(self.stage_names, depths, strict=True)):
            blocks = []
            for index in range(depth):
                blocks.append(block(channels, width * 2**number, 2 if number and not index else 1, bottleneck))
                channels = blocks[-1].out_channels
            self.add_module(name, nn.Sequential(*blocks))
            self.channels.append(channels)
        self.fc = nn.Linear(channels, num_classes) if num_classes else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Kaiming normal for convolutions."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def maps(self, images: Tensor) -> list[Tensor]:
        """The map that each stage puts out."""
        x = self.maxpool(self.bn1(self.conv1(images)).relu())
        found = []
        for name in self.stage_names:
            x = self.get_submodule(name)(x)
            found.append(x)
        return found

    def forward(self, images: Tensor, features: bool = False) -> Tensor | list[Tensor]:
        """Logits, or the last map where there is no head.

        Args:
            images: (batch, in_channels, H, W).
            features: return the maps of all stages for dense networks instead.
        """
        maps = self.maps(images)
        if features:
            return maps
        last = maps[-1]
        return last if self.fc is None else self.fc(torch.flatten(last.mean((-2, -1)), 1))
