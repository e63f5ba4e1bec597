"""Language models that learn the same text for some seconds, drawn side by side, for the cards.

The text is what every machine has, a module of Python's standard library; a step shows 16 windows of 64 characters.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

from zoo.evidence.compare.tasks import text_task
from zoo.evidence.plots import new_figure, saved
from zoo.nn.descent import descend

STEPS, BATCH, SMOOTHED = 150, 16, 10


def draw_curves(builders: Mapping[str, Callable[[int], nn.Module]], path: Path, *, title: str) -> None:
    """Draw the loss of every model while it learns the source of ``argparse``.

    Args:
        builders: label -> from the size of the alphabet to a language model of 64 characters or more: ids
            (batch, length) to logits (batch, length, alphabet).
        path: where the picture is written.
        title: of the figure.
    """
    task = text_task(Path(argparse.__file__))
    figure = new_figure(figsize=(7.5, 4.4))
    axis = figure.subplots()
    for label, build in builders.items():
        torch.manual_seed(0)
        losses = _learn(build(task.vocab_size), task.draw, task.levels[0])
        means = [sum(losses[step : step + SMOOTHED]) / SMOOTHED for step in range(0, len(losses), SMOOTHED)]
        axis.plot(range(SMOOTHED, len(losses) + 1, SMOOTHED), means, label=f"{label}: {means[-1]:.2f}")
    axis.set(xlabel="step", ylabel="bits per character", title=title)
    axis.grid(alpha=0.3)
    axis.legend(title=f"mean of {SMOOTHED} steps, the last:")
    saved(figure, path)


def _learn(model: nn.Module, draw: Callable[..., tuple[torch.Tensor, torch.Tensor]], level: int) -> list[float]:
    generator = torch.Generator().manual_seed(0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)

    def loss_of(step: int) -> torch.Tensor:
        ids, targets = draw(level, BATCH, generator, False)
        return functional.cross_entropy(model(ids).flatten(0, 1), targets.flatten())

    return [loss / math.log(2) for loss in descend(model, range(STEPS), loss_of, optimizer)]
