"""From the network's outputs to scored intervals."""

from __future__ import annotations

import torch
from torch import Tensor

from zoo.errors import InputError
from zoo_activity.csa_action_detection.bmn import Boundaries
from zoo_activity.temporal_detection import soft_nms


def peaks(probability: Tensor) -> Tensor:
    """Boolean (T,): points above both neighbours (beyond either end lies 0), or above half the maximum."""
    padded = torch.nn.functional.pad(probability, (1, 1))
    local = (probability > padded[:-2]) & (probability > padded[2:])
    return local | (probability > 0.5 * probability.max())


def propose(
    output: Boundaries, row: int = 0, *, alpha: float = 0.4, low: float = 0.5, high: float = 0.9, keep: int = 100
) -> tuple[Tensor, Tensor]:
    """Proposals of one video of the batch, best first, after soft-NMS.

    score = p_start(t) p_end(t + d) classification regression, where start and end are peaks.

    Args:
        output: of the network.
        row: which example of the batch.
        alpha, low, high: of ``soft_nms``.
        keep: how many at most.

    Returns:
        Intervals (count, 2), from 0 to 1 as shares of the window, and scores (count,).
    """
    if not -len(output.start) <= row < len(output.start):
        raise InputError(f"row={row} of a batch of {len(output.start)}")
    start, end, (regression, classification) = output.start[row], output.end[row], output.confidence[row]
    length = len(start)
    duration, first = torch.meshgrid(torch.arange(len(regression)), torch.arange(length), indexing="ij")
    last = duration + first
    inside = last < length
    bounded = inside & peaks(start)[first] & peaks(end)[last.clamp(max=length - 1)]
    first, last, duration = first[bounded], last[bounded], duration[bounded]
    score = start[first] * end[last] * classification[duration, first] * regression[duration, first]
    intervals = torch.stack((first, last + 1), -1).to(score.dtype) / length
    return soft_nms(intervals, score, alpha=alpha, low=low, high=high, keep=keep)
