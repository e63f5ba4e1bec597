"""Scores of classifiers, as shares between 0 and 1, from predicted and true classes (count,) of integers."""

from __future__ import annotations

import torch
from torch import Tensor

from zoo.errors import InputError


def _require_classes(predicted: Tensor, truth: Tensor) -> None:
    if predicted.shape != truth.shape or truth.ndim != 1 or not len(truth):
        raise InputError(
            f"predicted {list(predicted.shape)} and truth {list(truth.shape)}; expected two equal shapes (count,), "
            "not empty"
        )


def accuracy(predicted: Tensor, truth: Tensor) -> float:
    """Share of examples whose class is right: #(predicted = truth) / count."""
    _require_classes(predicted, truth)
    return float((predicted == truth).double().mean())


def macro_f1(predicted: Tensor, truth: Tensor, num_classes: int) -> float:
    """Mean over classes of F1 = 2 TP / (2 TP + FP + FN), a share.

    Classes that are neither true nor predicted anywhere are left out, as scikit-learn does.
    """
    _require_classes(predicted, truth)
    classes = torch.arange(num_classes, device=truth.device)[:, None]
    said, true = predicted == classes, truth == classes
    both, total = (said & true).sum(1).double(), (said.sum(1) + true.sum(1)).double()
    there = total > 0
    return float((2 * both[there] / total[there]).mean())
