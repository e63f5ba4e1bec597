"""Attention that does what was decided: local heads read their window alone, the bulk is read where it is needed.

Queries are taken some at a time. For a block of b of them and all heads at once the window costs b (local + b + sink)
scores; the decision needs these and the moments of keys, d^2 operations for each query; what is left is a product with
all keys for the pairs of head and query that are not local. Nothing of size queries x keys is formed unless all are.
"""

from __future__ import annotations

import torch
from torch import Tensor

from zoo.nn.heads import repeat_heads
from zoo_interpret.adaptive_long_context_heads.config import AdaptiveLongContextHeadsConfig
from zoo_interpret.adaptive_long_context_heads.masses import Moments, local_moments

# Queries that are taken at a time.
BLOCK = 128


def skipping_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    config: AdaptiveLongContextHeadsConfig,
    *,
    scale: float,
    moments: Moments | None = None,
    local: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Causal attention with windows where they are enough.

    Args:
        query: (batch, heads, queries, head_dim), the last of the sequence, with positions.
        key, value: (batch, kv heads, keys, head_dim), without padding.
        config: of the window and the threshold.
        scale: of the scores.
        moments: of calibration keys; of each query's own recent keys by default.
        local: (batch, heads, queries) boolean, decided before; by default QAdA decides, query by query.

    Returns:
        The output (batch, heads, queries, head_dim), and the decisions (batch, heads, queries) boolean.
    """
    queries, keys = query.shape[2], key.shape[2]
    found = moments if moments is not None or local is not None else local_moments(key, queries, config)
    outputs, decisions = [], []
    for start in range(0, queries, BLOCK):
        part = slice(start, min(start + BLOCK, queries))
        places = torch.arange(keys - queries + part.start, keys - queries + part.stop, device=query.device)
        output, log_window = _windowed(query[:, :, part], key, value, places, config, scale)
        if local is not None:
            chosen = local[:, :, part]
        else:
            assert found is not None
            chosen = _decide(query[:, :, part], _part(found, part), log_window, places, config, scale)
        _read_everything(output, ~chosen, query[:, :, part], key, value, places, scale)
        outputs.append(output)
        decisions.append(chosen)
    return torch.cat(outputs, 2), torch.cat(decisions, 2)


def _windowed(
    query: Tensor, key: Tensor, value: Tensor, places: Tensor, config: AdaptiveLongContextHeadsConfig, scale: float
) -> tuple[Tensor, Tensor]:
    """Attention of consecutive queries within their windows, and the log of the window's exponentials."""
    first, end = int(places[0]), int(places[-1]) + 1
    begin = max(first - config.local + 1, min(config.sink, end))
    others = torch.cat((torch.arange(min(config.sink, end)), torch.arange(begin, end))).to(query.device)
    near, far = places[:, None] - config.local < others, others < config.sink
    inside = (others <= places[:, None]) & (near | far)
    keys, values = (repeat_heads(each[:, :, others], query.shape[1]) for each in (key, value))
    scores = (query @ keys.mT * scale).float().masked_fill(~inside, float("-inf"))
    log_window = scores.logsumexp(-1)
    weights = (scores - log_window[..., None]).exp().to(values.dtype)
    return weights @ values, log_window


def _part(moments: Moments, part: slice) -> Moments:
    """The moments of some queries; those of calibration keys are the same for all."""
    if moments.mean.shape[2] == 1:
        return moments
    return Moments(moments.mean[:, :, part], moments.covariance[:, :, part], moments.counts[part])


def _decide(
    query: Tensor,
    moments: Moments,
    log_window: Tensor,
    places: Tensor,
    config: AdaptiveLongContextHeadsConfig,
    scale: float,
) -> Tensor:
    """(batch, heads, queries) boolean, QAdA's: whether the window has at least the share tau of the estimated whole."""
    wide, heads = query.double(), query.shape[1]
    mean, covariance = (repeat_heads(each, heads) for each in (moments.mean, moments.covariance))
    mu = (wide * mean).sum(-1) * scale
    variance = (wide * (covariance @ wide[..., None])[..., 0]).sum(-1) * scale**2
    # Keys that are neither recent nor among the first.
    counts = (places + 1 - config.local).clamp(min=0) - (places + 1 - config.local).clamp(min=0, max=config.sink)
    share = torch.sigmoid(log_window - (counts.clamp(min=1).log() + mu + variance / 2).float())
    unknown = (counts == 0) | (moments.counts.to(places.device) < 2)
    local = (share >= config.tau) | unknown
    return local & (places >= config.first_query)


def _read_everything(
    output: Tensor, chosen: Tensor, query: Tensor, key: Tensor, value: Tensor, places: Tensor, scale: float
) -> None:
    """Put attention to all earlier keys in place of the windows' for chosen pairs of head and query."""
    group = query.shape[1] // key.shape[1]
    end = int(places[-1]) + 1
    others = torch.arange(end, device=query.device)
    for batch, head in chosen.any(-1).nonzero().tolist():
        rows = chosen[batch, head].nonzero().flatten()
        keys, values = (each[batch, head // group, :end] for each in (key, value))
        scores = (query[batch, head, rows] @ keys.mT * scale).float()
        scores = scores.masked_fill(others > places[rows, None], float("-inf"))
        output[batch, head, rows] = scores.softmax(-1).to(values.dtype) @ values
