"""MoBA written down as it is defined: softmax attention under a mask of what every query reads.

It needs the memory of dense attention and nothing but ordinary operations. So it is what ``evaluation`` is checked
against, where second derivatives come from, and what programs that must stand alone consist of.
"""

from __future__ import annotations

import torch
from torch import Tensor

from zoo.nn.heads import repeat_heads
from zoo.nn.masks import masked_softmax
from zoo_sequence.moba.config import Routing
from zoo_sequence.moba.routing import gate_scores, work_dtype


@torch.no_grad()
def routing_mask(query: Tensor, key: Tensor, routing: Routing, visible: Tensor | None = None) -> Tensor:
    """What every query reads, by the definition: a boolean mask (batch, heads, queries, keys), causal order included.

    Args:
        query: (batch, heads, queries, head_dim), of the last positions.
        key: (batch, kv heads, keys, head_dim).
        routing: how blocks are chosen.
        visible: real tokens (batch, keys), or None where all are. Blocks count them alone, and the others neither
            read nor are read.
    """
    queries, keys, size = query.shape[2], key.shape[2], routing.block_size
    if visible is None:
        visible = torch.ones(1, keys, dtype=torch.bool, device=key.device)
    place = visible.long().cumsum(-1) - 1
    # Never one block alone: exporters take a size of one for a constant.
    blocks = torch.arange(keys // size + 2, device=key.device)
    # (batch or 1, keys, blocks): which token is in which block.
    member = (place[..., None] // size == blocks) & visible[..., None]
    shares = member.to(work_dtype(key))
    means = (shares / shares.sum(1, keepdim=True).clamp(min=1)).transpose(1, 2)[:, None] @ key.to(shares.dtype)
    means = repeat_heads(means, query.shape[1])
    scores = gate_scores(query.flatten(0, 1), means.flatten(0, 1), routing.gate).unflatten(0, query.shape[:2])
    now = place[:, None, keys - queries :, None]
    earlier = blocks < now // size
    rank = scores.masked_fill(~earlier, float("-inf")).argsort(dim=-1, descending=True).argsort(dim=-1)
    chosen = earlier & (rank < routing.topk - 1)
    reads = chosen.to(shares.dtype) @ shares.transpose(1, 2)[:, None] > 0
    then = place[:, None, None]
    own = (then // size == now // size) & (then <= now)
    return (reads | own) & visible[:, None, None] & visible[:, None, keys - queries :, None]


def moba_masked(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    routing: Routing,
    *,
    scale: float | None = None,
    visible: Tensor | None = None,
) -> Tensor:
    """Attention under ``routing_mask``, whose arguments these are: (batch, heads, queries, head_dim).

    Args:
        value: (batch, kv heads, keys, head_dim).
        scale: factor on the logits; head_dim ** -0.5 by default.
    """
    mask, dtype = routing_mask(query, key, routing, visible), work_dtype(query)
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    wide_query, wide_key, wide_value = (repeat_heads(x, query.shape[1]).to(dtype) for x in (query, key, value))
    weights = masked_softmax(wide_query * scale @ wide_key.transpose(-1, -2), mask)
    return (weights @ wide_value).to(query.dtype)
