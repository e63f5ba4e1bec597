"""The memory of all levels, and its encoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from zoo.nn.mlp import MLP
from zoo_pose.group_pose.config import GroupPoseConfig
from zoo_pose.group_pose.deformable import DeformableAttention
from zoo_pose.sines import map_sines


@dataclass
class Memory:
    """Tokens of all levels, one level after the other.

    Args:
        tokens: (batch, S, dim).
        padded: boolean (batch, S), True where the image is padded.
        sizes: height and width of each level.
        valid: (batch, levels, 2): the unpadded share of each map's width and height.
    """

    tokens: Tensor
    padded: Tensor
    sizes: list[tuple[int, int]]
    valid: Tensor


def valid_shares(masks: Sequence[Tensor]) -> Tensor:
    """(batch, levels, 2): the unpadded share of the first row (x) and first column (y) of masks, True where padded."""
    return torch.stack(
        [torch.stack(((~mask[:, 0]).float().mean(1), (~mask[:, :, 0]).float().mean(1)), -1) for mask in masks], 1
    )


def centres(masks: Sequence[Tensor], valid: Tensor) -> Tensor:
    """(batch, S, 2): pixels' centres of all levels, in parts of the unpadded image."""
    parts = []
    for level, mask in enumerate(masks):
        y, x = (torch.arange(size, device=mask.device) + 0.5 for size in mask.shape[1:])
        grid = torch.stack(torch.meshgrid(x / mask.shape[2], y / mask.shape[1], indexing="xy"), -1).flatten(0, 1)
        # A map without an unpadded row or column has no place in the image: its centres are far outside.
        parts.append(grid / valid[:, level, None].clamp(min=1e-4))
    return torch.cat(parts, 1)


class EncoderLayer(nn.Module):
    """Deformable attention within the memory, then feed-forward; a LayerNorm after each."""

    def __init__(self, config: GroupPoseConfig) -> None:
        super().__init__()
        dim = config.dim
        self.self_attn = DeformableAttention(dim, config.num_heads, config.num_levels, config.encoder_points)
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.ffn = MLP(dim, config.hidden_dim, activation="relu", dropout=config.dropout)
        self.drop = nn.Dropout(config.dropout)

    def forward(self, memory: Memory, positions: Tensor, references: Tensor) -> Tensor:
        """The memory's next tokens (batch, S, dim).

        Args:
            memory: of this layer.
            positions: (batch, S, dim), for queries alone.
            references: (batch, S, levels, 2).
        """
        x = memory.tokens
        found = self.self_attn(x + positions, references, x, memory.padded, memory.sizes)
        x = self.norm1(x + self.drop(found))
        return self.norm2(x + self.ffn(x))


class Encoder(nn.Module):
    """Maps of one width to an encoded ``Memory``."""

    def __init__(self, config: GroupPoseConfig) -> None:
        super().__init__()
        self.config = config
        self.level_embed = nn.Parameter(torch.empty(config.num_levels, config.dim))
        self.layers = nn.ModuleList(EncoderLayer(config) for _ in range(config.encoder_layers))
        nn.init.normal_(self.level_embed)

    def forward(self, maps: Sequence[Tensor], masks: Sequence[Tensor]) -> tuple[Memory, Tensor]:
        """The memory, and where its tokens lie.

        Args:
            maps: (batch, dim, height, width) of each level.
            masks: boolean (batch, height, width) of each level, True where padded.

        Returns:
            The encoded memory, and ``centres``.
        """
        config = self.config
        places = [
            map_sines(~mask, config.dim // 2, config.temperature).flatten(1, 2).to(features.dtype) + level
            for mask, features, level in zip(masks, maps, self.level_embed, strict=True)
        ]
        valid = valid_shares(masks).to(maps[0].dtype)
        at = centres(masks, valid)
        memory = Memory(
            torch.cat([features.flatten(2).mT for features in maps], 1),
            torch.cat([mask.flatten(1) for mask in masks], 1),
            [(each.shape[2], each.shape[3]) for each in maps],
            valid,
        )
        positions, references = torch.cat(places, 1), at[:, :, None] * valid[:, None]
        for layer in self.layers:
            memory = Memory(layer(memory, positions, references), memory.padded, memory.sizes, valid)
        return memory, at
