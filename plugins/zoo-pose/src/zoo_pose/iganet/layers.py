"""The graph layer, the attention that takes a graph's features, and the block that weaves them."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.nn.attention import dense_attention
from zoo.nn.drop_path import DropPath
from zoo.nn.heads import merge_heads, split_heads
from zoo_pose.iganet.config import IGANetConfig
from zoo_pose.skeletons import HUMAN36M

JOINTS = len(HUMAN36M)


def adjacency() -> Tensor:
    """(4, 17, 17): loops, bones from the farther joint, bones from the nearer one, left-right links.

    Farther and nearer as steps from the spine in the skeleton. Together they are the 0/1 matrix of all of these with
    columns divided by their sums.
    """
    bones, links = torch.zeros(JOINTS, JOINTS, dtype=torch.bool), torch.zeros(JOINTS, JOINTS, dtype=torch.bool)
    for matrix, edges in ((bones, HUMAN36M.limbs), (links, HUMAN36M.pairs)):
        for one, other in edges:
            matrix[one, other] = matrix[other, one] = True
    whole = (bones | links | torch.eye(JOINTS, dtype=torch.bool)).float()
    whole = whole / whole.sum(0)
    steps = torch.tensor(HUMAN36M.distances()[HUMAN36M.index("spine")])
    farther = steps[:, None] > steps
    slices = (torch.eye(JOINTS, dtype=torch.bool), bones & ~links & farther, bones & ~links & farther.T, links)
    return torch.stack([torch.where(each, whole, 0.0) for each in slices])


class GCN(nn.Module):
    """One linear map for each slice of the adjacency: (batch, 17, dim) to the same shape."""

    adjacency: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.linear = nn.Linear(dim, 4 * dim)
        self.register_buffer("adjacency", adjacency(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 17, dim) to the same shape; biases go through the adjacency, too."""
        slices = self.linear(x).unflatten(-1, (4, -1))
        return torch.einsum("bvkc,kvw->bwc", slices, self.adjacency)


class Attention(nn.Module):
    """Self-attention that adds given features to its heads' outputs."""

    def __init__(self, config: IGANetConfig) -> None:
        super().__init__()
        self.num_heads = config.num_heads
        self.dropout = config.attention_dropout
        self.qkv = nn.Linear(config.dim, 3 * config.dim, bias=config.qkv_bias)
        self.proj = nn.Linear(config.dim, config.dim)
        self.drop = nn.Dropout(config.projection_dropout)

    def forward(self, x: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        """x and features (batch, 17, dim) to the output and the heads' outputs before the addition, same shape."""
        query, key, value = (split_heads(part, self.num_heads) for part in self.qkv(x).chunk(3, -1))
        dropout = self.dropout if self.training else 0.0
        heads = merge_heads(dense_attention(query, key, value, dropout=dropout))
        return self.drop(self.proj(heads + features)), heads


class UMLP(nn.Module):
    """Down, across with a residual, and up again, each linear, GELU and dropout: (..., dim) to the same shape."""

    def __init__(self, dim: int, inner: int, dropout: float) -> None:
        super().__init__()
        self.down, self.across, self.up = nn.Linear(dim, inner), nn.Linear(inner, inner), nn.Linear(inner, dim)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(..., dim) to the same shape."""
        down = self.drop(functional.gelu(self.down(x)))
        across = self.drop(functional.gelu(self.across(down))) + down
        return self.drop(functional.gelu(self.up(across)))


class IGABlock(nn.Module):
    """Both branches and what they give each other, then uMLP."""

    def __init__(self, config: IGANetConfig, drop_path: float) -> None:
        super().__init__()
        dim = config.dim
        # The authors keep both in the checkpoint, and never train them.
        self.s_gcn2attn, self.s_attn2gcn = (
            nn.Parameter(torch.tensor([scale]), requires_grad=False)
            for scale in (config.graph_to_attention, config.attention_to_graph)
        )
        self.norm1 = nn.LayerNorm(JOINTS, eps=1e-6)
        self.gcn1, self.gcn2 = GCN(dim), GCN(dim)
        self.norm_att1 = nn.LayerNorm(dim, eps=1e-6)
        self.attn = Attention(config)
        self.norm2 = nn.LayerNorm(dim, eps=1e-6)
        self.umlp = UMLP(dim, config.mlp_dim or dim // 2, config.mlp_dropout)
        self.exchange = nn.Dropout(config.exchange_dropout)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 17, dim) to the same shape."""
        graph = self.gcn1(self.norm1(x.mT).mT)
        attended, heads = self.attn(self.norm_att1(x), self.exchange(self.s_gcn2attn * graph))
        graph = self.gcn2(graph + self.exchange(self.s_attn2gcn * heads))
        x = x + self.drop_path(graph + attended)
        return x + self.drop_path(self.umlp(self.norm2(x)))
