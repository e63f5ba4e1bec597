"""NAF blocks: convolutions and gates, no activation function; their channel gate may pool over windows."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.errors import InputError


class ChannelNorm(nn.Module):
    """Layer normalisation over the channels of each pixel of (batch, dim, H, W)."""

    def __init__(self, dim: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(dim))
        self.bias = nn.Parameter(torch.empty(dim))
        self.eps = eps
        nn.init.ones_(self.weight)
        nn.init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, dim, H, W) to the same shape."""
        last = functional.layer_norm(x.permute(0, 2, 3, 1), self.weight.shape, self.weight, self.bias, self.eps)
        return last.permute(0, 3, 1, 2)


def local_mean(x: Tensor, height: int, width: int) -> Tensor:
    """The mean over windows of ``height`` x ``width`` around every pixel, windows at the border moved inside.

    Args:
        x: (batch, dim, H, W).
        height, width: of the window, in pixels; a window over the whole map gives (batch, dim, 1, 1).

    Returns:
        (batch, dim, H, W), or (batch, dim, 1, 1).
    """
    rows, columns = x.shape[2:]
    if height >= rows and width >= columns:
        return x.mean((2, 3), keepdim=True)
    height, width = min(height, rows), min(width, columns)
    wide = torch.promote_types(x.dtype, torch.float64)
    sums = functional.pad(x.to(wide).cumsum(2).cumsum(3), (1, 0, 1, 0))
    boxes = sums[..., height:, width:] - sums[..., :-height, width:] - sums[..., height:, :-width]
    means = ((boxes + sums[..., :-height, :-width]) / (height * width)).to(x.dtype)
    missing_rows, missing_columns = rows - means.shape[2], columns - means.shape[3]
    top, left = missing_rows // 2, missing_columns // 2
    return functional.pad(means, (left, missing_columns - left, top, missing_rows - top), mode="replicate")


class ChannelGate(nn.Module):
    """conv1x1 of the mean over the image, or over a window around each pixel."""

    def __init__(self, dim: int, window: tuple[int, int] | None) -> None:
        super().__init__()
        self.window = window
        # Index 1 of a sequence whose index 0 is the pooling, as in published checkpoints.
        self.sca = nn.ModuleDict({"1": nn.Conv2d(dim, dim, 1)})

    def forward(self, x: Tensor) -> Tensor:
        """(batch, dim, H, W) to gates (batch, dim, 1, 1) or (batch, dim, H, W)."""
        pooled = x.mean((2, 3), keepdim=True) if self.window is None else local_mean(x, *self.window)
        return self.sca["1"](pooled)


class NAFBlock(nn.Module):
    """y = x + beta * conv(gate(convs(norm x))), then y + gamma * conv(half * half of conv(norm y)).

    Args:
        dim: channels.
        window: of the channel gate's mean, in pixels of this block's map; None: the whole map.
    """

    def __init__(self, dim: int, window: tuple[int, int] | None = None) -> None:
        super().__init__()
        self.norm1 = ChannelNorm(dim)
        self.norm2 = ChannelNorm(dim)
        self.conv1 = nn.Conv2d(dim, 2 * dim, 1)
        self.conv2 = nn.Conv2d(2 * dim, 2 * dim, 3, padding=1, groups=2 * dim)
        self.conv3 = nn.Conv2d(dim, dim, 1)
        self.conv4 = nn.Conv2d(dim, 2 * dim, 1)
        self.conv5 = nn.Conv2d(dim, dim, 1)
        self.gate = ChannelGate(dim, window)
        self.beta = nn.Parameter(torch.empty(1, dim, 1, 1))
        self.gamma = nn.Parameter(torch.empty(1, dim, 1, 1))
        nn.init.zeros_(self.beta)
        nn.init.zeros_(self.gamma)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, dim, H, W) to the same shape."""
        u = _product(self.conv2(self.conv1(self.norm1(x))))
        y = x + self.beta * self.conv3(u * self.gate(u))
        return y + self.gamma * self.conv5(_product(self.conv4(self.norm2(y))))


def _product(x: Tensor) -> Tensor:
    """The product of the two halves of the channels."""
    first, second = x.chunk(2, 1)
    return first * second


def window_at(level: int, train_size: list[int] | None, levels: int) -> tuple[int, int] | None:
    """The window of blocks at a level: 1.5 times what the map of a (padded) training image is there.

    Args:
        level: how often the map was halved.
        train_size: height and width of training images; None for no window.
        levels: of the whole network, which decide the padding.
    """
    if train_size is None:
        return None
    factor = 2**levels
    sides = []
    for side in train_size:
        if side < 1:
            raise InputError(f"train size {train_size}; expected positive sides")
        padded = side + (-side % factor)
        sides.append((padded >> level) * int(1.5 * side) // side)
    return sides[0], sides[1]
