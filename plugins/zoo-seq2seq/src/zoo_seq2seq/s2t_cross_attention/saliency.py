"""From scores of masked runs to saliency maps."""

from __future__ import annotations

import torch
from torch import Tensor

_LEAST = 1e-12


def divergences(clean: Tensor, masked: Tensor) -> Tensor:
    """KL(clean || masked) in nats: (masks, tokens) of probabilities (tokens, vocabulary) and (masks, tokens, ...)."""
    return (clean * (clean.clamp(min=_LEAST).log() - masked.clamp(min=_LEAST).log())).sum(-1)


def relevance(scores: Tensor, masks: Tensor) -> Tensor:
    """Mean score of the masks that hide a cell: (tokens, ...) of scores (masks, tokens) and masks (masks, ...).

    Cells that are never hidden have 0. Masks are 0 where something is hidden.
    """
    hidden = (1 - masks).flatten(1)
    count = hidden.sum(0)
    found = scores.T @ hidden / count.clamp(min=1)
    return found.masked_fill(count == 0, 0.0).unflatten(1, masks.shape[1:])


def causal(maps: Tensor) -> Tensor:
    """Maps (tokens, tokens) of tokens on tokens up to themselves."""
    return maps.tril()


def z_scores(maps: Tensor, tokens: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
    """Every token's map in standard deviations from its mean; spectrogram and tokens apart.

    Args:
        maps: (tokens, frames, bins).
        tokens: (tokens, tokens), of which j <= i is visible; other entries stay 0.
    """
    mean, deviation = maps.mean((1, 2), keepdim=True), maps.flatten(1).std(1)[:, None, None]
    normal = _divided(maps - mean, deviation)
    if tokens is None:
        return normal, None
    found = torch.zeros_like(tokens)
    for index, row in enumerate(tokens):
        seen = row[: index + 1]
        # The first token sees one entry, whose deviation is undefined.
        if index:
            found[index, : index + 1] = _divided(seen - seen.mean(), seen.std())
    return normal, found


def min_max(maps: Tensor, tokens: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
    """Every token's maps brought to 0 ... 1 together; arguments as for ``z_scores``."""
    low, high = maps.flatten(1).amin(1), maps.flatten(1).amax(1)
    visible = None
    if tokens is not None:
        visible = torch.ones_like(tokens, dtype=torch.bool).tril()
        low = torch.minimum(low, tokens.masked_fill(~visible, torch.inf).amin(1))
        high = torch.maximum(high, tokens.masked_fill(~visible, -torch.inf).amax(1))
    scaled = _divided(maps - low[:, None, None], (high - low)[:, None, None])
    if tokens is None or visible is None:
        return scaled, None
    return scaled, _divided(tokens - low[:, None], (high - low)[:, None]).masked_fill(~visible, 0.0)


def deletion_order(maps: Tensor, share: float) -> Tensor:
    """Mask (frames, bins), 0 on that share of the cells that are most relevant to any token of maps (tokens, ...)."""
    flat = maps.amax(0).flatten()
    chosen = flat.topk(round(share * flat.numel())).indices
    return torch.ones_like(flat).scatter(0, chosen, 0.0).view(maps.shape[1:])


def _divided(values: Tensor, by: Tensor) -> Tensor:
    return torch.where(by > 0, values / by.clamp(min=torch.finfo(values.dtype).tiny), 0.0)
