"""The picture of the attention's card."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

import zoo
from zoo.evidence.plots import saved_small
from zoo_vision import panels
from zoo_vision.yolo9tr import training
from zoo_vision.yolo9tr.attention import MapAttention


def looks(path: Path) -> None:
    """Held-out cut-outs on held-out photographs, and where the middle of the true box (ring) looks in the bundled
    network's attention over the map of stride 8 (mean over heads,
    1 would be even).
    """
    model = zoo.load("yolo9tr/scenes")
    images, truth = next(training.batches("held-out", 1, 4, seed=5))
    seen: list[Tensor] = []

    def keep(part: nn.Module, args: tuple[Tensor]) -> None:
        assert isinstance(part, MapAttention)
        query, key, _ = part.split(args[0])
        seen.append(part.weights(query, key).mean(1).unflatten(2, args[0].shape[2:]) * query.shape[2])

    attention = next(part for part in model.modules() if isinstance(part, MapAttention))
    handle = attention.register_forward_pre_hook(keep)
    with torch.no_grad():
        model(images)
    handle.remove()
    figure, axes = panels.grid(2, 4, 1.7, 1.7)
    height, width = seen[0].shape[2:]
    for column, (image, right) in enumerate(zip(images, truth, strict=True)):
        panels.show(axes[0, column], image)
        x, y = ((right.boxes[0, :2] + right.boxes[0, 2:]) / 2).tolist()
        place = int(y // 8) * width + int(x // 8)
        drawn = panels.show(axes[1, column], seen[0][column, place], low=0.0, high=2.0)
        for axis, factor, shift in ((axes[0, column], 1.0, 0.0), (axes[1, column], 1 / 8, -0.5)):
            axis.scatter([x * factor + shift], [y * factor + shift], s=60, facecolors="none", edgecolors="#00e5ff")
    figure.colorbar(drawn, ax=axes[1, :], label="attention over even")
    axes[0, 0].set_ylabel("96 x 96 pixels", fontsize=9)
    axes[1, 0].set_ylabel(f"attention, {height} x {width}", fontsize=9)
    saved_small(figure, path)
