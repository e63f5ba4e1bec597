"""The loss, and the metrics."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from zoo_activity.persistent_transient_duality.network import Forecast

OBJECTS, SMOOTH = 0.5, 1e-3


def position_error(found: Tensor, true: Tensor, mask: Tensor | None = None) -> Tensor:
    """Mean position error per step: mean over humans and joints of |found - true|, in the unit of the input (metres).

    Args:
        found, true: (B, T, H, J, 3).
        mask: (B, H), True for humans that are there.

    Returns:
        (T,); also a mean over the batch. NaN where no human is there.
    """
    distance = (found - true).square().sum(-1).clamp(min=1e-12).sqrt().mean(-1)
    weight = torch.ones_like(distance) if mask is None else mask[:, None].expand_as(distance).to(distance.dtype)
    return (distance * weight).sum((0, 2)) / weight.sum((0, 2))


def switch_f1(found: Tensor, true: Tensor) -> float:
    """F1 = 2 TP / (2 TP + FP + FN) of steps that are on, a share; 0 where there is no true positive.

    Args:
        found, true: of one shape, on where above 0.5.
    """
    found, true = found > 0.5, true > 0.5
    hits, wrong = int((found & true).sum()), int((found ^ true).sum())
    return 2 * hits / (2 * hits + wrong) if hits else 0.0


def loss(
    forecast: Forecast,
    humans: Tensor,
    objects: Tensor,
    labels: Tensor | None = None,
    *,
    forced: float = 1.0,
) -> Tensor:
    """Position error of forecast and teacher-forced steps + 0.5 L2 of objects + 1e-3 mean |z_t - z_(t-1)|.

    Args:
        forecast: of the first T of T + P steps.
        humans, objects: (B, T + P, H, J, 3), (B, T + P, O, object_dim).
        labels: (B, T + P - 1, H), 1 where a transient process runs; adds the switch's binary cross-entropy.
        forced: weight of the teacher-forced steps.
    """
    length = forecast.next_humans.shape[1]
    total = position_error(forecast.humans, humans[:, length:]).mean()
    total = total + forced * position_error(forecast.next_humans, humans[:, 1 : length + 1]).mean()
    if objects.shape[2]:
        off = forecast.objects - objects[:, length:]
        total = total + OBJECTS * off.square().sum(-1).clamp(min=1e-12).sqrt().mean()
    if forecast.switch.shape[1] > 1:
        total = total + SMOOTH * forecast.switch.diff(dim=1).abs().mean()
    if labels is not None:
        total = total + functional.binary_cross_entropy(forecast.probability.clamp(1e-6, 1 - 1e-6), labels)
    return total
