"""The supervised contrastive loss, and its sum over the levels of a hierarchy."""

from __future__ import annotations

import torch
from torch import Tensor

from zoo.errors import InputError


def same_prefix(labels: Tensor, columns: int) -> Tensor:
    """(n, n) bool: equal labels in the first so many columns of (n, L); all True for none."""
    visible = labels[:, :columns]
    return (visible[:, None] == visible).all(-1)


def require_labels(features: Tensor, labels: Tensor, columns: int | None = None) -> None:
    """Raise InputError unless features are (n, V, D) and labels (n, L) integers, with ``columns`` columns if given."""
    fits = features.ndim == 3 and labels.ndim == 2 and len(features) == len(labels)
    if not fits or labels.is_floating_point() or (columns is not None and labels.shape[1] != columns):
        wanted = "levels" if columns is None else columns
        raise InputError(
            f"features {list(features.shape)} and labels {list(labels.shape)} of {labels.dtype}; expected (n, views, "
            f"dim) and integers (n, {wanted}), coarse to fine"
        )


def supervised_contrast(
    z: Tensor,
    positives: Tensor,
    temperature: float = 0.1,
    base_temperature: float = 0.07,
    classes: Tensor | None = None,
) -> Tensor:
    """SC(z, P; tau), a scalar.

    Args:
        z: (n, V, D) unit vectors.
        positives: (n, n) bool; every other view of a sample is its positive too.
        temperature: tau.
        base_temperature: the loss is multiplied by tau over it.
        classes: (n,) int64; if given, rows are averaged inside each class, then over classes.

    Returns:
        The mean over rows that have a positive; 0 where none has one.
    """
    views = z.shape[1]
    rows = z.flatten(0, 1)
    itself = torch.eye(len(rows), dtype=torch.bool, device=z.device)
    positive = positives.repeat_interleave(views, 0).repeat_interleave(views, 1) & ~itself
    logits = rows @ rows.mT / temperature
    others = logits.masked_fill(itself, -torch.inf)
    # A lone row has no other: its sum is over nothing, and it is left out below.
    spread = others.logsumexp(1, keepdim=True) if len(rows) > 1 else torch.zeros_like(logits)
    count = positive.sum(1)
    losses = -((logits - spread) * positive).sum(1) / count.clamp(min=1)
    kept = count > 0
    weights = kept.to(losses.dtype)
    if classes is not None:
        number = torch.unique(classes, return_inverse=True)[1].repeat_interleave(views)
        size = torch.zeros(len(rows), dtype=losses.dtype, device=z.device).index_add(0, number, weights)
        weights = weights / size[number].clamp(min=1)
    return temperature / base_temperature * (losses * weights).sum() / weights.sum().clamp(min=1e-12)


def class_numbers(labels: Tensor, columns: int) -> Tensor:
    """(n,) int64: the same number for samples with equal labels in the first so many columns."""
    return torch.unique(labels[:, :columns], dim=0, return_inverse=True)[1]
