"""The Mixer block, the gate that it generates, and the block around both."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zoo.errors import InputError
from zoo_vision.ninformer.config import NiNformerBlockConfig


class FeedForward(nn.Module):
    """Linear, GELU, dropout, linear, dropout along the last axis."""

    def __init__(self, dim: int, hidden_dim: int, dropout: float) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(dim, hidden_dim),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(hidden_dim, dim),
            nn.Dropout(dropout),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(..., dim) to the same shape."""
        return self.net(x)


class Transposed(nn.Module):
    """Swaps the last two axes. A layer of its own, so that layers keep the numbers that checkpoints give them."""

    def forward(self, x: Tensor) -> Tensor:
        """(batch, a, b) to (batch, b, a)."""
        return x.transpose(1, 2)


class MixerBlock(nn.Module):
    """MLP-Mixer's block M: feed-forward networks along tokens, then along channels, each with a shortcut."""

    def __init__(self, config: NiNformerBlockConfig) -> None:
        super().__init__()
        dim, hidden, dropout = config.dim, config.hidden_dim, config.dropout
        self.num_tokens = config.num_tokens
        self.token_mix = nn.Sequential(
            nn.LayerNorm(dim), Transposed(), FeedForward(config.num_tokens, hidden, dropout), Transposed()
        )
        self.channel_mix = nn.Sequential(nn.LayerNorm(dim), FeedForward(dim, hidden, dropout))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, tokens, dim) to the same shape.

        Raises:
            InputError: another number of tokens than the weights are for.
        """
        if x.ndim != 3 or x.shape[1] != self.num_tokens:
            raise InputError(f"x {list(x.shape)}; expected (batch, {self.num_tokens}, dim): the weights fix the tokens")
        x = x + self.token_mix(x)
        return x + self.channel_mix(x)


class MixerGatingUnit(nn.Module):
    """G(x) = (W x + b) * M(x)."""

    def __init__(self, config: NiNformerBlockConfig) -> None:
        super().__init__()
        self.Mixer = MixerBlock(config)
        self.proj = nn.Linear(config.dim, config.dim)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, tokens, dim) to the same shape."""
        return self.proj(x) * self.Mixer(x)


class NiNformerBlock(nn.Module):
    """x + G(N(x)), then x + FF(N(x)); both halves share the norm N."""

    def __init__(self, config: NiNformerBlockConfig) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(config.dim)
        self.mgu = MixerGatingUnit(config)
        self.ffn = FeedForward(config.dim, config.hidden_dim, config.dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, tokens, dim) to the same shape."""
        x = x + self.mgu(self.norm(x))
        return x + self.ffn(self.norm(x))


class NiNformerStack(nn.Module):
    """Blocks one after the other: (batch, tokens, dim) to the same shape."""

    def __init__(self, config: NiNformerBlockConfig) -> None:
        super().__init__()
        self.config = config
        self.model = nn.Sequential(*(NiNformerBlock(config) for _ in range(config.num_layers)))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, tokens, dim) to the same shape."""
        return self.model(x)


def example(config: NiNformerBlockConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random tokens."""
    generator = torch.Generator().manual_seed(seed)
    return {"x": torch.randn(batch_size, config.num_tokens, config.dim, generator=generator)}
