"""The loss, and the metrics."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from zoo_activity.copilot_collision.network import CollisionForecast


def loss(
    forecast: CollisionForecast,
    collision: Tensor,
    joints: Tensor,
    region: Tensor,
    *,
    joint_weight: Tensor | None = None,
    region_weight: float = 1.0,
) -> Tensor:
    """BCE(collision) + BCE(joints) + region_weight * KL(region || softmax(heatmap)).

    Args:
        forecast: of the network.
        collision: (B,), 0 or 1.
        joints: (B, J), 0 or 1.
        region: (B, V, H, W), sums to 1 in the views that see the region and to 0 in the others, which do not count.
        joint_weight: (J,), weight of joints that collide, against their rarity.
    """
    total = functional.binary_cross_entropy_with_logits(forecast.collision, collision)
    total = total + functional.binary_cross_entropy_with_logits(forecast.joints, joints, pos_weight=joint_weight)
    divergence, seen = region_divergence(forecast.heatmap[:, :, 0], region)
    return total + region_weight * (divergence * seen).sum() / seen.sum().clamp(min=1)


def region_divergence(heatmap: Tensor, region: Tensor) -> tuple[Tensor, Tensor]:
    """KL(region || softmax of the heatmap's pixels) in nats, and which views see a region; both (B, V).

    Args:
        heatmap: (B, V, H, W), unnormalised.
        region: (B, V, H, W), which sums to 1 or 0.
    """
    log_found = heatmap.flatten(-2).log_softmax(-1)
    true = region.flatten(-2)
    seen = (true.sum(-1) > 0.5).to(true.dtype)
    return (torch.xlogy(true, true) - true * log_found).sum(-1) * seen, seen


def histogram_intersection(heatmap: Tensor, region: Tensor) -> Tensor:
    """Sum over pixels of min(region, softmax of the heatmap): a share from 0 to 1, (B, V)."""
    return torch.minimum(heatmap.flatten(-2).softmax(-1), region.flatten(-2)).sum(-1)


def f1(found: Tensor, true: Tensor) -> float:
    """2 TP / (2 TP + FP + FN), a share; 0 where there is no true positive. Booleans of one shape."""
    hits, wrong = int((found & true).sum()), int((found ^ true).sum())
    return 2 * hits / (2 * hits + wrong) if hits else 0.0


def metrics(forecast: CollisionForecast, collision: Tensor, joints: Tensor, region: Tensor) -> dict[str, float]:
    """Shares: accuracy and F1 of the collision at p > 0.5, F1 of the joints over all (case, joint), ``similarity``;
    ``divergence`` in nats; the last two are means over the views that see a region, left out where none does.

    Arguments as those of ``loss``.
    """
    found, true = forecast.collision > 0, collision > 0.5
    scores = {
        "accuracy": float((found == true).float().mean()),
        "f1": f1(found, true),
        "joint_f1": f1(forecast.joints > 0, joints > 0.5),
    }
    heatmap = forecast.heatmap[:, :, 0]
    divergence, seen = region_divergence(heatmap, region)
    if bool(seen.any()):
        scores["divergence"] = float(divergence.sum() / seen.sum())
        scores["similarity"] = float((histogram_intersection(heatmap, region) * seen).sum() / seen.sum())
    return scores
