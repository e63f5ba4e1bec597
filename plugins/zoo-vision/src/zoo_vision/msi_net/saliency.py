"""The loss, and how well a map tells where people look.

Maps are (batch, 1, H, W), not negative; fixations are maps of the same shape that are positive where somebody looked.
All metrics give one number per image, (batch,).
"""

from __future__ import annotations

import torch
from torch import Tensor

from zoo.errors import InputError

EPSILON = 1e-7


def divergence(prediction: Tensor, truth: Tensor) -> Tensor:
    """Kullback-Leibler divergence of maps scaled to sum to 1: sum y log(eps + y / (eps + p)). Lower is better."""
    y, p = _distribution(truth), _distribution(prediction)
    return (y * torch.log(EPSILON + y / (EPSILON + p))).sum(1)


def loss(prediction: Tensor, truth: Tensor) -> Tensor:
    """The mean divergence over the batch, a scalar: what training minimises."""
    return divergence(prediction, truth).mean()


def correlation(prediction: Tensor, truth: Tensor) -> Tensor:
    """Pearson's linear correlation CC, in [-1, 1]."""
    x, y = (_flat(maps) - _flat(maps).mean(1, keepdim=True) for maps in (prediction, truth))
    return (x * y).sum(1) / (x.norm(dim=1) * y.norm(dim=1)).clamp(min=EPSILON)


def similarity(prediction: Tensor, truth: Tensor) -> Tensor:
    """SIM: the sum of the smaller of two distributions, in [0, 1]."""
    return torch.minimum(_distribution(prediction), _distribution(truth)).sum(1)


def scanpath_saliency(prediction: Tensor, fixations: Tensor) -> Tensor:
    """NSS: the mean, over fixations, of the map in deviations from its mean. 0 is chance."""
    maps, looked = _flat(prediction), _looked(fixations)
    maps = (maps - maps.mean(1, keepdim=True)) / maps.std(1, correction=0, keepdim=True).clamp(min=EPSILON)
    return (maps * looked).sum(1) / looked.sum(1)


def area_under_curve(prediction: Tensor, fixations: Tensor, others: Tensor | None = None) -> Tensor:
    """Share of pairs (fixated, other pixel) that the map orders rightly, ties counting half: 0.5 is chance.

    With no ``others`` this is AUC-Judd's ranking against all pixels without a fixation; with the fixations of other
    images it is the shuffled AUC, which a bias towards the centre does not raise.

    Args:
        prediction, fixations: (batch, 1, H, W).
        others: positive where pixels to compare with lie.
    """
    results = []
    negatives = 1 - _looked(fixations) if others is None else _looked(others) * (1 - _looked(fixations))
    for values, looked, against in zip(_flat(prediction), _looked(fixations), negatives, strict=True):
        right, wrong = values[looked > 0], values[against > 0]
        ordered = wrong.sort().values
        below = torch.searchsorted(ordered, right, side="left")
        not_above = torch.searchsorted(ordered, right, side="right")
        results.append((below + not_above).to(values.dtype).mean() / (2 * len(wrong)))
    return torch.stack(results)


def _flat(maps: Tensor) -> Tensor:
    return maps.flatten(1)


def _distribution(maps: Tensor) -> Tensor:
    values = _flat(maps)
    return values / (EPSILON + values.sum(1, keepdim=True))


def _looked(fixations: Tensor) -> Tensor:
    looked = (_flat(fixations) > 0).float()
    if not bool(looked.any(1).all()):
        raise InputError("an image without a fixation has no such score; leave it out")
    return looked
