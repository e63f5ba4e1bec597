"""How well maps find what they should: MAE, F-measure, E-measure and S-measure, as the field of saliency reports them.

All take maps (n, H, W) in [0, 1] and boolean masks of the same shape, and give (n,). Higher is better but for MAE.
"""

from __future__ import annotations

import torch
from torch import Tensor

from zoo.errors import InputError

BETA_SQUARED = 0.3
THRESHOLDS = 256
_EPS = 1e-12


def _check(maps: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
    if maps.ndim != 3 or maps.shape != masks.shape or masks.dtype != torch.bool or 0 in maps.shape[1:]:
        raise InputError(
            f"maps {list(maps.shape)} and masks {list(masks.shape)} of {masks.dtype}; expected (n, height, width) for "
            "both, masks boolean"
        )
    if maps.numel() and not (maps.min() >= 0 and maps.max() <= 1):
        raise InputError(f"maps from {maps.min():g} to {maps.max():g}; expected values in [0, 1]")
    return maps.double(), masks


def mean_absolute_error(maps: Tensor, masks: Tensor) -> Tensor:
    """MAE."""
    maps, masks = _check(maps, masks)
    return (maps - masks.double()).abs().mean((1, 2))


def _binary(maps: Tensor) -> Tensor:
    """Maps at every threshold k / 255: (n, 256, H W) bool, whether the map is at or above it."""
    levels = torch.linspace(0, 1, THRESHOLDS, dtype=maps.dtype, device=maps.device)
    return maps.flatten(1)[:, None] >= levels[:, None]


def f_measure(maps: Tensor, masks: Tensor) -> Tensor:
    """The largest over 256 thresholds of (1 + b) P R / (b P + R), b = 0.3; 0 where nothing is right."""
    maps, masks = _check(maps, masks)
    found = _binary(maps)
    right = (found & masks.flatten(1)[:, None]).sum(2).double()
    precision = right / found.sum(2).clamp(min=1)
    recall = right / masks.flatten(1).sum(1).clamp(min=1)[:, None]
    score = (1 + BETA_SQUARED) * precision * recall / (BETA_SQUARED * precision + recall).clamp(min=_EPS)
    return score.amax(1)


def e_measure(maps: Tensor, masks: Tensor) -> Tensor:
    """The largest over 256 thresholds of the enhanced alignment (Fan et al. 2018).

    With deviations a, b of binary map and mask from their means, the mean of (2 a b / (a^2 + b^2) + 1)^2 / 4. Where the
    mask is empty or full it is the share of pixels that are right.
    """
    maps, masks = _check(maps, masks)
    found, truth = _binary(maps).double(), masks.flatten(1).double()[:, None]
    a, b = found - found.mean(2, keepdim=True), truth - truth.mean(2, keepdim=True)
    alignment = 2 * a * b / (a.square() + b.square()).clamp(min=_EPS)
    score = ((alignment + 1).square() / 4).mean(2)
    agreed = (found == truth).double().mean(2)
    level = (truth == truth[..., :1]).all(2)
    return torch.where(level, agreed, score).amax(1)


def s_measure(maps: Tensor, masks: Tensor, alpha: float = 0.5) -> Tensor:
    """Structure measure (Fan et al. 2017): alpha object + (1 - alpha) region similarity, not below 0.

    The object part compares the map's mean and deviation on and off the mask; the region part is the similarity of the
    four quarters that meet at the mask's centre of mass. An empty mask asks for a dark map, a full one for a bright.
    """
    maps, masks = _check(maps, masks)
    return (
        torch.stack([_structure(x, y, alpha) for x, y in zip(maps, masks, strict=True)]) if len(maps) else maps[:, 0, 0]
    )


def _structure(x: Tensor, mask: Tensor, alpha: float) -> Tensor:
    share = mask.double().mean()
    if share == 0:
        return 1 - x.mean()
    if share == 1:
        return x.mean()
    objects = share * _object(x[mask]) + (1 - share) * _object(1 - x[~mask])
    return (alpha * objects + (1 - alpha) * _regions(x, mask.double())).clamp(min=0)


def _object(values: Tensor) -> Tensor:
    mean = values.mean()
    deviation = values.std() if len(values) > 1 else torch.zeros_like(mean)
    return 2 * mean / (mean.square() + 1 + deviation + _EPS)


def _regions(x: Tensor, truth: Tensor) -> Tensor:
    height, width = x.shape
    rows, columns = torch.where(truth > 0)
    down = int(rows.double().mean().round()) + 1
    right = int(columns.double().mean().round()) + 1
    total = x.new_zeros(())
    for vertical in (slice(0, down), slice(down, height)):
        for horizontal in (slice(0, right), slice(right, width)):
            part, true = x[vertical, horizontal], truth[vertical, horizontal]
            if part.numel():
                total = total + part.numel() / x.numel() * _similarity(part, true)
    return total


def _similarity(x: Tensor, y: Tensor) -> Tensor:
    count = max(x.numel() - 1, 1)
    mean_x, mean_y = x.mean(), y.mean()
    var_x, var_y = ((values - values.mean()).square().sum() / count for values in (x, y))
    covariance = ((x - mean_x) * (y - mean_y)).sum() / count
    above = 4 * mean_x * mean_y * covariance
    below = (mean_x.square() + mean_y.square()) * (var_x + var_y)
    if above != 0:
        return above / (below + _EPS)
    return torch.ones_like(below) if below == 0 else torch.zeros_like(below)
