"""Standard attention with any normaliser."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from zoo.nn.attention import ProjectedAttention, dense_attention
from zoo.nn.heads import repeat_heads
from zoo.nn.masks import expand_mask
from zoo.nn.precision import unrounded
from zoo_sequence.softmax_limits.config import DECIDING, NormalisedAttentionConfig
from zoo_sequence.softmax_limits.normalisers import normalise


def normalised_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    *,
    causal: bool,
    scale: float,
    config: NormalisedAttentionConfig,
    chunk: int = 512,
) -> Tensor:
    """Attention with the configured normaliser; rows that see nothing give zeros.

    Softmax runs in torch's fused kernel; the others take ``chunk`` queries at a time, so that no (length, length)
    matrix of weights lives.

    Args:
        query: (batch, heads, queries, head_dim).
        key, value: (batch, kv heads, keys, head_dim).
        attn_mask: see ``zoo.nn.masks``.
        causal, scale: as in ``zoo.nn.attention.dense_attention``.
    """
    if config.normaliser == "softmax":
        return dense_attention(query, key, value, attn_mask, causal=causal, scale=scale / config.temperature)
    (batch, heads, queries, _), keys = query.shape, key.shape[2]
    mask = expand_mask(
        attn_mask, batch=batch, heads=heads, queries=queries, keys=keys, causal=causal, device=query.device
    )
    if mask is None:
        mask = torch.ones(1, 1, 1, keys, dtype=torch.bool, device=query.device)
    # Let blind rows see everything, then zero them: their weights and gradients stay finite.
    blind = ~mask.any(-1, keepdim=True)
    visible = (mask | blind).expand(-1, -1, queries, -1)
    work = torch.promote_types(query.dtype, torch.float32)
    key, value = (repeat_heads(tensor, heads).to(work) for tensor in (key, value))
    outputs = []
    for rows, seen in zip(query.to(work).split(chunk, 2), visible.split(chunk, 2), strict=True):
        with unrounded(rows, config.normaliser in DECIDING):
            scores = (rows @ key.transpose(-1, -2) * scale).masked_fill(~seen, -math.inf)
        alpha = normalise(scores, config.normaliser, temperature=config.temperature, scale=config.length_scale)
        outputs.append(alpha @ value)
    return torch.cat(outputs, 2).masked_fill(blind, 0.0).to(query.dtype)


class NormalisedAttention(ProjectedAttention):
    """Standard attention, (batch, length, dim) to the same shape, with any normaliser."""

    def __init__(self, config: NormalisedAttentionConfig) -> None:
        super().__init__(config.dim, config.num_heads)
        self.config = config
        self.decides = config.normaliser in DECIDING

    def attend(self, query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None) -> Tensor:
        """See ``normalised_attention``."""
        return normalised_attention(
            query, key, value, attn_mask, causal=self.config.causal, scale=query.shape[-1] ** -0.5, config=self.config
        )


def attention_example(config: NormalisedAttentionConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random tokens of length 9."""
    return {"x": torch.randn(batch_size, 9, config.dim, generator=torch.Generator().manual_seed(seed))}
