"""The patch embedding and the blocks."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.nn.drop_path import DropPath
from zoo_activity.spikmamba.attention import SpikingAttention
from zoo_activity.spikmamba.config import SpikMambaConfig, SpikMambaSSMConfig
from zoo_activity.spikmamba.neurons import LIF


class SpikingPatches(nn.Module):
    """Patches of frames as spikes."""

    def __init__(self, config: SpikMambaConfig) -> None:
        super().__init__()
        kernel = (1, config.patch_size, config.patch_size)
        self.proj = nn.Conv3d(config.in_channels, config.dim, kernel, stride=kernel)
        self.drop = nn.Dropout3d(config.patch_dropout)
        self.proj_bn = nn.BatchNorm1d(config.num_tokens)
        self.neurons = LIF(config)

    def forward(self, video: Tensor, membrane: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """(B, channels, T, H, W) to spikes (B * T, N, C), clip by clip, and the membrane left."""
        maps = self.drop(self.proj(video))
        tokens = maps.flatten(3).permute(0, 2, 3, 1).flatten(0, 1)
        return self.neurons(self.proj_bn(tokens), video.shape[2], membrane)


class MLP(nn.Module):
    """C - ratio C - C with GELU."""

    def __init__(self, dim: int, hidden_dim: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(dim, hidden_dim), nn.Linear(hidden_dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """(..., C) to the same shape."""
        return self.fc2(functional.gelu(self.fc1(x)))


class Block(nn.Module):
    """Gated spiking attention and MLP with shortcuts; positions by depthwise convolutions."""

    def __init__(self, config: SpikMambaConfig, drop_path: float) -> None:
        super().__init__()
        dim, self.side = config.dim, config.side
        self.cpe1, self.dwc, self.cpe2 = (nn.Conv2d(dim, dim, 3, padding=1, groups=dim) for _ in range(3))
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.in_proj, self.act_proj, self.out_proj = (nn.Linear(dim, dim) for _ in range(3))
        self.attn = SpikingAttention(config)
        self.mlp = MLP(dim, max(1, int(dim * config.mlp_ratio)))
        self.drop_path = DropPath(drop_path)

    def on_grid(self, conv: nn.Conv2d, x: Tensor) -> Tensor:
        """A convolution over tokens (b, rows * side, C) on their grid."""
        return conv(x.mT.unflatten(-1, (-1, self.side))).flatten(2).mT

    def gated(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """What attention reads, and the gate of its answer; one projection makes both, twice for the gate."""
        projected = self.act_proj(x)
        main = functional.silu(self.on_grid(self.dwc, self.in_proj(projected)))
        return main, functional.silu(self.act_proj(projected))

    def forward(self, x: Tensor, frames: int, membrane: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """(clips * frames, N, C) to the same shape, and the membrane left."""
        x = x + self.on_grid(self.cpe1, x)
        main, gate = self.gated(self.norm1(x))
        mixed, membrane = self.attn(main, frames, membrane)
        x = x + self.drop_path(self.out_proj(mixed * gate))
        x = x + self.on_grid(self.cpe2, x)
        return x + self.drop_path(self.mlp(self.norm2(x))), membrane


class TwoWayBlock(Block):
    """Attends to the tokens and to their reversal with the same weights, and joins both along the tokens."""

    def __init__(self, config: SpikMambaSSMConfig, drop_path: float) -> None:
        super().__init__(config, drop_path)
        self.carry = config.carry_membrane
        self.dim2 = nn.Linear(2 * config.num_tokens, config.num_tokens)

    def forward(self, x: Tensor, frames: int, membrane: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """(clips * frames, N, C) to the same shape, and the membranes left: (2, ...), of both ways."""
        x = x + self.on_grid(self.cpe1, x)
        normed = self.norm1(x)
        main, gate = self.gated(torch.cat((normed, normed.flip(1)), 1))
        ahead, back = main.chunk(2, 1)
        first, second = (None, None) if membrane is None else membrane.unbind()
        ahead, first = self.attn(ahead, frames, first)
        back, second = self.attn(back, frames, first if self.carry else second)
        # The gate of the second way stays reversed, as in the authors' code.
        mixed = self.out_proj(torch.cat((ahead, back.flip(1)), 1) * gate)
        x = x + self.drop_path(self.dim2(mixed.mT).mT)
        # From the normalised tokens, not the sum: the authors' code.
        x = normed + self.on_grid(self.cpe2, x)
        return x + self.drop_path(self.mlp(self.norm2(x))), torch.stack((first, second))
