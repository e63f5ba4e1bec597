"""HRFormer: HRNet's branches of several resolutions, with attention within windows in place of convolutions.

Yuan et al., "HRFormer: High-Resolution Transformer for Dense Prediction", arXiv 2110.09408. Stages, transitions and
exchange as in ``hrnet``; in every branch of a module two blocks

    x = x + attention(LN x),   within windows of 7 x 7, with a learnt bias for every offset and head
    x = x + ffn(LN x),         1x1 convolution to 4 C, 3x3 convolution channel by channel, 1x1 convolution to C,
                               each with GELU and batch norm

and paths to coarser branches made of pairs of a 3x3 convolution channel by channel, of stride 2, and a 1x1 convolution.
What the paper leaves open is ours: maps are padded at right and below to whole windows, and no pixel sees the padding.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.nn.drop_path import DropPath
from zoo.nn.heads import merge_heads, split_heads
from zoo_pose.hrnet import Exchange, HighResolution

WINDOW = 7
_RATIO = 4
_BLOCKS, _BOTTLENECKS = 2, 2
# Channels of the finest branch, its heads (both double from branch to branch), modules of stages 2, 3 and 4.
SIZES: dict[str, tuple[int, int, tuple[int, int, int]]] = {
    "hrformer-tiny": (18, 1, (1, 3, 2)),
    "hrformer-small": (32, 1, (1, 4, 2)),
    "hrformer-big": (78, 2, (1, 4, 2)),
}


class WindowAttention(nn.Module):
    """Softmax attention among the pixels of every window, (batch, H, W, dim) to the same shape.

    Args:
        dim: channels.
        num_heads: of equal slices of them.
    """

    offsets: Tensor

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv, self.proj = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.bias = nn.Parameter(torch.empty((2 * WINDOW - 1) ** 2, num_heads))
        nn.init.trunc_normal_(self.bias, std=0.02)
        place = torch.arange(WINDOW)
        apart = place[:, None] - place + WINDOW - 1
        # (query row, query column, key row, key column): rows of the table.
        offsets = apart[:, None, :, None] * (2 * WINDOW - 1) + apart[None, :, None, :]
        self.register_buffer("offsets", offsets.reshape(WINDOW**2, WINDOW**2), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Pad to whole windows, attend, cut back."""
        height, width = x.shape[1:3]
        down, right = -height % WINDOW, -width % WINDOW
        padded = functional.pad(x, (0, 0, 0, right, 0, down))
        real = functional.pad(x.new_ones(1, height, width, 1), (0, 0, 0, right, 0, down))
        rows, columns = padded.shape[1] // WINDOW, padded.shape[2] // WINDOW

        def windows(image: Tensor) -> Tensor:
            """(batch, H, W, channels) to (batch, windows, pixels, channels)."""
            cut = image.unflatten(2, (columns, WINDOW)).unflatten(1, (rows, WINDOW))
            return cut.transpose(2, 3).flatten(3, 4).flatten(1, 2)

        tokens = windows(padded)
        query, key, value = (split_heads(part, self.num_heads) for part in self.qkv(tokens.flatten(0, 1)).chunk(3, -1))
        hidden = (windows(real)[..., 0] == 0).expand(len(x), -1, -1).flatten(0, 1)
        bias = self.bias[self.offsets].permute(2, 0, 1).masked_fill(hidden[:, None, None], -torch.inf)
        answer = merge_heads(functional.scaled_dot_product_attention(query, key, value, bias.to(query.dtype)))
        image = self.proj(answer).unflatten(0, (-1, rows, columns)).unflatten(3, (WINDOW, WINDOW)).transpose(2, 3)
        return image.flatten(3, 4).flatten(1, 2)[:, :height, :width]


class Mixing(nn.Module):
    """The feed-forward network, which also sees each pixel's neighbours: (batch, dim, H, W) to the same shape."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        hidden = dim * _RATIO
        self.fc1, self.norm1 = nn.Conv2d(dim, hidden, 1), nn.BatchNorm2d(hidden)
        self.dw3x3, self.norm2 = nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden), nn.BatchNorm2d(hidden)
        self.fc2, self.norm3 = nn.Conv2d(hidden, dim, 1), nn.BatchNorm2d(dim)

    def forward(self, x: Tensor) -> Tensor:
        """Three convolutions, each followed by GELU and batch norm."""
        x = self.norm1(functional.gelu(self.fc1(x)))
        x = self.norm2(functional.gelu(self.dw3x3(x)))
        return self.norm3(functional.gelu(self.fc2(x)))


class Block(nn.Module):
    """Attention within windows and the mixing network, both pre-norm with a residual: (batch, dim, H, W) to the same.

    Args:
        dim, num_heads: of the attention.
        drop_path: stochastic depth of both branches.
    """

    def __init__(self, dim: int, num_heads: int, drop_path: float = 0.0) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(dim, eps=1e-6), nn.LayerNorm(dim, eps=1e-6)
        self.attn, self.mlp = WindowAttention(dim, num_heads), Mixing(dim)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        """Channels stand last while norms and attention work."""
        x = x.permute(0, 2, 3, 1)
        x = x + self.drop_path(self.attn(self.norm1(x)))
        given = self.mlp(self.norm2(x).permute(0, 3, 1, 2))
        return x.permute(0, 3, 1, 2) + self.drop_path(given)


def separable(before: int, after: int, steps: int) -> nn.Sequential:
    """A finer branch's map to one of 2^steps times its stride; the last 1x1 convolution brings the new channels."""
    layers: list[nn.Module] = []
    for step in range(steps):
        last = step == steps - 1
        width = after if last else before
        layers += [nn.Conv2d(before, before, 3, 2, padding=1, groups=before, bias=False), nn.BatchNorm2d(before)]
        layers += [nn.Conv2d(before, width, 1, bias=False), nn.BatchNorm2d(width), *([] if last else [nn.ReLU()])]
    return nn.Sequential(*layers)


def hrformer(name: str) -> HighResolution:
    """One of ``SIZES``, with maps of strides 4, 8, 16 and 32."""
    width, heads, modules = SIZES[name]

    def module(channels: Sequence[int]) -> Exchange:
        def branch(index: int) -> nn.Sequential:
            return nn.Sequential(*(Block(channels[index], heads << index) for _ in range(_BLOCKS)))

        return Exchange(channels, branch, separable)

    return HighResolution([width << step for step in range(4)], module, modules, _BOTTLENECKS)
