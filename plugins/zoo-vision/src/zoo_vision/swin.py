"""Swin's parts, which two papers build on: attention within windows, its block, and the steps between resolutions.

Maps are channels-last, (batch, height, width, dim). In windows of w x w places, head by head,

    weights = softmax(Q K^T / sqrt(head_dim) + bias[dy, dx] + mask),

with a learned bias for every offset (dy, dx) = query - key. Every second block rolls the map by half a window first,
and the mask (-100) parts what only the roll made neighbours. Maps that are no multiple of the window are padded
inside a block; padding is masked in the same way and cut off again.

Names of parameters are Swin's. Source: "Swin Transformer", arXiv 2103.14030.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.nn.drop_path import DropPath
from zoo.nn.mlp import MLP

_APART = -100.0


def offsets(window: int) -> Tensor:
    """(w^2, w^2) int64: the row of the bias table for every query and key, (dy + w - 1)(2w - 1) + dx + w - 1."""
    place = torch.arange(window * window, device="cpu")
    row, column = place // window, place % window
    dy, dx = row[:, None] - row, column[:, None] - column
    return (dy + window - 1) * (2 * window - 1) + dx + window - 1


def into_windows(x: Tensor, window: int) -> Tensor:
    """(batch, H, W, channels) to (batch, windows, w^2, channels), windows in row-major order."""
    cut = x.unflatten(1, (-1, window)).unflatten(3, (-1, window))
    return cut.permute(0, 1, 3, 2, 4, 5).flatten(3, 4).flatten(1, 2)


def from_windows(windows: Tensor, window: int, height: int, width: int) -> Tensor:
    """The inverse of ``into_windows``: (batch, windows, w^2, channels) to (batch, H, W, channels)."""
    cut = windows.unflatten(1, (height // window, width // window)).unflatten(3, (window, window))
    return cut.permute(0, 1, 3, 2, 4, 5).flatten(3, 4).flatten(1, 2)


def regions(height: int, width: int, window: int, shift: int, device: torch.device) -> Tensor | None:
    """Which places of a rolled and padded map belong together.

    Args:
        height, width: of the map before padding.
        window: side of a window.
        shift: places that the map is rolled by, up and left.
        device: of the answer.

    Returns:
        (windows, w^2, w^2): 0 where two places may see each other, -100 where not; None where all may.
    """
    if not shift and not height % window and not width % window:
        return None
    numbers = []
    for length in (height, width):
        padded = length + -length % window
        place = torch.arange(padded, device=device)
        part = (
            (place >= padded - window).long() + (place >= padded - shift).long() if shift else torch.zeros_like(place)
        )
        numbers.append(part * 2 + ((place + shift) % padded >= length).long())
    number = into_windows((numbers[0][:, None] * 6 + numbers[1])[None, ..., None], window)[0, ..., 0]
    # A corner of padding is padding whichever axis says so; it is seen by no place of the map in either case.
    return torch.where(number[:, :, None] == number[:, None], 0.0, _APART)


class WindowAttention(nn.Module):
    """Attention among the w^2 places of every window."""

    relative_position_index: Tensor

    def __init__(self, dim: int, window: int, num_heads: int, qkv_bias: bool = True) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.scale = (dim // num_heads) ** -0.5
        self.relative_position_bias_table = nn.Parameter(torch.empty((2 * window - 1) ** 2, num_heads))
        self.register_buffer("relative_position_index", offsets(window), persistent=False)
        self.qkv = nn.Linear(dim, 3 * dim, bias=qkv_bias)
        self.proj = nn.Linear(dim, dim)
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)

    def forward(
        self, windows: Tensor, mask: Tensor | None = None, change: Callable[[Tensor], Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        """Attend.

        Args:
            windows: (batch, windows, w^2, dim).
            mask: added to the scores, (windows, w^2, w^2).
            change: from the weights to those that multiply the values.

        Returns:
            (batch, windows, w^2, dim), and the weights of the softmax (batch, windows, heads, w^2, w^2).
        """
        query, key, value = self.qkv(windows).unflatten(-1, (3, self.num_heads, -1)).permute(3, 0, 1, 4, 2, 5).unbind(0)
        bias = self.relative_position_bias_table[self.relative_position_index].permute(2, 0, 1)
        scores = (query * self.scale) @ key.transpose(-1, -2) + bias
        if mask is not None:
            scores = scores + mask[:, None].to(scores.dtype)
        weights = scores.softmax(-1).to(value.dtype)
        used = weights if change is None else change(weights)
        return self.proj((used @ value).transpose(2, 3).flatten(3)), weights


class SwinBlock(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x)).

    Args:
        dim: width of the map.
        num_heads: heads.
        window: side of a window.
        shift: places that the map is rolled by; 0 for none.
        mlp_ratio: hidden width of the MLP over ``dim``.
        qkv_bias: whether queries, keys and values have biases.
        drop_path: rate of stochastic depth.
    """

    def __init__(
        self,
        dim: int,
        num_heads: int,
        window: int,
        shift: int = 0,
        *,
        mlp_ratio: float = 4.0,
        qkv_bias: bool = True,
        drop_path: float = 0.0,
    ) -> None:
        super().__init__()
        self.window, self.shift = window, shift
        self.norm1 = nn.LayerNorm(dim)
        self.attn = WindowAttention(dim, window, num_heads, qkv_bias)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = MLP(dim, int(dim * mlp_ratio))
        self.drop_path = DropPath(drop_path)

    def attend(self, x: Tensor, change: Callable[[Tensor], Tensor] | None = None) -> tuple[Tensor, Tensor]:
        """The block's answer, and the weights of its attention, (batch, windows, heads, w^2, w^2).

        Args:
            x: (batch, H, W, dim).
            change: from the weights to those that multiply the values.
        """
        height, width = x.shape[1:3]
        down, right = -height % self.window, -width % self.window
        y = functional.pad(self.norm1(x), (0, 0, 0, right, 0, down))
        if self.shift:
            y = y.roll((-self.shift, -self.shift), (1, 2))
        mask = regions(height, width, self.window, self.shift, x.device)
        attended, weights = self.attn(into_windows(y, self.window), mask, change)
        y = from_windows(attended, self.window, height + down, width + right)
        if self.shift:
            y = y.roll((self.shift, self.shift), (1, 2))
        x = x + self.drop_path(y[:, :height, :width])
        return x + self.drop_path(self.mlp(self.norm2(x))), weights

    def forward(self, x: Tensor) -> Tensor:
        """(batch, H, W, dim) to the same shape."""
        return self.attend(x)[0]


