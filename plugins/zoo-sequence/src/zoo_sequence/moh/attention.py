"""The MoH layer: multi-head attention behind a router."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zoo.nn.heads import merge_heads
from zoo_sequence.moh.config import MoHConfig
from zoo_sequence.moh.routing import Router, Routing, gated_heads, softmax_heads


class MoHAttention(nn.Module):
    """Multi-head attention in which a router weighs the heads: (batch, length, dim) to the same shape."""

    def __init__(self, config: MoHConfig) -> None:
        super().__init__()
        self.num_heads = config.num_heads
        self.causal = config.causal
        self.skip = config.skip
        self.qkv = nn.Linear(config.dim, 3 * config.width, bias=config.bias)
        self.proj = nn.Linear(config.width, config.dim)
        self.router = Router(config.dim, config.num_heads, config.shared, config.routed) if config.gated else None

    def forward(self, x: Tensor, attn_mask: Tensor | None = None, *, routings: list[Routing] | None = None) -> Tensor:
        """Attend within ``x``.

        Args:
            x: (batch, length, dim).
            attn_mask: see ``zoo.nn.masks``.
            routings: a list that this layer's decision is appended to, for ``balance_loss``.
        """
        query, key, value = self.qkv(x).unflatten(-1, (3, self.num_heads, -1)).permute(2, 0, 3, 1, 4)
        routing = None if self.router is None else self.router(x)
        if routing is not None and routings is not None:
            routings.append(routing)
        return self.proj(merge_heads(self.attend(query, key, value, attn_mask, routing=routing)))

    def attend(
        self, query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None, *, routing: Routing | None = None
    ) -> Tensor:
        """Every head times its gate, (batch, heads, length, head_dim)."""
        heads = softmax_heads(query, key, value, attn_mask, causal=self.causal)
        return heads(slice(None), None) if routing is None else gated_heads(routing, heads, skip=self.skip)


def example(config: MoHConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random tokens."""
    generator = torch.Generator().manual_seed(seed)
    return {"x": torch.randn(batch_size, 10, config.dim, generator=generator)}
