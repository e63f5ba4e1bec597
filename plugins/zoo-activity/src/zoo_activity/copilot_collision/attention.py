"""Attention over space, time and viewpoint, joint or factorised; tokens (B, V, T, N, D) and one class token (B, D)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zoo.nn.attention import SelfAttention
from zoo.nn.mlp import MLP
from zoo_activity.copilot_collision.config import CopilotConfig


def temporal_groups(x: Tensor, attention: str) -> Tensor:
    """(B * groups, tokens, D): one place over its times (V N groups of T), or over its times and views (N of V T)."""
    if attention == "same_view_spatial":
        return x.permute(0, 3, 1, 2, 4).flatten(0, 1).flatten(1, 2)
    return x.permute(0, 1, 3, 2, 4).flatten(0, 2)


def from_temporal_groups(x: Tensor, attention: str, views: int, times: int, places: int) -> Tensor:
    """The inverse of ``temporal_groups``."""
    if attention == "same_view_spatial":
        return x.unflatten(0, (-1, places)).unflatten(2, (views, times)).permute(0, 2, 3, 1, 4)
    return x.unflatten(0, (-1, views, places)).permute(0, 1, 3, 2, 4)


def spatial_groups(x: Tensor, attention: str) -> Tensor:
    """(B, groups, tokens, D): all tokens (1 group), one time over all views (T of V N), one frame (V T of N)."""
    if attention == "joint":
        return x.flatten(1, 3)[:, None]
    if attention == "cross_view_spatial":
        return x.transpose(1, 2).flatten(2, 3)
    return x.flatten(1, 2)


def from_spatial_groups(x: Tensor, attention: str, views: int, times: int, places: int) -> Tensor:
    """The inverse of ``spatial_groups``."""
    if attention == "cross_view_spatial":
        return x.unflatten(2, (views, places)).transpose(1, 2)
    return x.flatten(1, 2).unflatten(1, (views, times, places))


class Block(nn.Module):
    """Temporal attention (none where attention is joint), spatial attention with the class token, MLP; all pre-norm.

    The temporal branch ends with a linear map that begins at zero, so that an image model's weights give an image
    model. The class token is in every spatial group; afterwards its copies are averaged.
    """

    def __init__(self, config: CopilotConfig) -> None:
        super().__init__()
        dim, self.attention = config.dim, config.attention
        if self.attention != "joint":
            self.temporal_norm = nn.LayerNorm(dim, eps=config.eps)
            self.temporal_attn = SelfAttention(dim, config.num_heads)
            self.temporal_fc = nn.Linear(dim, dim)
        self.norm1 = nn.LayerNorm(dim, eps=config.eps)
        self.attn = SelfAttention(dim, config.num_heads)
        self.norm2 = nn.LayerNorm(dim, eps=config.eps)
        self.mlp = MLP(dim, int(dim * config.mlp_ratio))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Of the temporal branch's end."""
        if self.attention != "joint":
            nn.init.zeros_(self.temporal_fc.weight)
            nn.init.zeros_(self.temporal_fc.bias)

    def forward(self, cls: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, D) and (B, V, T, N, D) to the same shapes."""
        sizes = x.shape[1:4]
        if self.attention != "joint":
            found = self.temporal_attn(temporal_groups(self.temporal_norm(x), self.attention))
            x = x + self.temporal_fc(from_temporal_groups(found, self.attention, *sizes))
        groups = spatial_groups(x, self.attention)
        count = groups.shape[1]
        tokens = torch.cat((cls[:, None, None].expand(-1, count, -1, -1), groups), 2)
        found = self.attn(self.norm1(tokens).flatten(0, 1)).unflatten(0, (-1, count))
        cls = cls + found[:, :, 0].mean(1)
        x = x + from_spatial_groups(found[:, :, 1:], self.attention, *sizes)
        return cls + self.mlp(self.norm2(cls)), x + self.mlp(self.norm2(x))


def scores_per_token(attention: str, views: int, times: int, places: int) -> int:
    """Keys that a token is compared with in one block, the class token apart."""
    return {
        "joint": views * times * places,
        "cross_view_spatial": views * places + times,
        "same_view_spatial": places + views * times,
        "divided": places + times,
    }[attention]
