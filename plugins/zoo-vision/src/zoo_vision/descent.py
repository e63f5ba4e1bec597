"""The course of a small training: batch after batch, one step of an optimiser for each.

What a recipe says itself is which batches, which loss, which optimiser, and how the rate runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal, TypeVar

from torch import Tensor, nn, optim

Course = Literal["one-cycle", "cosine", "constant"]
Batch = TypeVar("Batch")


def descend(
    model: nn.Module,
    batches: Iterable[Batch],
    loss_of: Callable[[Batch], Tensor],
    optimiser: optim.Optimizer,
    *,
    steps: int,
    course: Course = "one-cycle",
    rise: float = 0.1,
    cycle_momentum: bool = True,
    lowest: float = 0.0,
    clip: float | None = None,
    log: Callable[[str], object] = lambda line: None,
    log_every: int = 100,
) -> None:
    """Train a network in place; it comes back in eval mode.

    Args:
        model: the network.
        batches: what is learned from, one item a step; drawn as they are needed.
        loss_of: from an item to its loss, a scalar.
        optimiser: of the parameters that learn, at the highest rate.
        steps: how many items there are; the rate runs over so many.
        course: of the rate: "one-cycle" rises from a 25th to the optimiser's rate and falls to almost nothing,
            "cosine" falls from it, "constant" stays.
        rise: share of the steps in which "one-cycle" rises.
        cycle_momentum: whether momentum (Adam's first beta) runs from 0.95 to 0.85 and back in "one-cycle"; else it
            stays as the optimiser has it.
        lowest: rate at which "cosine" ends.
        clip: largest norm of the gradients of all parameters, not cut by default.
        log: takes lines of progress, one in ``log_every`` steps.
    """
    rates: optim.lr_scheduler.LRScheduler | None = None
    if course == "one-cycle":
        highest = [float(group["lr"]) for group in optimiser.param_groups]
        rates = optim.lr_scheduler.OneCycleLR(
            optimiser, highest, total_steps=steps, pct_start=rise, cycle_momentum=cycle_momentum
        )
    elif course == "cosine":
        rates = optim.lr_scheduler.CosineAnnealingLR(optimiser, steps, lowest)
    model.train()
    for step, batch in enumerate(batches):
        loss = loss_of(batch)
        optimiser.zero_grad()
        loss.backward()
        if clip is not None:
            nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimiser.step()
        if rates is not None:
            rates.step()
        if step % log_every == 0:
            log(f"step {step} of {steps}: loss {loss.item():.4g}")
    model.eval()
