"""Windows, shares of attention, moments of keys and the estimate from them, of one layer."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from zoo.nn.heads import repeat_heads
from zoo_interpret.adaptive_long_context_heads.config import AdaptiveLongContextHeadsConfig

# The log of no mass; finite, so that differences stay numbers.
NOTHING = -1e30


@dataclass(frozen=True)
class Moments:
    """Mean and covariance of keys.

    Args:
        mean: (batch, kv heads, queries or 1, head_dim).
        covariance: (batch, kv heads, queries or 1, head_dim, head_dim), biased.
        counts: (queries or 1,), keys that they are of.
    """

    mean: Tensor
    covariance: Tensor
    counts: Tensor


@dataclass(frozen=True)
class Masses:
    """Attention of a layer's queries, (batch, heads, queries) each, logs in nats.

    Args:
        log_window, log_bulk: of the window's and the bulk's exponentials; -1e30 where there is no bulk.
        score_mean, score_variance: of the normal model of bulk scores; 0 where there is no bulk.
        log_bulk_estimate: what that says of the bulk.
        share, share_estimate: the window's, exact and estimated; 1 where there is no bulk.
    """

    log_window: Tensor
    log_bulk: Tensor
    score_mean: Tensor
    score_variance: Tensor
    log_bulk_estimate: Tensor
    share: Tensor
    share_estimate: Tensor


def windows(
    queries: int, keys: int, config: AdaptiveLongContextHeadsConfig, *, device: torch.device | None = None
) -> Tensor:
    """(queries, keys) boolean, True in the window; the queries are the last of the sequence."""
    places = torch.arange(keys - queries, keys, device=device)[:, None]
    others = torch.arange(keys, device=device)[None]
    near = others > places - config.local
    return (others <= places) & (near | (others < config.sink))


def local_moments(key: Tensor, queries: int, config: AdaptiveLongContextHeadsConfig) -> Moments:
    """Moments of every query's recent keys without sinks, from running sums: constant work for each query.

    Args:
        key: (batch, kv heads, keys, head_dim).
        queries: how many, the last of the sequence.
        config: of the window.
    """
    key = key.double()
    keys = key.shape[2]
    ends = torch.arange(keys - queries, keys, device=key.device) + 1
    starts = (ends - config.local).clamp(min=0)
    # Queries among the sinks have no bulk: any keys will do.
    starts = torch.where(ends > config.sink, starts.clamp(min=min(config.sink, keys)), starts.clamp(max=0))
    zero = torch.zeros_like(key[:, :, :1])
    sums = torch.cat((zero, key), 2).cumsum(2)
    squares = torch.cat((zero[..., None] * zero[..., None, :], key[..., None] * key[..., None, :]), 2).cumsum(2)
    counts = (ends - starts).clamp(min=1)
    mean = (sums[:, :, ends] - sums[:, :, starts]) / counts[:, None]
    second = (squares[:, :, ends] - squares[:, :, starts]) / counts[:, None, None]
    return Moments(mean, second - mean[..., None] * mean[..., None, :], ends - starts)


def masses(
    query: Tensor,
    key: Tensor,
    config: AdaptiveLongContextHeadsConfig,
    *,
    scale: float,
    moments: Moments | None = None,
    real: Tensor | None = None,
) -> Masses:
    """Masses of a layer, exact and estimated.

    Args:
        query: (batch, heads, queries, head_dim), the last of the sequence, with positions.
        key: (batch, kv heads, keys, head_dim).
        config: of the window.
        scale: of the scores.
        moments: of calibration keys; of each query's own recent keys by default.
        real: (batch, keys) boolean, False where padded.
    """
    heads, queries, keys = query.shape[1], query.shape[2], key.shape[2]
    scores = (query.float() @ repeat_heads(key, heads).mT.float()) * scale
    window = windows(queries, keys, config, device=query.device).expand(len(query), 1, -1, -1)
    places = torch.arange(keys - queries, keys, device=query.device)
    bulk = (torch.arange(keys, device=query.device)[None] <= places[:, None]) & ~window
    if real is not None:
        window, bulk = window & real[:, None, None], bulk & real[:, None, None]
    log_window = _log_sum(scores, window)
    counts = bulk.sum(-1)
    log_bulk = _log_sum(scores, bulk)
    found = local_moments(key, queries, config) if moments is None else moments
    wide = query.double()
    mean, covariance = repeat_heads(found.mean, heads), repeat_heads(found.covariance, heads)
    mu = (wide * mean).sum(-1) * scale
    variance = torch.einsum("bhqd,bhqde,bhqe->bhq", wide, covariance.expand(*wide.shape, -1), wide) * scale**2
    log_estimate = counts.clamp(min=1).log() + mu + variance / 2
    empty = (counts == 0).expand_as(log_window)
    # Of fewer than two keys there is no variance: what they say of the bulk is read as nothing.
    unknown = (found.counts < 2).expand(queries)
    mu, variance = (torch.where(empty, 0.0, each).float() for each in (mu, variance))
    log_estimate = torch.where(empty | unknown, NOTHING, log_estimate.float())
    share, share_estimate = (
        torch.where(each <= NOTHING, 1.0, torch.sigmoid(log_window - each)) for each in (log_bulk, log_estimate)
    )
    return Masses(log_window, log_bulk, mu, variance, log_estimate, share, share_estimate)


def _log_sum(scores: Tensor, chosen: Tensor) -> Tensor:
    """log of the sum of exp over chosen keys; -1e30 where there are none."""
    summed = scores.masked_fill(~chosen, float("-inf")).logsumexp(-1)
    return torch.where(chosen.any(-1), summed, NOTHING)


def normality(query: Tensor, key: Tensor, config: AdaptiveLongContextHeadsConfig, *, scale: float) -> Tensor:
    """Kolmogorov-Smirnov distance (batch, heads, queries) of bulk scores to the normal that the moments say; NaN where
    the bulk has fewer than two keys."""
    heads, queries, keys = query.shape[1], query.shape[2], key.shape[2]
    found = masses(query, key, config, scale=scale)
    scores = (query.float() @ repeat_heads(key, heads).mT.float()) * scale
    places = torch.arange(keys - queries, keys, device=query.device)[:, None]
    bulk = (torch.arange(keys, device=query.device)[None] <= places) & ~windows(
        queries, keys, config, device=query.device
    )
    counts = bulk.sum(-1)
    ordered = scores.masked_fill(~bulk, float("inf")).sort(-1).values
    z = (ordered - found.score_mean[..., None]) / found.score_variance.clamp(min=1e-12).sqrt()[..., None]
    expected = 0.5 * (1 + torch.erf(z / 2**0.5))
    rank = torch.arange(keys, device=query.device)
    inside = rank < counts[:, None]
    above = (rank + 1) / counts.clamp(min=1)[:, None] - expected
    below = expected - rank / counts.clamp(min=1)[:, None]
    largest = torch.maximum(above, below).masked_fill(~inside, 0.0).amax(-1)
    return torch.where(counts > 1, largest, float("nan"))
