"""Attention within and across views, and the block around it. Tokens are one tensor (batch, n_a, D) for each view."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zoo.nn.attention import dense_attention
from zoo.nn.heads import merge_heads, split_heads
from zoo.nn.mlp import MLP
from zoo_activity.mvft.config import MVFTConfig


class FusionAttention(nn.Module):
    """Every view asks; it and, with ``cross``, every other view answers."""

    def __init__(self, config: MVFTConfig) -> None:
        super().__init__()
        self.config = config
        dim, views = config.dim, config.views
        self.q, self.k, self.v = (nn.ModuleDict({view: nn.Linear(dim, dim) for view in views}) for _ in range(3))
        others = len(views) - 1 if config.cross else 0
        width = dim * (1 + others) if config.fusion == "concat" else dim
        self.out = nn.ModuleDict({view: nn.Linear(width, dim) for view in views})
        self.drop = nn.Dropout(config.dropout)
        self.gate = nn.ParameterDict()
        if config.fusion == "gate" and config.cross:
            shape = (config.num_heads, 2 * dim // config.num_heads)
            for a in views:
                for b in views:
                    if a != b:
                        self.gate[f"{a}_{b}"] = nn.Parameter(torch.zeros(shape))

    def gates(self, a: str, b: str, inner: Tensor, clue: Tensor) -> Tensor:
        """g_ab (batch, heads), in (0, 1), from a view's own clue and another's, (batch, heads, n_a, d)."""
        means = torch.cat((inner.mean(2), clue.mean(2)), -1)
        return torch.sigmoid((means * self.gate[f"{a}_{b}"]).sum(-1))

    def forward(self, tokens: dict[str, Tensor]) -> dict[str, Tensor]:
        """Of each view (batch, n_a, D) to the same shape."""
        heads, config = self.config.num_heads, self.config
        query, key, value = (
            {view: split_heads(layers[view](x), heads) for view, x in tokens.items()}
            for layers in (self.q, self.k, self.v)
        )
        fused = {}
        for a in tokens:
            inner = dense_attention(query[a], key[a], value[a])
            clues = {b: dense_attention(query[a], key[b], value[b]) for b in tokens if config.cross and b != a}
            if config.fusion == "concat":
                joined = torch.cat([merge_heads(part) for part in (inner, *clues.values())], -1)
            else:
                total = inner
                for b, clue in clues.items():
                    gated = config.fusion == "gate"
                    total = total + (self.gates(a, b, inner, clue)[..., None, None] * clue if gated else clue)
                joined = merge_heads(total)
            fused[a] = self.drop(self.out[a](joined))
        return fused


class FusionBlock(nn.Module):
    """Fusion attention, then an MLP, each of the normed tokens and with a shortcut; norms and MLPs per view."""

    def __init__(self, config: MVFTConfig) -> None:
        super().__init__()
        dim, views = config.dim, config.views
        self.norm1 = nn.ModuleDict({view: nn.LayerNorm(dim) for view in views})
        self.attn = FusionAttention(config)
        self.norm2 = nn.ModuleDict({view: nn.LayerNorm(dim) for view in views})
        hidden = max(1, round(dim * config.mlp_ratio))
        self.mlp = nn.ModuleDict({view: MLP(dim, hidden, dropout=config.dropout) for view in views})

    def forward(self, tokens: dict[str, Tensor]) -> dict[str, Tensor]:
        """Of each view (batch, n_a, D) to the same shape."""
        fused = self.attn({view: self.norm1[view](x) for view, x in tokens.items()})
        tokens = {view: x + fused[view] for view, x in tokens.items()}
        return {view: x + self.mlp[view](self.norm2[view](x)) for view, x in tokens.items()}
