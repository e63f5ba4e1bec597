"""The two priors, and the attention that is fed by one; each maps (batch, nodes, channels) and fits elsewhere."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zoo.nn.attention import SelfAttention
from zoo.nn.drop_path import DropPath
from zoo.nn.mlp import MLP
from zoo_pose.graphs import ModulatedGraphConv, chain, normalised_adjacency
from zoo_pose.skeletons import HUMAN36M

PriorGraphLayer = ModulatedGraphConv


class PriorUnit(nn.Module):
    """A prior graph layer, batch norm over its channels, ReLU: (batch, nodes, in) to (batch, nodes, out)."""

    def __init__(self, in_dim: int, out_dim: int, adjacency: Tensor) -> None:
        super().__init__()
        self.gconv = PriorGraphLayer(in_dim, out_dim, adjacency)
        self.bn = nn.BatchNorm1d(out_dim)

    def forward(self, x: Tensor) -> Tensor:
        """Statistics, in training, are over the batch and its nodes."""
        x = self.gconv(x)
        return self.bn(x.flatten(0, 1)).view(x.shape).relu()


class KPA(PriorUnit):
    """The kinematic prior: one unit over the joints of the skeleton, in place of a linear embedding."""

    def __init__(self, in_dim: int, dim: int) -> None:
        super().__init__(in_dim, dim, normalised_adjacency(len(HUMAN36M), HUMAN36M.limbs))


class TPA(nn.Module):
    """The trajectory prior: two units over the chain of frames, with a residual around both."""

    def __init__(self, dim: int, num_frames: int) -> None:
        super().__init__()
        adjacency = normalised_adjacency(num_frames, chain(num_frames))
        self.gconv1 = PriorUnit(dim, dim, adjacency)
        self.gconv2 = PriorUnit(dim, dim, adjacency.clone())

    def forward(self, x: Tensor) -> Tensor:
        """(batch, frames, dim) to the same shape."""
        return x + self.gconv2(self.gconv1(x))


class PriorAttention(SelfAttention):
    """r = prior(x) + positions; r + attention(norm1(r)): (batch, tokens, in) to (batch, tokens, dim)."""

    def __init__(self, prior: nn.Module, tokens: int, dim: int, num_heads: int, qkv_bias: bool) -> None:
        super().__init__(dim, num_heads, qkv_bias)
        self.prior = prior
        self.positions = nn.Parameter(torch.zeros(1, tokens, dim))
        self.norm1 = nn.LayerNorm(dim)

    def forward(self, x: Tensor, attn_mask: Tensor | None = None) -> Tensor:
        """(batch, tokens, in) to (batch, tokens, dim)."""
        residual = self.prior(x) + self.positions
        return residual + super().forward(self.norm1(residual), attn_mask)


class PriorBlock(nn.Module):
    """Prior attention, then the feed-forward branch of a plain block."""

    def __init__(self, attention: PriorAttention, dim: int, mlp_ratio: float, drop_path: float = 0.0) -> None:
        super().__init__()
        self.attn = attention
        self.norm2 = nn.LayerNorm(dim, eps=1e-6)
        self.mlp = MLP(dim, int(dim * mlp_ratio))
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, tokens, in) to (batch, tokens, dim)."""
        x = self.attn(x)
        return x + self.drop_path(self.mlp(self.norm2(x)))
