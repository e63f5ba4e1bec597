"""The MoH layer: multi-head attention behind a router."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

import zoo
from zoo.errors import ConfigError
from zoo.nn.heads import require_equal_slices
from zoo_sequence.moh.routing import Router, Routing, gated_heads, softmax_heads


@dataclass
class MoHConfig:
    """Config of one layer."""

    dim: int = zoo.field(64, "model width", unit="features", minimum=1)
    num_heads: int = zoo.field(8, "all heads, shared and routed", minimum=1)
    head_dim: int | None = zoo.field(None, "width of a head; None: dim / num_heads", unit="features", minimum=1)
    shared_heads: int | None = zoo.field(None, "heads that are always on; None: a quarter", minimum=0)
    routed_heads: int | None = zoo.field(
        None, "heads chosen per token among the others; None: so many that half of all heads are on", minimum=0
    )
    causal: bool = zoo.field(False, "whether a token sees only itself and what came before")
    bias: bool = zoo.field(True, "whether the query, key and value projection has a bias")
    gated: bool = zoo.field(True, "False: plain multi-head attention under the same names, no router")
    skip: bool = zoo.field(True, "leave out heads that a token did not choose; False: multiply them by zero")

    def __post_init__(self) -> None:
        if self.head_dim is None:
            require_equal_slices(self.dim, self.num_heads)
        if self.gated:
            check_head_counts(self.num_heads, self.shared, self.routed)

    @property
    def shared(self) -> int:
        """Number of shared heads."""
        return self.num_heads // 4 if self.shared_heads is None else self.shared_heads

    @property
    def routed(self) -> int:
        """Number of heads that a token chooses."""
        if self.routed_heads is not None:
            return self.routed_heads
        pool = self.num_heads - self.shared
        return min(pool, max(1, self.num_heads // 2 - self.shared))

    @property
    def width(self) -> int:
        """Features of all heads together."""
        return self.num_heads * (self.head_dim or self.dim // self.num_heads)


def check_head_counts(num_heads: int, shared: int, routed: int) -> None:
    """Raise ConfigError unless ``shared`` and ``routed`` heads are there, and no head is never on."""
    pool = num_heads - shared
    if pool < 0:
        raise ConfigError(f"{shared} shared heads of num_heads={num_heads}", field="shared_heads")
    if routed > pool:
        raise ConfigError(
            f"{routed} routed heads, but only {pool} of {num_heads} heads are not shared", field="routed_heads"
        )
    if pool and not routed:
        raise ConfigError(
            f"{pool} of {num_heads} heads would never be on: share all heads or route at least one",
            field="routed_heads",
        )


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
        heads = softmax_heads(query, key, value, attn_mask, causal=self.causal)
        if self.router is None:
            output = heads(slice(None), None)
        else:
            routing = self.router(x)
            if routings is not None:
                routings.append(routing)
            output = gated_heads(routing, heads, skip=self.skip)
        return self.proj(output.transpose(1, 2).flatten(2))


def example(config: MoHConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random tokens."""
    generator = torch.Generator().manual_seed(seed)
    return {"x": torch.randn(batch_size, 10, config.dim, generator=generator)}
