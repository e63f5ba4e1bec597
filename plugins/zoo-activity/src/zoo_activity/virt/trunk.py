"""DINOv2: a vision transformer whose table of positions fits any image."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.nn.attention import SelfAttention
from zoo.nn.mlp import MLP
from zoo_activity.virt.config import VIRTConfig

EPS = 1e-6


class LayerScale(nn.Module):
    """x * gamma, from gamma = 1e-5."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.empty(dim))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """So small that a block begins as the identity."""
        nn.init.constant_(self.gamma, 1e-5)

    def forward(self, x: Tensor) -> Tensor:
        """(..., dim) to the same shape."""
        return x * self.gamma


class Block(nn.Module):
    """Pre-norm attention and MLP, each branch with its scale."""

    def __init__(self, config: VIRTConfig) -> None:
        super().__init__()
        dim = config.trunk_dim
        self.norm1 = nn.LayerNorm(dim, eps=EPS)
        self.attn = SelfAttention(dim, config.trunk_heads)
        self.ls1 = LayerScale(dim) if config.layer_scale else nn.Identity()
        self.norm2 = nn.LayerNorm(dim, eps=EPS)
        self.mlp = MLP(dim, int(dim * config.trunk_mlp_ratio))
        self.ls2 = LayerScale(dim) if config.layer_scale else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(batch, tokens, dim) to the same shape."""
        x = x + self.ls1(self.attn(self.norm1(x)))
        return x + self.ls2(self.mlp(self.norm2(x)))


class PatchEmbed(nn.Module):
    """Non-overlapping patches, projected."""

    def __init__(self, dim: int, patch_size: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, dim, patch_size, patch_size)

    def forward(self, image: Tensor) -> Tensor:
        """(batch, 3, H, W) to (batch, dim, rows, columns)."""
        return self.proj(image)


class DINOv2(nn.Module):
    """Images (batch, 3, H, W) to normed patch tokens (batch, patches, trunk_dim), without the class token."""

    def __init__(self, config: VIRTConfig) -> None:
        super().__init__()
        self.config = config
        dim = config.trunk_dim
        self.cls_token = nn.Parameter(torch.empty(1, 1, dim))
        self.pos_embed = nn.Parameter(torch.empty(1, config.trunk_grid**2 + 1, dim))
        # Of DINOv2's own pre-training; published checkpoints hold it.
        self.mask_token = nn.Parameter(torch.empty(1, dim))
        self.patch_embed = PatchEmbed(dim, config.patch_size)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.trunk_layers))
        self.norm = nn.LayerNorm(dim, eps=EPS)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Of the tokens and positions."""
        nn.init.trunc_normal_(self.pos_embed, std=0.02)
        nn.init.normal_(self.cls_token, std=1e-6)
        nn.init.zeros_(self.mask_token)

    def positions(self, rows: int, columns: int) -> Tensor:
        """(1, 1 + rows * columns, dim): the table, interpolated where the grid is another."""
        grid = self.config.trunk_grid
        if rows == columns == grid:
            return self.pos_embed
        table = self.pos_embed[:, 1:].unflatten(1, (grid, grid)).permute(0, 3, 1, 2)
        offset = self.config.trunk_offset
        if offset:
            # It keeps the floor of grid * scale at the number of patches, and shifts the samples a little.
            scale = tuple((count + offset) / grid for count in (rows, columns))
            table = functional.interpolate(table, scale_factor=scale, mode="bicubic", align_corners=False)
        else:
            table = functional.interpolate(table, size=(rows, columns), mode="bicubic", align_corners=False)
        return torch.cat((self.pos_embed[:, :1], table.flatten(2).mT), 1)

    def forward(self, image: Tensor) -> Tensor:
        """See the class."""
        patches = self.patch_embed(image)
        x = torch.cat((self.cls_token.expand(image.shape[0], -1, -1), patches.flatten(2).mT), 1)
        x = x + self.positions(*patches.shape[-2:])
        for block in self.blocks:
            x = block(x)
        return self.norm(x)[:, 1:]
