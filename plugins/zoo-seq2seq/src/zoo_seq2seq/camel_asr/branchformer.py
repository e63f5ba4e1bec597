"""Subsampling, and E-Branchformer layers: attention beside convolutional gating, merged by a convolution."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo_seq2seq.camel_asr.config import CamelConfig
from zoo_seq2seq.relative_attention import RelativeAttention

SHORTEST = 7
"""Frames that the two convolutions need."""


def subsampled(lengths: Tensor | int) -> Tensor | int:
    """Frames after both convolutions, of frames before."""
    return ((lengths - 1) // 2 - 1) // 2


class Halving(nn.Conv2d):
    """A convolution of 3 x 3 that halves frames and mels; where one column of mels is left, it reads three alone."""

    def __init__(self, before: int, after: int, mels: int) -> None:
        # The same numbers, without a stride that has nowhere to go: over it, oneDNN's bfloat16 kernels for AMX give
        # wrong ones (pytorch/pytorch#169688).
        super().__init__(before, after, 3, (2, 2 if mels > 4 else 1))

    def forward(self, x: Tensor) -> Tensor:
        """x (B, channels, T, mels)."""
        return super().forward(x if self.stride[1] > 1 else x[..., :3])


class Subsampling(nn.Module):
    """Two convolutions of 3 x 3 with stride 2 and no padding, so that no real frame sees padded ones."""

    def __init__(self, num_mels: int, dim: int, dropout: float) -> None:
        super().__init__()
        self.dim = dim
        self.convs = nn.ModuleList((Halving(1, dim, num_mels), Halving(dim, dim, (num_mels - 1) // 2)))
        self.out = nn.Linear(dim * int(subsampled(num_mels)), dim)
        self.drop = nn.Dropout(dropout)

    def forward(self, features: Tensor) -> Tensor:
        """(B, T, mel) to (B, T', dim), times the root of dim."""
        x = features[:, None]
        for conv in self.convs:
            x = conv(x).relu()
        found: Tensor = self.drop(self.out(x.transpose(1, 2).flatten(2)) * math.sqrt(self.dim))
        return found


class FeedForward(nn.Sequential):
    """LayerNorm, Linear, SiLU, Linear."""

    def __init__(self, dim: int, hidden_dim: int, dropout: float) -> None:
        super().__init__(
            nn.LayerNorm(dim),
            nn.Linear(dim, hidden_dim),
            nn.SiLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden_dim, dim),
            nn.Dropout(dropout),
        )


class DepthwiseConv(nn.Conv1d):
    """Over time, channel by channel; padding is zero to it."""

    def __init__(self, dim: int, kernel: int) -> None:
        super().__init__(dim, dim, kernel, padding=kernel // 2, groups=dim)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:  # type: ignore[override]
        """x (B, T, dim), real frames (B, T)."""
        return super().forward(x.masked_fill(~mask[..., None], 0.0).mT).mT


class ConvolutionalGating(nn.Module):
    """cgMLP: half of the features, normed and convolved over time, gate the other half."""

    def __init__(self, dim: int, hidden_dim: int, kernel: int, dropout: float) -> None:
        super().__init__()
        self.inner = nn.Linear(dim, hidden_dim)
        self.norm = nn.LayerNorm(hidden_dim // 2)
        self.conv = DepthwiseConv(hidden_dim // 2, kernel)
        self.outer = nn.Linear(hidden_dim // 2, dim)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """x (B, T, dim), real frames (B, T)."""
        values, gates = functional.gelu(self.inner(x)).chunk(2, -1)
        found: Tensor = self.outer(self.drop(values * self.conv(self.norm(gates), mask)))
        return found


class EBranchformerLayer(nn.Module):
    """x + FF/2, + both branches merged, + FF/2, LayerNorm."""

    def __init__(self, config: CamelConfig) -> None:
        super().__init__()
        dim, dropout = config.dim, config.dropout
        self.before = FeedForward(dim, config.hidden_dim, dropout)
        self.attn_norm = nn.LayerNorm(dim)
        self.attn = RelativeAttention(dim, config.num_heads, dropout)
        self.gating_norm = nn.LayerNorm(dim)
        self.gating = ConvolutionalGating(dim, config.cgmlp_dim, config.cgmlp_kernel, dropout)
        self.merge_conv = DepthwiseConv(2 * dim, config.merge_kernel)
        self.merge = nn.Linear(2 * dim, dim)
        self.after = FeedForward(dim, config.hidden_dim, dropout)
        self.norm = nn.LayerNorm(dim)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """x (B, T, dim), real frames (B, T)."""
        x = x + 0.5 * self.before(x)
        attended = self.drop(self.attn(self.attn_norm(x), mask))
        gated = self.drop(self.gating(self.gating_norm(x), mask))
        both = torch.cat((attended, gated), -1)
        x = x + self.drop(self.merge(both + self.merge_conv(both, mask)))
        x = x + 0.5 * self.after(x)
        found: Tensor = self.norm(x)
        return found
