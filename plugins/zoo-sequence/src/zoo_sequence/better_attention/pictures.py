"""The picture on a card."""

from __future__ import annotations

from pathlib import Path

import torch

import zoo
from zoo.datasets import handwritten_digits
from zoo.evidence.plots import new_figure, saved


def mistakes(path: Path) -> None:
    """Held-out handwritten digits and what the bundled classifier with super attention says, the surest mistakes first:
    the written label, and its answer with its probability."""
    model = zoo.load("better-attention-classifier/digits")
    _, _, images, labels = handwritten_digits()
    with torch.no_grad():
        chances = model(images[:, None]).softmax(-1)
    sure, said = chances.max(-1)
    wrong = said != labels
    order = torch.cat([torch.where(which)[0][sure[which].argsort(descending=True)] for which in (wrong, ~wrong)])
    figure = new_figure(figsize=(8, 4.2))
    figure.suptitle(f"{int((~wrong).sum())} of {len(labels)} right; red: wrong")
    for axis, index in zip(figure.subplots(2, 8).flat, order.tolist(), strict=False):
        axis.imshow(images[index].numpy(), cmap="gray_r", vmin=0, vmax=1)
        text = f"{int(labels[index])}: says {int(said[index])}\n({float(sure[index]):.0%})"
        axis.set_title(text, fontsize=8, color="red" if wrong[index] else "black")
        axis.set_xticks([])
        axis.set_yticks([])
    saved(figure, path)