class PatchEmbedding(nn.Module):
    """Patches of p x p pixels to vectors, normalised: (batch, channels, H, W) to (batch, H / p, W / p, dim)."""

    def __init__(self, patch_size: int, in_channels: int, dim: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(in_channels, dim, patch_size, stride=patch_size)
        self.norm = nn.LayerNorm(dim)

    def forward(self, images: Tensor) -> Tensor:
        """Embed; sides are multiples of the patch."""
        return self.norm(self.proj(images).permute(0, 2, 3, 1))


class PatchMerging(nn.Module):
    """2 x 2 neighbours joined, normalised and mapped: (batch, H, W, dim) to (batch, H / 2, W / 2, 2 dim)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.reduction = nn.Linear(4 * dim, 2 * dim, bias=False)
        self.norm = nn.LayerNorm(4 * dim)

    def forward(self, x: Tensor) -> Tensor:
        """Neighbours in the order (even, even), (odd, even), (even, odd), (odd, odd) of (row, column)."""
        corners = [x[:, row::2, column::2] for column in (0, 1) for row in (0, 1)]
        return self.reduction(self.norm(torch.cat(corners, -1)))


def initialise(network: nn.Module) -> None:
    """Truncated normal of deviation 0.02 and zero biases for the linear layers, as Swin starts."""
    for module in network.modules():
        if isinstance(module, nn.Linear):
            nn.init.trunc_normal_(module.weight, std=0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def initialise_narrow(network: nn.Module, patches: PatchEmbedding, ground: float, contrast: float = 4.0) -> None:
    """Start a network that is much narrower than Swin's 96 so that it learns from random weights, in place.

    A deviation of 0.02 makes signals vanish at a sixth of that width: linear layers start by Xavier's rule. And colours
    of one sign make all patches alike, as they differ little beside how far they are from zero, and the norm that
    follows divides by just that (a sixth of the deviation was left across an image): a patch of the ground's colour
    starts as zero.

    Args:
        network: the whole of it.
        patches: its patch embedding.
        ground: value of the colour that most patches have.
        contrast: what the projection's default weights are multiplied by.
    """
    for layer in network.modules():
        if isinstance(layer, nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
    assert patches.proj.bias is not None
    with torch.no_grad():
        patches.proj.weight.mul_(contrast)
        patches.proj.bias.copy_(-ground * patches.proj.weight.sum((1, 2, 3)))
