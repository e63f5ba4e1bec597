"""Attention between a summary of one stream and the tokens of another."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.errors import InputError
from zoo.nn.heads import merge_heads, split_heads
from zoo_vision.att_swin_unet.config import CrossContextualConfig


class SummaryAttention(nn.Module):
    """CA(q; ctx): one query that reads itself and the tokens of the other stream."""

    def __init__(self, config: CrossContextualConfig) -> None:
        super().__init__()
        inner = config.num_heads * config.head_dim
        self.num_heads = config.num_heads
        self.norm = nn.LayerNorm(config.dim)
        self.to_q = nn.Linear(config.dim, inner, bias=False)
        self.to_kv = nn.Linear(config.dim, 2 * inner, bias=False)
        self.to_out = nn.Linear(inner, config.dim)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, query: Tensor, context: Tensor) -> Tensor:
        """Summaries (batch, 1, dim) and tokens (batch, n, dim), n may be 0, to (batch, 1, dim)."""
        query = self.norm(query)
        keys, values = self.to_kv(torch.cat((query, context), 1)).chunk(2, -1)
        q, k, v = (split_heads(x, self.num_heads) for x in (self.to_q(query), keys, values))
        return self.dropout(self.to_out(merge_heads(functional.scaled_dot_product_attention(q, k, v))))


class CrossContextualAttention(nn.Module):
    """Two streams of tokens, each of which gets a summary token that has read the other stream."""

    def __init__(self, config: CrossContextualConfig) -> None:
        super().__init__()
        self.config = config
        self.layers = nn.ModuleList(
            nn.ModuleList([SummaryAttention(config), SummaryAttention(config)]) for _ in range(config.depth)
        )

    def forward(self, x: Tensor, skip: Tensor) -> tuple[Tensor, Tensor]:
        """Put a summary in the place of the first token of either stream.

        Args:
            x: tokens of the decoder, (batch, n, dim), n at least 1.
            skip: tokens of the encoder, of the same shape.

        Returns:
            Both with their first token replaced; the others are what they were.
        """
        if x.ndim != 3 or x.shape != skip.shape or x.shape[2] != self.config.dim or not x.shape[1]:
            raise InputError(
                f"x {list(x.shape)} and skip {list(skip.shape)}; expected (batch, tokens, {self.config.dim}) for both, "
                "with one token at least"
            )
        own, other = x.mean(1, keepdim=True), skip.mean(1, keepdim=True)
        own_tokens, other_tokens = x[:, 1:], skip[:, 1:]
        for layer in self.layers:
            reads_skip, reads_x = layer.children()
            own = own + reads_skip(own, other_tokens)
            other = other + reads_x(other, own_tokens)
        return torch.cat((own, own_tokens), 1), torch.cat((other, other_tokens), 1)


def example(config: CrossContextualConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random tokens of a map of 3 x 5."""
    generator = torch.Generator().manual_seed(seed)
    shape = (batch_size, 15, config.dim)
    return {"x": torch.randn(shape, generator=generator), "skip": torch.randn(shape, generator=generator)}


def paper_input(config: CrossContextualConfig) -> dict[str, Tensor]:
    """Tokens of the first skip of one 224 x 224 image: a map of 56 x 56."""
    return {"x": torch.empty(1, 56 * 56, config.dim), "skip": torch.empty(1, 56 * 56, config.dim)}
