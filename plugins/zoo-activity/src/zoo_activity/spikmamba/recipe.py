"""What the authors' recipe trains with: mixed clips and smoothed labels."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from zoo.errors import InputError


def mixup(
    video: Tensor,
    labels: Tensor,
    num_classes: int,
    *,
    alpha: float = 0.5,
    smoothing: float = 0.1,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """Clips mixed with those of the batch in reverse, by one share that is drawn from Beta(alpha, alpha).

    Args:
        video: (B, ...).
        labels: (B,) of integers.
        num_classes: K.
        alpha: 0 mixes nothing.
        smoothing: share of a label that goes to all classes equally.
        generator: of the share.

    Returns:
        Clips (B, ...) and targets (B, K) whose rows sum to 1: for ``functional.cross_entropy``.

    Raises:
        InputError: labels that do not fit the clips or the classes.
    """
    if labels.shape != video.shape[:1] or (len(labels) and not 0 <= labels.min() <= labels.max() < num_classes):
        raise InputError(
            f"labels {list(labels.shape)} for {len(video)} clips; expected one per clip, 0 to {num_classes - 1}"
        )
    targets = functional.one_hot(labels, num_classes) * (1 - smoothing) + smoothing / num_classes
    if alpha == 0:
        return video, targets
    first, second = torch._standard_gamma(torch.full((2,), alpha, dtype=torch.float64), generator=generator).tolist()
    share = first / (first + second)
    return video * share + video.flip(0) * (1 - share), targets * share + targets.flip(0) * (1 - share)
