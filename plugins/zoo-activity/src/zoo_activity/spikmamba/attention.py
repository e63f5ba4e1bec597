"""Linear attention with spiking queries and keys, over the tokens of one frame."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.nn.heads import merge_heads, split_heads
from zoo_activity.spikmamba.config import SpikMambaConfig
from zoo_activity.spikmamba.neurons import LIF


def rotations(side: int, dim: int) -> Tensor:
    """(side^2, dim / 2) unit complex numbers: row * f in the first half, column * f in the second.

    f_i = 10000^(-i / (dim / 4)).
    """
    count = dim // 4
    frequency = 10_000.0 ** (-torch.arange(count, dtype=torch.float32) / count)
    angles = torch.arange(side, dtype=torch.float32)[:, None] * frequency
    rows, columns = angles[:, None].expand(side, side, count), angles[None].expand(side, side, count)
    both = torch.cat((rows, columns), -1).flatten(0, 1)
    return torch.stack((both.cos(), both.sin()), -1)


def turn(x: Tensor, rotation: Tensor) -> Tensor:
    """Turn consecutive pairs of channels of (..., N, C) by (N, C / 2, 2) cosines and sines."""
    even, odd = x.unflatten(-1, (-1, 2)).unbind(-1)
    cos, sin = rotation.to(x.dtype).unbind(-1)
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos), -1).flatten(-2)


def linear_attention(query: Tensor, key: Tensor, turned_query: Tensor, turned_key: Tensor, value: Tensor) -> Tensor:
    """(..., N, d) each: turned q (sum of turned k^T v / N) / (q . mean k + 1e-6); nothing of size N x N."""
    scale = query.shape[-2] ** -0.5
    norm = query @ key.mean(-2, keepdim=True).mT + 1e-6
    return turned_query @ ((turned_key.mT * scale) @ (value * scale)) / norm


class SpikingAttention(nn.Module):
    """Spiking window linear attention; the window is a frame."""

    rotation: Tensor

    def __init__(self, config: SpikMambaConfig) -> None:
        super().__init__()
        self.side, self.num_heads = config.side, config.num_heads
        self.qk = nn.Linear(config.dim, 2 * config.dim)
        self.drop = nn.Dropout(config.qk_dropout)
        self.qk_bn = nn.BatchNorm1d(config.num_tokens)
        self.neurons = LIF(config)
        self.lepe = nn.Conv2d(config.dim, config.dim, 3, padding=1, groups=config.dim)
        self.register_buffer("rotation", rotations(config.side, config.dim), persistent=False)

    def spikes(self, x: Tensor, frames: int, membrane: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Queries and keys (clips * frames, N, 2 C) of 0 and 1, and the membrane left."""
        return self.neurons(self.qk_bn(self.drop(self.qk(x))), frames, membrane)

    def forward(self, x: Tensor, frames: int, membrane: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """(clips * frames, N, C) to the same shape, and the membrane left."""
        spikes, membrane = self.spikes(x, frames, membrane)
        query, key = (functional.elu(spikes) + 1).chunk(2, -1)
        parts = (query, key, turn(query, self.rotation), turn(key, self.rotation), x)
        mixed = merge_heads(linear_attention(*(split_heads(part, self.num_heads) for part in parts)))
        local = self.lepe(x.mT.unflatten(-1, (self.side, self.side))).flatten(2).mT
        return mixed + local, membrane
