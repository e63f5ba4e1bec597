"""The picture of the head's card."""

from __future__ import annotations

from pathlib import Path

import torch

import zoo
from zoo.datasets import handwritten_digits
from zoo.evidence.plots import new_figure, saved_small
from zoo_vision.images import upsample_digits


def concepts(path: Path) -> None:
    """The attention of the bundled network's head over its ten concepts, averaged over the 360 held-out handwritten
    digits of each class; each concept was taught to stand for one digit.
    """
    model = zoo.load("concept-centric-transformer/digits")
    _, _, held, labels = handwritten_digits()
    with torch.no_grad(), torch.random.fork_rng():
        torch.manual_seed(0)
        attention = torch.cat([model(some).concept_attn[:, 0] for some in upsample_digits(held).split(60)])
    mean = torch.stack([attention[labels == digit].mean(0) for digit in range(10)])
    figure = new_figure(figsize=(5.2, 4.2))
    axis = figure.subplots()
    drawn = axis.imshow(mean, cmap="Blues", vmin=0, vmax=1)
    for row in range(10):
        for column in range(10):
            value = float(mean[row, column])
            if value >= 0.05:
                colour = "white" if value > 0.5 else "black"
                axis.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=7, color=colour)
    axis.set_xticks(range(10))
    axis.set_yticks(range(10))
    axis.set_xlabel("concept")
    axis.set_ylabel("digit shown")
    figure.colorbar(drawn, label="mean attention")
    saved_small(figure, path)
