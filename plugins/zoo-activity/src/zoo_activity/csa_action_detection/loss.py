"""What the network is trained to say of annotated actions, and the loss."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from zoo_activity.csa_action_detection.bmn import Boundaries, valid_proposals
from zoo_activity.csa_action_detection.config import BMNConfig
from zoo_activity.temporal_detection import interval_iou

_EPS = 1e-6


@dataclass
class Targets:
    """Of one window: start and end (T,), the share of each point within a boundary's region; overlap (D, T)."""

    start: Tensor
    end: Tensor
    overlap: Tensor


def targets(actions: Tensor, config: BMNConfig) -> Targets:
    """Targets of actions (count, 2), in points, 0 to T.

    A boundary's region is as long as a tenth of its action, one point at least. The overlap of a proposal is its
    largest intersection over union with an action; 0 without actions.
    """
    points = torch.arange(config.length, dtype=actions.dtype)
    half = ((actions[:, 1] - actions[:, 0]) / 10).clamp(min=1) / 2

    def share(boundary: Tensor) -> Tensor:
        last = torch.minimum(points + 1, (boundary + half)[:, None])
        shares = (last - torch.maximum(points, (boundary - half)[:, None])).clamp(min=0)
        return torch.cat((shares, torch.zeros(1, config.length, dtype=actions.dtype))).amax(0)

    durations = torch.arange(1, config.max_duration + 1, dtype=actions.dtype)[:, None]
    intervals = torch.stack(torch.broadcast_tensors(points, points + durations), -1).flatten(0, 1)
    overlap = torch.cat((interval_iou(intervals, actions), torch.zeros(len(intervals), 1, dtype=actions.dtype)), 1)
    return Targets(
        share(actions[:, 0]),
        share(actions[:, 1]),
        overlap.amax(1).view(config.max_duration, config.length) * valid_proposals(config),
    )


def balanced_logistic(probability: Tensor, positive: Tensor) -> Tensor:
    """-mean(a y log p + b (1 - y) log(1 - p)); a and b give positives and negatives half of the weight each."""
    y = positive.to(probability.dtype)
    share = y.mean().clamp(0.5 / y.numel(), 1 - 0.5 / y.numel())
    gain = y / share * torch.log(probability + _EPS) + (1 - y) / (1 - share) * torch.log(1 - probability + _EPS)
    return -0.5 * gain.mean()


def bmn_loss(output: Boundaries, truth: list[Targets], config: BMNConfig) -> dict[str, Tensor]:
    """The loss of a batch and its parts: ``total = start + end + classification + 10 regression``.

    start and end: balanced logistic, positive above 0.5. classification: the same, overlap above 0.9. regression: mean
    squared error in which overlaps above 0.7, of 0.3 to 0.7 and below weigh the same, as far as there are any.
    """
    start, end, overlap = (torch.stack([getattr(t, name) for t in truth]) for name in ("start", "end", "overlap"))
    valid = valid_proposals(config)
    regression, classification = (output.confidence[:, channel][:, valid] for channel in range(2))
    overlap = overlap[:, valid]
    groups = [overlap > 0.7, (overlap > 0.3) & (overlap <= 0.7), overlap <= 0.3]
    squared = (regression - overlap).square()
    means = [(squared * group).sum() / group.sum() for group in groups if bool(group.any())]
    parts = {
        "start": balanced_logistic(output.start, start > 0.5),
        "end": balanced_logistic(output.end, end > 0.5),
        "classification": balanced_logistic(classification, overlap > 0.9),
        "regression": torch.stack(means).mean(),
    }
    return {**parts, "total": parts["start"] + parts["end"] + parts["classification"] + 10 * parts["regression"]}
