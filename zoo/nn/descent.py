"""The course of a small training: batch after batch, one step of an optimizer for each.

What a recipe says itself is which batches, which loss, which optimizer, and how its rates run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import torch
from torch import Tensor, nn, optim
from torch.optim.lr_scheduler import LRScheduler, OneCycleLR

Batch = TypeVar("Batch")


def descend(
    model: nn.Module,
    batches: Iterable[Batch],
    loss_of: Callable[[Batch], Tensor],
    optimizer: optim.Optimizer,
    *,
    rates: LRScheduler | None = None,
    clip: float | None = None,
    log: Callable[[str], object] = lambda line: None,
    log_every: int = 100,
) -> list[float]:
    """Train a network in place; it is in train mode meanwhile and in eval mode afterwards.

    Args:
        model: the network.
        batches: what is learned from, one item a step; drawn as they are needed.
        loss_of: from an item to its loss, a scalar.
        optimizer: of the parameters that learn.
        rates: steps after every step of the optimizer; without it rates stay.
        clip: largest norm of the gradients of all parameters, not cut by default.
        log: takes lines of progress, one in ``log_every`` steps, with the mean loss of those.

    Returns:
        The loss of every step.
    """
    losses: list[float] = []
    model.train()
    for step, batch in enumerate(batches, start=1):
        loss = loss_of(batch)
        optimizer.zero_grad()
        loss.backward()
        if clip is not None:
            nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
        if rates is not None:
            rates.step()
        losses.append(float(loss.detach()))
        if step % log_every == 0:
            log(f"step {step}: loss {sum(losses[-log_every:]) / log_every:.4g}")
    model.eval()
    return losses


def shuffled(
    count: int, batch_size: int, epochs: int, generator: torch.Generator, *, drop_last: bool = False
) -> Iterator[Tensor]:
    """Batches of row numbers (batch_size,) int64, all rows once an epoch, each epoch in an order drawn as it begins.

    Args:
        count: of rows.
        batch_size: of all batches but an epoch's last, which may be smaller.
        epochs: how often every row comes.
        generator: of the orders.
        drop_last: leave a smaller last batch out.
    """
    for _ in range(epochs):
        batches = torch.randperm(count, generator=generator).split(batch_size)
        yield from batches[: count // batch_size] if drop_last else batches


def one_cycle(optimizer: optim.Optimizer, steps: int, *, rise: float = 0.1, cycle_momentum: bool = True) -> OneCycleLR:
    """Rates that rise from a 25th to the optimizer's and fall to almost nothing, each group's to its own.

    Args:
        optimizer: at its highest rates.
        steps: over how many the rates run.
        rise: share of the steps in which they rise.
        cycle_momentum: whether momentum (Adam's first beta) runs from 0.95 to 0.85 and back; else it stays.
    """
    highest = [float(group["lr"]) for group in optimizer.param_groups]
    return OneCycleLR(optimizer, highest, total_steps=steps, pct_start=rise, cycle_momentum=cycle_momentum)
