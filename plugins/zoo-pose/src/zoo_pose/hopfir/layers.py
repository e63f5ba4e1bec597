"""The layers, each from (batch, 17, dim) to the same shape; they fit in front of any layer over joints."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zoo.errors import InputError
from zoo.nn.attention import dense_attention, scores
from zoo.nn.heads import merge_heads, split_heads
from zoo.nn.masks import masked_softmax
from zoo_pose.graphs import ModulatedGraphConv, neighbours
from zoo_pose.hopfir.config import HopAttentionConfig, RefinementConfig
from zoo_pose.skeletons import HUMAN36M

JOINTS = len(HUMAN36M)
# Root, middle and tip of each limb; the other joints are the torso.
LIMBS = tuple(
    tuple(HUMAN36M.index(f"{side}_{joint}") for joint in joints)
    for joints in (("hip", "knee", "ankle"), ("shoulder", "elbow", "wrist"))
    for side in ("right", "left")
)
TORSO = tuple(joint for joint in range(JOINTS) if not any(joint in limb for limb in LIMBS))


def hop_matrices(num_hops: int) -> Tensor:
    """(num_hops, 17, 17): row i of matrix k averages the joints k limbs away from i; zeros where there are none."""
    distances = torch.tensor(HUMAN36M.distances())
    at_hop = (distances == torch.arange(num_hops)[:, None, None]).float()
    return at_hop / at_hop.sum(-1, keepdim=True).clamp(min=1)


def _require_tokens(x: Tensor) -> None:
    if x.ndim != 3 or x.shape[1] != JOINTS:
        raise InputError(f"tokens {list(x.shape)}; expected (batch, {JOINTS}, dim), one for each joint of Human3.6M")


class HopAttention(nn.Module):
    """One head for each hop: joints ask, groups of joints k limbs away answer."""

    hops: Tensor

    def __init__(self, config: HopAttentionConfig) -> None:
        super().__init__()
        self.config = config
        width = config.dim // config.num_hops
        shape = (config.num_hops, config.dim, width)
        self.q, self.k, self.v = (nn.Parameter(torch.empty(shape)) for _ in range(3))
        self.out = nn.Linear(config.dim, config.dim)
        self.drop = nn.Dropout(config.dropout)
        self.register_buffer("hops", hop_matrices(config.num_hops), persistent=False)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Each head's projections as those of a linear layer from ``dim``."""
        for weight in (self.q, self.k, self.v):
            bound = weight.shape[1] ** -0.5
            nn.init.uniform_(weight, -bound, bound)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 17, dim) to the same shape."""
        _require_tokens(x)
        groups = self.hops @ x[:, None]
        query = torch.einsum("bjc,kcd->bkjd", x, self.q)
        key, value = (torch.einsum("bkjc,kcd->bkjd", groups, weight) for weight in (self.k, self.v))
        scale = query.shape[-1] ** -0.5
        there = self.hops.any(-1)
        if self.config.attend == "joints":
            weights = masked_softmax(scores(query * scale, key), there[None, :, None, :])
            heads = weights.to(value.dtype) @ value
        else:
            own = (query.float() * key.float()).sum(-1) if query.dtype == torch.float16 else (query * key).sum(-1)
            weights = masked_softmax((own * scale).transpose(1, 2), there.T[None]).transpose(1, 2)
            heads = weights.to(value.dtype)[..., None] * value
        return self.drop(self.out(merge_heads(heads)))


class IntragroupRefinement(nn.Module):
    """Attention within each limb and within the torso, and a path from a limb's joints to its tip."""

    visible: Tensor
    limbs: Tensor

    def __init__(self, config: RefinementConfig) -> None:
        super().__init__()
        self.config = config
        dim = config.dim
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)
        self.drop = nn.Dropout(config.dropout)
        self.tip = nn.Sequential(nn.Linear(3 * dim, dim), nn.GELU(), nn.Linear(dim, dim))
        group = torch.zeros(JOINTS, dtype=torch.long)
        for number, limb in enumerate(LIMBS, 1):
            group[list(limb)] = number
        self.register_buffer("visible", (group[:, None] == group)[None, None], persistent=False)
        self.register_buffer("limbs", torch.tensor(LIMBS), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 17, dim) to the same shape."""
        _require_tokens(x)
        query, key, value = (split_heads(part, self.config.num_heads) for part in self.qkv(x).chunk(3, -1))
        output = self.drop(self.proj(merge_heads(dense_attention(query, key, value, self.visible))))
        tips = self.tip(x[:, self.limbs].flatten(2))
        return output.index_add(1, self.limbs[:, 2], tips.to(output.dtype))


class SemanticGraphConv(nn.Module):
    """A graph convolution whose edge weights are a softmax over each joint's neighbours (Zhao et al., 2019).

    x (batch, 17, in) to (batch, 17, out): A = softmax of ``e`` over the edges of a row, the joint itself included,
    y = (A * I) x W[0] + (A * (1 - I)) x W[1] + bias.
    """

    edges: Tensor

    def __init__(self, in_dim: int, out_dim: int) -> None:
        super().__init__()
        self.W = nn.Parameter(torch.empty(2, in_dim, out_dim))
        self.e = nn.Parameter(torch.empty(JOINTS, JOINTS))
        self.bias = nn.Parameter(torch.empty(out_dim))
        self.register_buffer("edges", _with_loops() > 0, persistent=False)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Xavier's uniform of gain 1.414, equal weights of edges, no bias."""
        for weight in self.W:
            nn.init.xavier_uniform_(weight, 1.414)
        nn.init.ones_(self.e)
        nn.init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 17, in) to (batch, 17, out)."""
        weights = masked_softmax(self.e, self.edges)
        own = weights.diagonal()
        return own[:, None] * (x @ self.W[0]) + (weights - own.diag()) @ (x @ self.W[1]) + self.bias


def _with_loops() -> Tensor:
    return neighbours(JOINTS, HUMAN36M.limbs) + torch.eye(JOINTS)


def graph_conv(base: str, in_dim: int, out_dim: int) -> nn.Module:
    """A graph convolution over the skeleton: "mgcn" (rows sum to 1 with loops, learnt offset 0) or "semgcn"."""
    if base == "semgcn":
        return SemanticGraphConv(in_dim, out_dim)
    adjacency = _with_loops()
    return ModulatedGraphConv(in_dim, out_dim, adjacency / adjacency.sum(1, keepdim=True), offset=0.0)


def example(config: HopAttentionConfig | RefinementConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random tokens."""
    return {"x": torch.randn(batch_size, JOINTS, config.dim, generator=torch.Generator().manual_seed(seed))}
