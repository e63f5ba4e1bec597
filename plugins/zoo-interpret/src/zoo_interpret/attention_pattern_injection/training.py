"""Training of both networks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from zoo.nn.descent import descend
from zoo_interpret.attention_pattern_injection.networks import SegmentationNetwork, SummaryNetwork

Network = SummaryNetwork | SegmentationNetwork


def noam(step: int, warmup: int = 10_000) -> float:
    """What the summary's learning rate of 2e-3 is multiplied by: min(step^-1/2, step warmup^-3/2), step from 1."""
    return min(step**-0.5, step * warmup**-1.5)


def loss_of(network: Network, batch: Mapping[str, Tensor]) -> Tensor:
    """Binary cross entropy with ``labels``, (batch, S) of sentences or (batch,) of boundaries."""
    arguments = {name: value for name, value in batch.items() if name != "labels"}
    found, labels = network(**arguments), batch["labels"]
    if isinstance(network, SegmentationNetwork):
        return functional.binary_cross_entropy_with_logits(found, labels)
    losses = functional.binary_cross_entropy(found, labels, reduction="none")
    real = arguments.get("cls_mask")
    return losses.mean() if real is None else (losses * real).sum() / real.sum().clamp(min=1)


def fit(
    network: Network,
    batches: Iterable[Mapping[str, Tensor]],
    *,
    learning_rate: float = 1e-5,
    schedule: Callable[[int], float] = lambda step: 1.0,
    log: Callable[[str], object] = lambda line: None,
) -> list[float]:
    """Train in place with AdamW (betas 0.9 and 0.999), one step a batch; the losses. In eval mode afterwards."""
    optimizer = torch.optim.AdamW(network.parameters(), lr=learning_rate, betas=(0.9, 0.999))
    rates = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: schedule(step + 1))
    return descend(network, batches, partial(loss_of, network), optimizer, rates=rates, log=log)
