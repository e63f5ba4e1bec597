"""The picture of A2N-M's card."""

from __future__ import annotations

from pathlib import Path

import torch

import zoo
from zoo.counting import flops
from zoo.evidence.plots import new_figure, saved_small

_SCALES = (2, 3, 4)


def saving(path: Path) -> None:
    """What the 1 x 1 convolution saves, counted on the networks of both entries: parameters, and multiply-adds for an
    answer of 1280 x 720 pixels.
    """
    figure = new_figure(figsize=(8, 3))
    left, right = figure.subplots(1, 2)
    for shift, entry in ((-0.2, "a2n"), (0.2, "a2n-m")):
        sizes, costs = [], []
        for scale in _SCALES:
            model = zoo.load(f"{entry}/x{scale}", weights=None, device="meta")
            sizes.append(sum(each.numel() for each in model.parameters()) / 1e6)
            image = torch.empty(1, 3, 720 // scale, 1280 // scale, device="meta")
            costs.append(flops(model, image) / 2e9)
        places = [scale + shift for scale in _SCALES]
        for axis, values in ((left, sizes), (right, costs)):
            bars = axis.bar(places, values, 0.4, label=entry)
            axis.bar_label(bars, fmt="%.3g", fontsize=8)
    for axis, label in ((left, "million parameters"), (right, "G multiply-adds")):
        axis.set_xticks(_SCALES, [f"x{scale}" for scale in _SCALES])
        axis.set_ylabel(label)
        axis.margins(y=0.15)
    left.legend(loc="lower right")
    saved_small(figure, path)
