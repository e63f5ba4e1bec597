"""Attention whose queries, keys and values are mixtures of convolutions, and its baseline with linear maps."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from zoo.nn.attention import dense_attention
from zoo.nn.heads import merge_heads, split_heads


class DynamicConv(nn.Module):
    """sum_i softmax(eta)_i Conv1d_i: (batch, channels, length) to the same shape, zeros around it.

    Args:
        channels: in and out of every convolution.
        kernels: their odd sizes.
        dropout: of the mixture.
    """

    def __init__(self, channels: int, kernels: Sequence[int], dropout: float = 0.0) -> None:
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv1d(channels, channels, size, padding=size // 2) for size in kernels)
        self.eta = nn.Parameter(torch.zeros(len(kernels)))
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, length) to the same shape."""
        weights = self.eta.softmax(0)
        mixed = sum((weight * conv(x) for weight, conv in zip(weights, self.convs, strict=True)), torch.zeros_like(x))
        return self.drop(mixed)


class ConvolutionalAttention(nn.Module):
    """Multi-headed attention over the rows of (batch, rows, width).

    Args:
        rows, width: of the input.
        num_heads: of equal slices of the width.
        kernels: of the convolutions.
        over_rows: whether kernels slide over rows, with the width as channels (joints); else they slide along the
            width, with the rows as channels (frames).
        linear: linear maps of the width in place of all convolutions: the baseline.
        dropout: of the mixtures.
    """

    def __init__(
        self,
        rows: int,
        width: int,
        num_heads: int,
        kernels: Sequence[int],
        *,
        over_rows: bool,
        linear: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.turned = over_rows and not linear
        channels = width if over_rows else rows

        def role() -> nn.Module:
            return nn.Linear(width, width) if linear else DynamicConv(channels, kernels, dropout)

        self.q, self.k, self.v = role(), role(), role()
        self.out = nn.Linear(width, width) if linear else nn.Conv1d(channels, channels, 1)

    def _read(self, layer: nn.Module, x: Tensor) -> Tensor:
        return layer(x.mT).mT if self.turned else layer(x)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, rows, width) to the same shape."""
        query, key, value = (split_heads(self._read(layer, x), self.num_heads) for layer in (self.q, self.k, self.v))
        return self._read(self.out, merge_heads(dense_attention(query, key, value)))
