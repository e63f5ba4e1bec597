"""Which blocks a query reads besides its own: the gate."""

from __future__ import annotations

import torch
from torch import Tensor

from zoo_sequence.moba.config import Routing

# Scores of so many (query, block) pairs exist at a time.
_PAIRS_AT_A_TIME = 1 << 17


def work_dtype(tensor: Tensor) -> torch.dtype:
    """The precision of gate, softmax and sums: at least float32."""
    return torch.promote_types(tensor.dtype, torch.float32)


def gate_scores(query: Tensor, means: Tensor, gate: str) -> Tensor:
    """Score of every history block for every query, neither masked nor scaled.

    Args:
        query: (units, rows, head_dim).
        means: block representatives (units, blocks, head_dim).
        gate: see ``Routing``.

    Returns:
        (units, rows, blocks).
    """
    if gate == "mean":
        return query.to(means.dtype) @ means.transpose(-1, -2)
    recency = torch.arange(means.shape[1], device=query.device, dtype=means.dtype)
    if gate == "sink":
        recency[0] = means.shape[1]
    return recency.repeat(query.shape[0], query.shape[1], 1)


@torch.no_grad()
def choose_history(query: Tensor, key: Tensor, routing: Routing) -> Tensor:
    """The history blocks that each query reads.

    Args:
        query: (units, group, queries, head_dim): ``group`` query heads share the keys of a unit, and the
            queries are those of the last positions.
        key: (units, keys, head_dim).

    Returns:
        (units, group, queries, picks) int64 block numbers in order of preference, -1 where there are fewer
        earlier blocks than picks; ``picks = min(topk, blocks) - 1``.
    """
    units, group, queries, _ = query.shape
    keys = key.shape[1]
    history = (keys - 1) // routing.block_size
    picks = min(routing.topk - 1, history)
    chosen = torch.empty(units, group, queries, picks, dtype=torch.int64, device=query.device)
    if picks == 0:
        return chosen
    complete = key[:, : history * routing.block_size].unflatten(1, (history, routing.block_size))
    means = complete.mean(2, dtype=work_dtype(key))
    blocks = torch.arange(history, device=query.device)
    step = max(1, _PAIRS_AT_A_TIME // (units * group * history))
    for start in range(0, queries, step):
        part = query[:, :, start : start + step]
        positions = torch.arange(start, start + part.shape[2], device=query.device) + keys - queries
        future = blocks >= positions[:, None] // routing.block_size
        scores = gate_scores(part.flatten(1, 2), means, routing.gate).unflatten(1, (group, -1))
        best = scores.masked_fill_(future, float("-inf")).topk(picks, dim=-1)
        chosen[:, :, start : start + step] = best.indices.masked_fill(best.values == float("-inf"), -1)
    return chosen
