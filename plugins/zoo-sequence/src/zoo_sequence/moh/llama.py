"""MoH-LLaMA: the routing that a pre-trained language model can be tuned into, without a new parameter.

The first half of the heads is shared. Of the other half, the pool, every token chooses those whose query vector
has the largest norm; so the score of pool head i is |q_i(t)|, divided by the standard deviation of the token's
scores over the pool. Rotary positions turn queries and leave their norms alone, so the choice is the same
before and after them, and the mechanism is a function of (query, key, value). Gates are 1 or 0; in training the
softmax of the scores receives their gradients (straight-through estimator), which needs every head's output.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor

from zoo.nn.attention import ProjectedAttention
from zoo.nn.language_model import LanguageModel
from zoo_sequence.moh.config import MoHLlamaConfig, QueryNormConfig
from zoo_sequence.moh.routing import Routing, choose, gated_heads, softmax_heads


def head_counts(num_heads: int, shared_fraction: float, activated_fraction: float) -> tuple[int, int]:
    """Shared heads and chosen heads of the pool."""
    # 0.29 * 100 is 28.999...: a hair more than the rounding error before cutting off.
    shared, activated = (int(num_heads * share + 1e-9) for share in (shared_fraction, activated_fraction))
    return shared, activated - shared


def query_norm_routing(query: Tensor, shared: int, routed: int, *, straight_through: bool = False) -> Routing:
    """Gates 1 for the shared heads and for the ``routed`` pool heads of largest query norm.

    Args:
        query: (batch, heads, queries, head_dim), rotated or not.
        shared: the first heads.
        routed: heads to choose among the others.
        straight_through: let gradients of the gates flow to the softmax of the scores.
    """
    norms = query[:, shared:].transpose(1, 2).norm(dim=-1, dtype=torch.promote_types(query.dtype, torch.float32))
    deviation = norms.std(-1, keepdim=True) if norms.shape[-1] > 1 else torch.ones_like(norms)
    probabilities = (norms / deviation.clamp(min=torch.finfo(norms.dtype).tiny)).softmax(-1)
    chosen = choose(norms, routed)
    gates = chosen.to(query.dtype)
    if straight_through:
        gates = gates + (probabilities - probabilities.detach()).to(query.dtype)
    ones = gates.new_ones(*gates.shape[:-1], shared)
    return Routing(torch.cat((ones, gates), -1), probabilities, chosen)


def query_norm_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    *,
    causal: bool,
    scale: float | None = None,
    config: Any,
    training: bool = False,
) -> Tensor:
    """Attention with heads chosen by query norm: (batch, heads, queries, head_dim).

    Args:
        query: (batch, heads, queries, head_dim).
        key, value: (batch, kv heads, keys, head_dim).
        attn_mask: see ``zoo.nn.masks``.
        causal: the last query sees every key, the one before it one less, and so on.
        scale: factor on the logits; head_dim ** -0.5 by default.
        config: with ``shared_fraction`` and ``activated_fraction``.
        training: let gradients reach the choice, where there are any; computes every head.
    """
    straight_through = training and torch.is_grad_enabled()
    shared, routed = head_counts(query.shape[1], config.shared_fraction, config.activated_fraction)
    routing = query_norm_routing(query, shared, routed, straight_through=straight_through)
    heads = softmax_heads(query, key, value, attn_mask, causal=causal, scale=scale)
    return gated_heads(routing, heads, skip=not straight_through)


class QueryNormAttention(ProjectedAttention):
    """Drop-in layer: (batch, length, dim) to the same shape, under Llama's parameter names."""

    # Which heads are chosen hangs on the norms of queries.
    decides = True

    def __init__(self, config: QueryNormConfig) -> None:
        super().__init__(config.dim, config.num_heads, config.num_kv_heads, rope_theta=config.rope_theta)
        self.config = config

    def attend(self, query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None) -> Tensor:
        """Route by the norm of the queries."""
        return query_norm_attention(
            query, key, value, attn_mask, causal=self.config.causal, config=self.config, training=self.training
        )


class MoHLlama(LanguageModel):
    """Llama whose blocks route heads by query norm; parameters are exactly Llama's."""

    def __init__(self, config: MoHLlamaConfig) -> None:
        super().__init__(config, {"moh": partial(QueryNormAttention, config.layer())})


def layer_example(config: QueryNormConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random tokens."""
    generator = torch.Generator().manual_seed(seed)
    return {"x": torch.randn(batch_size, 10, config.dim, generator=generator)}


def llama_example(config: MoHLlamaConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random ids."""
    generator = torch.Generator().manual_seed(seed)
    length = min(12, config.max_length)
    return {"input_ids": torch.randint(config.vocab_size, (batch_size, length), generator=generator)}
