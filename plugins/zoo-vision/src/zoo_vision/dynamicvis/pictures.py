"""The pictures on the cards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import zoo
from zoo.counting import flops
from zoo.evidence.plots import new_figure, saved_small
from zoo_vision import panels
from zoo_vision.dynamicvis.mixer import DynamicRegionMixer
from zoo_vision.dynamicvis.network import DynamicVisClassifier


def _choices(model: DynamicVisClassifier, images: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Logits of the classes, and of every mixer that leaves tokens out what it scans: (batch, h, w) bool."""
    found: list[Tensor] = []

    def keep(mixer: Any, args: tuple[Tensor, int]) -> None:
        tokens, height = args
        chosen = torch.zeros(tokens.shape[:2], dtype=torch.bool)
        chosen.scatter_(1, mixer.select(mixer.scores(tokens)), True)
        found.append(chosen.unflatten(1, (height, -1)))

    mixers = [part for part in model.modules() if isinstance(part, DynamicRegionMixer)]
    handles = [mixer.register_forward_pre_hook(keep) for mixer in mixers if mixer.config.reduction_ratio > 1]
    with torch.no_grad():
        logits = model(images)
    for handle in handles:
        handle.remove()
    return logits, found


def chosen(path: Path) -> None:
    """Held-out handwritten digits, what the bundled network calls them, and the patches (bright) that its first two
    mixers scan; of the others they change the scale only.
    """
    digits, _ = panels.one_digit_each()
    logits, found = _choices(zoo.load("dynamicvis-classifier/digits"), digits)
    figure, axes = panels.grid(1 + len(found[:2]), 10, 1.0, 1.2)
    for column, digit in enumerate(digits):
        panels.show(axes[0, column], digit.mean(0), f"called {int(logits[column].argmax())}", colours="gray")
        for row, kept in enumerate(found[:2], 1):
            panels.show(axes[row, column], kept[column].float(), low=0, high=1)
    axes[0, 0].set_ylabel("digit", fontsize=9)
    for row in range(len(found[:2])):
        axes[row + 1, 0].set_ylabel(f"mixer {row + 1}", fontsize=9)
    saved_small(figure, path)


def scores(path: Path) -> None:
    """How the first mixer of the bundled classifier ranks the patches of held-out handwritten digits: the logits of its
    gate, and the rank that a patch has in the order of the scan (grey: not scanned).
    """
    model = zoo.load("dynamicvis-classifier/digits")
    digits, _ = panels.one_digit_each()
    shown = digits[[0, 3, 5, 7, 8]]
    mixer: Any = next(part for part in model.modules() if isinstance(part, DynamicRegionMixer))
    seen: list[Tensor] = []

    def keep(part: nn.Module, args: tuple[Tensor, int]) -> None:
        seen.append(args[0])

    handle = mixer.register_forward_pre_hook(keep)
    with torch.no_grad():
        model(shown)
        logits = mixer.scores(seen[0])
        places = mixer.select(logits)
    handle.remove()
    side = round(logits.shape[1] ** 0.5)
    order = torch.full(logits.shape, torch.nan)
    order.scatter_(1, places, torch.arange(1.0, places.shape[1] + 1).expand_as(places).contiguous())
    figure, axes = panels.grid(3, len(shown), 1.7, 1.6)
    for column, digit in enumerate(shown):
        panels.show(axes[0, column], digit.mean(0), colours="gray")
        gate = panels.show(axes[1, column], logits[column].unflatten(0, (side, side)), colours="viridis")
        rank = panels.show(axes[2, column], order[column].unflatten(0, (side, side)), colours="plasma")
        gate.set_clim(float(logits.min()), float(logits.max()))
        axes[2, column].set_facecolor(panels.ABSENT)
    figure.colorbar(gate, ax=axes[1, :], label="logit")
    figure.colorbar(rank, ax=axes[2, :], label="rank in the scan")
    for row, name in enumerate(("digit", "gate", "scanned")):
        axes[row, 0].set_ylabel(name, fontsize=9)
    saved_small(figure, path)


def growth(path: Path) -> None:
    """Counted multiply-adds of the base backbone as the image grows, beside the same network whose mixers scan every
    token: counted without weights, so this is cost alone.
    """
    figure = new_figure(figsize=(7, 3.4))
    axis = figure.subplots()
    sides = (256, 512, 1024)
    for label, ratios in (("dynamicvis/base", [8, 4, 2, 1]), ("the same, scanning all", [0, 0, 0, 0])):
        model = zoo.load("dynamicvis/base", weights=None, device="meta", config={"ratios": ratios})
        counted = [flops(model, torch.empty(1, 3, side, side, device="meta")) / 2e9 for side in sides]
        axis.plot(sides, counted, marker="o", label=label)
        for side, value in zip(sides, counted, strict=True):
            axis.annotate(f"{value:.3g}", (side, value), fontsize=8, xytext=(4, -10), textcoords="offset points")
    axis.set_xscale("log", base=2)
    axis.set_yscale("log")
    axis.yaxis.set_major_formatter("{x:g}")
    axis.set_xticks(sides, [str(side) for side in sides])
    axis.set_xlabel("pixels a side")
    axis.set_ylabel("G multiply-adds")
    axis.legend()
    saved_small(figure, path)
