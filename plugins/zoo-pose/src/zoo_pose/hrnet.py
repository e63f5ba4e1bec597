"""HRNet: branches of several resolutions side by side, which give one another their maps again and again.

Sun et al., "Deep High-Resolution Representation Learning for Human Pose Estimation", arXiv 1902.09212. A stem of stride
4 and four bottlenecks make a map of 256 channels; stage s = 2, 3, 4 has s branches of strides 4, 8, ..., of C, 2 C, ...
channels. A module of a stage is four residual blocks in every branch, and an exchange:

    y_i = relu(sum_j f_ij(x_j)),   f_ii = identity,   finer from coarser: 1x1 convolution, nearest neighbour,
    coarser from finer: 3x3 convolutions of stride 2, with ReLU in between, channels changed by the last

all convolutions with batch norm. Tensors have the names of the published checkpoints.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.nn.resnet import ResidualBlock

MODULES = (1, 4, 3)
"""Modules of stages 2, 3 and 4."""
STEM = 64


def convolution(in_channels: int, out_channels: int, kernel: int, stride: int = 1, relu: bool = True) -> nn.Sequential:
    """A convolution without bias that keeps the size but for its stride, batch norm, and ReLU where asked for."""
    conv = nn.Conv2d(in_channels, out_channels, kernel, stride, padding=kernel // 2, bias=False)
    norm = nn.BatchNorm2d(out_channels)
    return nn.Sequential(conv, norm, nn.ReLU()) if relu else nn.Sequential(conv, norm)


def coarser(before: int, after: int, steps: int) -> nn.Sequential:
    """A finer branch's map to one of 2^steps times its stride: 3x3 convolutions, the last with the new channels."""
    kept = [convolution(before, before, 3, 2) for _ in range(steps - 1)]
    return nn.Sequential(*kept, convolution(before, after, 3, 2, relu=False))


class Exchange(nn.Module):
    """One module of a stage: every branch by itself, then the sum of all of them in every branch.

    Args:
        channels: of the branches, the finest first.
        branch: makes what a branch does from its index.
        downwards: makes the path to a coarser branch from (channels before, channels after, halvings).
    """

    def __init__(
        self,
        channels: Sequence[int],
        branch: Callable[[int], nn.Module],
        downwards: Callable[[int, int, int], nn.Module] = coarser,
    ) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branch(index) for index in range(len(channels)))
        self.fuse_layers = nn.ModuleList(
            nn.ModuleList(
                nn.Identity()
                if source == target
                else convolution(before, after, 1, relu=False)
                if source > target
                else downwards(before, after, target - source)
                for source, before in enumerate(channels)
            )
            for target, after in enumerate(channels)
        )

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Maps (batch, channels, height, width), the finest first, to maps of the same shapes."""
        maps = [branch(each) for branch, each in zip(self.branches, maps, strict=True)]
        found = []
        for target, row in enumerate(self.fuse_layers):
            size = maps[target].shape[2:]
            assert isinstance(row, nn.ModuleList)
            total = torch.zeros_like(maps[target])
            for source, (path, each) in enumerate(zip(row, maps, strict=True)):
                given = path(each)
                # To the size that is there, not twice the own one: sides need not be multiples of 32.
                total = total + (functional.interpolate(given, size=size) if source > target else given)
            found.append(total.relu())
        return found


class HighResolution(nn.Module):
    """Images (batch, 3, H, W) to maps of strides 4, 8, 16 and 32.

    Args:
        channels: of the four branches, the finest first.
        module: makes a module from the channels of its branches.
        modules: how many stages 2, 3 and 4 have.
        bottlenecks: blocks of the first stage.
    """

    def __init__(
        self,
        channels: Sequence[int],
        module: Callable[[Sequence[int]], Exchange],
        modules: Sequence[int] = MODULES,
        bottlenecks: int = 4,
    ) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, STEM, 3, 2, padding=1, bias=False), nn.BatchNorm2d(STEM)
        self.conv2, self.bn2 = nn.Conv2d(STEM, STEM, 3, 2, padding=1, bias=False), nn.BatchNorm2d(STEM)
        width = 4 * STEM
        self.layer1 = nn.Sequential(
            *(ResidualBlock(width if index else STEM, STEM, 1, bottleneck=True) for index in range(bottlenecks))
        )
        # The first stage's map becomes two; from then on the coarsest one gives the next.
        self.transition1 = nn.ModuleList(
            (convolution(width, channels[0], 3), nn.Sequential(convolution(width, channels[1], 3, 2)))
        )
        for branches in (2, 3):
            new = nn.Sequential(convolution(channels[branches - 1], channels[branches], 3, 2))
            kept = [nn.Identity() for _ in range(branches)]
            self.add_module(f"transition{branches}", nn.ModuleList((*kept, new)))
        for stage, count in enumerate(modules, 2):
            self.add_module(f"stage{stage}", nn.Sequential(*(module(channels[:stage]) for _ in range(count))))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Kaiming normal for convolutions."""
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")

    def maps(self, images: Tensor) -> list[Tensor]:
        """The maps of the last stage's branches, the finest first."""
        x = self.bn1(self.conv1(images)).relu()
        x = self.layer1(self.bn2(self.conv2(x)).relu())
        maps: list[Tensor] = self.get_submodule("stage2")([path(x) for path in self.transition1])
        for branches in (2, 3):
            new = self.get_submodule(f"transition{branches}.{branches}")
            maps = self.get_submodule(f"stage{branches + 1}")([*maps, new(maps[-1])])
        return maps

    def forward(self, images: Tensor) -> Tensor:
        """The coarsest of ``maps``, as a ResNet without classifier gives."""
        return self.maps(images)[-1]


def hrnet(width: int) -> HighResolution:
    """HRNet of ``width`` channels in its finest branch; all four maps come out of the last module.

    Args:
        width: 32 and 48 are the published ones.
    """
    channels = [width << step for step in range(4)]

    def blocks(own: int) -> nn.Sequential:
        return nn.Sequential(*(ResidualBlock(own, own, 1, bottleneck=False) for _ in range(4)))

    return HighResolution(channels, lambda given: Exchange(given, lambda index: blocks(given[index])))
