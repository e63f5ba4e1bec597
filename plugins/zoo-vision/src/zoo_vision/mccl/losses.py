"""The loss on maps of probabilities."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

BCE_WEIGHT = 120.0
IOU_WEIGHT = 2.0


def iou_loss(maps: Tensor, truth: Tensor) -> Tensor:
    """The sum over images of 1 - intersection / union of soft maps (n, 1, H, W), a scalar; 0 where both are empty."""
    both = (maps * truth).flatten(1).sum(1)
    either = maps.flatten(1).sum(1) + truth.flatten(1).sum(1) - both
    # Where the union is empty the two agree; the clamp keeps the gradient finite there.
    return (1 - both / either.clamp(min=1e-12))[either > 0].sum()


def saliency_loss(maps: Tensor, truth: Tensor) -> Tensor:
    """120 BCE + 2 IoU loss of probabilities (n, 1, H, W), a scalar."""
    return BCE_WEIGHT * functional.binary_cross_entropy(maps, truth) + IOU_WEIGHT * iou_loss(maps, truth)
