"""Which features serve which level: a Gaussian mixture over the features, matched to levels by explained variance."""

from __future__ import annotations

import math
from itertools import permutations

import torch
from torch import Tensor

from zoo.errors import InputError
from zoo_vision.feature_hmlc.contrast import class_numbers

ITERATIONS = 100
TOLERANCE = 1e-3
_COMPONENTS = 16
_LEAST_VARIANCE = 1e-4


def explained_variance(features: Tensor, labels: Tensor) -> Tensor:
    """eta_h(j): the share of a feature's variance that lies between the classes of a level.

    Args:
        features: (n, D).
        labels: (n, H) int64, coarse to fine; a class of level h is equal labels at h and all coarser levels.

    Returns:
        (D, H) in [0, 1]; 0 for a feature that does not vary.
    """
    centred = features.double() - features.double().mean(0)
    total = centred.square().sum(0)
    shares = []
    for level in range(labels.shape[1]):
        number = class_numbers(labels, level + 1)
        size = torch.bincount(number).double()[:, None]
        means = torch.zeros(len(size), centred.shape[1], dtype=torch.float64, device=centred.device)
        means = means.index_add(0, number, centred) / size
        shares.append(torch.where(total > 0, (size * means.square()).sum(0) / total.clamp(min=1e-30), 0.0))
    return torch.stack(shares, 1).clamp(0, 1)


def descriptors(features: Tensor, labels: Tensor, kind: str = "ratios") -> Tensor:
    """What the mixture knows of every feature, standardised: (D, H) of "ratios", (D, at most 16) of "activations"."""
    if kind == "ratios":
        table = explained_variance(features, labels)
    else:
        columns = features.double().T
        columns = (columns - columns.mean(1, keepdim=True)) / columns.std(1, keepdim=True).clamp(min=1e-12)
        left, values, _ = torch.linalg.svd(columns, full_matrices=False)
        table = (left * values)[:, :_COMPONENTS]
    return (table - table.mean(0)) / table.std(0, correction=0).clamp(min=1e-12)


def fit_mixture(points: Tensor, components: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """A Gaussian mixture with diagonal covariances, by EM from a k-means++ start.

    Args:
        points: (n, d) float64.
        components: how many, at most n.
        seed: of the start.

    Returns:
        Responsibilities (n, components), and the means of the components (components, d).
    """
    if len(points) < components:
        raise InputError(f"{len(points)} features; expected one at least for each of {components} components")
    generator = torch.Generator().manual_seed(seed)
    means = _start(points, components, generator)
    nearest = torch.cdist(points, means).argmin(1)
    shares = torch.nn.functional.one_hot(nearest, components).double()
    before = -math.inf
    for _ in range(ITERATIONS):
        size = shares.sum(0).clamp(min=1e-9)
        means = shares.T @ points / size[:, None]
        variances = (shares.T @ points.square() / size[:, None] - means.square()).clamp(min=_LEAST_VARIANCE)
        distance = (points[:, None] - means).square() / variances + variances.log() + math.log(2 * math.pi)
        joint = (size / len(points)).log() - distance.sum(-1) / 2
        likelihood = joint.logsumexp(1)
        shares = (joint - likelihood[:, None]).exp()
        now = float(likelihood.mean())
        if now - before < TOLERANCE:
            break
        before = now
    return shares, means


def _start(points: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """k-means++: centres drawn among the points, by the squared distance to those that there are."""
    chosen = [int(torch.randint(len(points), (), generator=generator))]
    while len(chosen) < count:
        distance = torch.cdist(points, points[chosen]).amin(1).square().cpu()
        distance[chosen] = 0
        if not distance.any():
            distance[[index for index in range(len(points)) if index not in chosen]] = 1
        chosen.append(int(torch.multinomial(distance, 1, generator=generator)))
    return points[chosen]


def hard_masks(features: Tensor, labels: Tensor, kind: str = "ratios", seed: int = 0) -> Tensor:
    """Masks of 0 and 1 that part the features among the levels.

    Components go to levels so that the sum of their features' explained variance is largest. A level that is left
    with less than D / (4H) features takes those that are likeliest its own from levels that can spare them.

    Args:
        features: (n, D), a bank of embeddings.
        labels: (n, H) int64, coarse to fine.
        kind: of descriptor, "ratios" or "activations".
        seed: of the mixture's start.

    Returns:
        (H, D) float32; every column holds a single one.
    """
    if features.ndim != 2 or labels.ndim != 2 or len(features) != len(labels) or not len(features):
        raise InputError(
            f"features {list(features.shape)} and labels {list(labels.shape)}; expected (n, dim) and (n, levels), n > 0"
        )
    levels = labels.shape[1]
    shares, _ = fit_mixture(descriptors(features, labels, kind), levels, seed)
    explained = explained_variance(features, labels)
    gain = shares.T @ explained / shares.sum(0).clamp(min=1e-9)[:, None]
    best = max(permutations(range(levels)), key=lambda order: sum(float(gain[order[h], h]) for h in range(levels)))
    probability = shares[:, list(best)]
    level = probability.argmax(1)
    least = max(1, len(level) // (4 * levels))
    for poor in range(levels):
        for _ in range(least - int((level == poor).sum())):
            spare = torch.bincount(level, minlength=levels) > least
            preference = probability[:, poor].masked_fill((level == poor) | ~spare[level], -1.0)
            # Where probabilities are equal, mostly zero, what the level explains decides.
            preference = preference + 1e-6 * explained[:, poor]
            level[int(preference.argmax())] = poor
    return torch.nn.functional.one_hot(level, levels).T.float()
