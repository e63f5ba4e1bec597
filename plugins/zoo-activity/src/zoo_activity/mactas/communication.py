"""Communication: self-attention over the set of agents."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zoo.nn.attention import dense_attention
from zoo.nn.heads import merge_heads, split_heads
from zoo_activity.mactas.config import CommunicationConfig


class Attention(nn.Module):
    """Multi-head attention among agents; who is dead says nothing."""

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.in_proj = nn.Linear(dim, 3 * dim)
        self.out_proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor, alive: Tensor | None = None) -> Tensor:
        """(batch, n, dim) to the same shape."""
        query, key, value = (split_heads(part, self.num_heads) for part in self.in_proj(x).chunk(3, -1))
        mask = None if alive is None else alive[:, None, None]
        return self.out_proj(merge_heads(dense_attention(query, key, value, mask)))


class Layer(nn.Module):
    """u = h + Attn(LN h), u + FFN(LN u)."""

    def __init__(self, config: CommunicationConfig) -> None:
        super().__init__()
        dim = config.dim
        self.norm1 = nn.LayerNorm(dim)
        self.attn = Attention(dim, config.num_heads)
        self.norm2 = nn.LayerNorm(dim)
        self.ff1 = nn.Linear(dim, config.hidden_dim)
        self.ff2 = nn.Linear(config.hidden_dim, dim)
        for end in (self.attn.out_proj, self.ff2):
            # Small at first, so that training begins near the method without communication.
            with torch.no_grad():
                end.weight.mul_(config.init_scale)
                end.bias.zero_()

    def forward(self, h: Tensor, alive: Tensor | None = None) -> Tensor:
        """(batch, n, dim) to the same shape."""
        u = h + self.attn(self.norm1(h), alive)
        return u + self.ff2(self.ff1(self.norm2(u)).relu())


class Communication(nn.Module):
    """A transformer encoder over agents, without positions: states (batch, n, dim) to states with messages."""

    def __init__(self, config: CommunicationConfig) -> None:
        super().__init__()
        self.config = config
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.num_layers))

    def forward(self, h: Tensor, alive: Tensor | None = None) -> Tensor:
        """Exchange.

        Args:
            h: (batch, n, dim), any number of agents.
            alive: (batch, n) boolean. Dead agents neither say nor hear anything: they keep their own state.
        """
        m = h
        for layer in self.layers:
            m = layer(m, alive)
        return m if alive is None else torch.where(alive[..., None], m, h)

    def silence(self) -> None:
        """Zero what ends the branches, so that messages are empty: the method without communication."""
        for layer in self.layers:
            for end in (layer.attn.out_proj, layer.ff2):  # type: ignore[union-attr]
                nn.init.zeros_(end.weight)  # type: ignore[union-attr, arg-type]
                nn.init.zeros_(end.bias)  # type: ignore[union-attr, arg-type]


def example(config: CommunicationConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Five agents."""
    return {"h": torch.randn(batch_size, 5, config.dim, generator=torch.Generator().manual_seed(seed))}
