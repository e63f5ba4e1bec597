"""Convolutions and the blocks of YOLOv9 that are made of them. Maps are (batch, channels, H, W)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

# What the authors' builder sets in every batch norm.
MOMENTUM = 0.03


class Conv(nn.Module):
    """Convolution without bias, batch norm, SiLU.

    Args:
        before, after: channels.
        kernel, stride, groups: of the convolution; it is padded by ``kernel // 2``.
        active: whether SiLU follows.
        eps: of the batch norm.
    """

    def __init__(
        self,
        before: int,
        after: int,
        kernel: int = 1,
        stride: int = 1,
        *,
        groups: int = 1,
        active: bool = True,
        eps: float,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(before, after, kernel, stride, kernel // 2, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(after, eps=eps, momentum=MOMENTUM)
        self.active = active

    def forward(self, x: Tensor) -> Tensor:
        """(batch, before, H, W) to (batch, after, H / stride, W / stride), rounded up."""
        x = self.bn(self.conv(x))
        return functional.silu(x) if self.active else x


class AConv(nn.Module):
    """Halve: the average of 2 x 2 at stride 1, then a 3 x 3 convolution at stride 2."""

    def __init__(self, before: int, after: int, eps: float) -> None:
        super().__init__()
        self.cv1 = Conv(before, after, 3, 2, eps=eps)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, before, H, W) to (batch, after, H // 2, W // 2)."""
        return self.cv1(functional.avg_pool2d(x, 2, stride=1))


class RepConvN(nn.Module):
    """SiLU of a 3 x 3 and a 1 x 1 branch added; ``fusion`` makes one convolution of them."""

    def __init__(self, dim: int, eps: float) -> None:
        super().__init__()
        self.conv1 = Conv(dim, dim, 3, active=False, eps=eps)
        self.conv2 = Conv(dim, dim, 1, active=False, eps=eps)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, dim, H, W) to the same shape."""
        return functional.silu(self.conv1(x) + self.conv2(x))


class RepNBottleneck(nn.Module):
    """x + Conv3x3(RepConvN(x))."""

    def __init__(self, dim: int, eps: float) -> None:
        super().__init__()
        self.cv1 = RepConvN(dim, eps)
        self.cv2 = Conv(dim, dim, 3, eps=eps)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, dim, H, W) to the same shape."""
        return x + self.cv2(self.cv1(x))


class RepNCSP(nn.Module):
    """One half of the width through bottlenecks, the other past them."""

    def __init__(self, before: int, after: int, bottlenecks: int, eps: float) -> None:
        super().__init__()
        half = after // 2
        self.cv1 = Conv(before, half, eps=eps)
        self.cv2 = Conv(before, half, eps=eps)
        self.cv3 = Conv(2 * half, after, eps=eps)
        self.m = nn.Sequential(*(RepNBottleneck(half, eps) for _ in range(bottlenecks)))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, before, H, W) to (batch, after, H, W)."""
        return self.cv3(torch.cat((self.m(self.cv1(x)), self.cv2(x)), 1))


class _Aggregation(nn.Module):
    """What both blocks below do with their four parts: join the two halves of the first with the next two."""

    cv1: nn.Module
    cv2: nn.Module
    cv3: nn.Module
    cv4: nn.Module

    def forward(self, x: Tensor) -> Tensor:
        """(batch, before, H, W) to (batch, after, H, W)."""
        first, second = self.cv1(x).chunk(2, 1)
        third = self.cv2(second)
        return self.cv4(torch.cat((first, second, third, self.cv3(third)), 1))


class ELAN1(_Aggregation):
    """Efficient layer aggregation: parts are 3 x 3 convolutions."""

    def __init__(self, before: int, after: int, split: int, inner: int, eps: float) -> None:
        super().__init__()
        self.cv1 = Conv(before, split, eps=eps)
        self.cv2 = Conv(split // 2, inner, 3, eps=eps)
        self.cv3 = Conv(inner, inner, 3, eps=eps)
        self.cv4 = Conv(split + 2 * inner, after, eps=eps)


class RepNCSPELAN4(_Aggregation):
    """Generalised efficient layer aggregation (GELAN): parts are a ``RepNCSP`` and a 3 x 3 convolution each."""

    def __init__(self, before: int, after: int, split: int, inner: int, bottlenecks: int, eps: float) -> None:
        super().__init__()
        self.cv1 = Conv(before, split, eps=eps)
        self.cv2 = nn.Sequential(RepNCSP(split // 2, inner, bottlenecks, eps), Conv(inner, inner, 3, eps=eps))
        self.cv3 = nn.Sequential(RepNCSP(inner, inner, bottlenecks, eps), Conv(inner, inner, 3, eps=eps))
        self.cv4 = Conv(split + 2 * inner, after, eps=eps)


class SPPELAN(nn.Module):
    """A map beside its largest values within 5, 9 and 13 pixels."""

    def __init__(self, before: int, after: int, inner: int, eps: float) -> None:
        super().__init__()
        self.cv1 = Conv(before, inner, eps=eps)
        self.cv5 = Conv(4 * inner, after, eps=eps)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, before, H, W) to (batch, after, H, W)."""
        maps = [self.cv1(x)]
        for _ in range(3):
            maps.append(functional.max_pool2d(maps[-1], 5, stride=1, padding=2))
        return self.cv5(torch.cat(maps, 1))
