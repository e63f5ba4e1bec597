"""The pictures on the cards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import zoo
from zoo.evidence.plots import saved_small
from zoo_vision import panels
from zoo_vision.ninformer.block import MixerGatingUnit


def _seen_by_units(model: nn.Module, digits: Tensor) -> list[tuple[Tensor, Tensor]]:
    """(W x + b, M(x)) of every gating unit, each (batch, tokens, dim)."""
    found: list[tuple[Tensor, Tensor]] = []

    def keep(unit: Any, args: tuple[Tensor]) -> None:
        found.append((unit.proj(args[0]), unit.Mixer(args[0])))

    units = [part for part in model.modules() if isinstance(part, MixerGatingUnit)]
    handles = [unit.register_forward_pre_hook(keep) for unit in units]
    with torch.no_grad():
        model(digits)
    for handle in handles:
        handle.remove()
    return found


def gates(path: Path) -> None:
    """Held-out handwritten digits, what the bundled network calls them, and how strongly the generated gate of its
    first and of its last block speaks at each of the 64 patches (mean of its absolute values).
    """
    model = zoo.load("ninformer/digits")
    figure, axes, digits = panels.digits_and_answers(model, ("digit", "first block", "last block"))
    units = _seen_by_units(model, digits)
    strengths = [units[block][1].abs().mean(2).unflatten(1, (8, 8)) for block in (0, -1)]
    for row, maps in enumerate(strengths, 1):
        drawn: Any = None
        for column, each in enumerate(maps):
            drawn = panels.show(axes[row, column], each, low=float(maps.min()), high=float(maps.max()))
        figure.colorbar(drawn, ax=axes[row, :], label="gate")
    saved_small(figure, path)


def block(path: Path) -> None:
    """Inside the first block of the bundled network for two held-out handwritten digits: the linear part, the gate that
    the Mixer generates from the same tokens, and their product; patches downwards, features to the right.
    """
    model = zoo.load("ninformer/digits")
    digits, _ = panels.one_digit_each()
    linear, gate = _seen_by_units(model, digits[[0, 7]])[0]
    figure, axes = panels.grid(2, 4, 1.9, 1.5)
    for row, digit in enumerate((0, 7)):
        panels.show(axes[row, 0], digits[digit].mean(0), "digit" if row == 0 else "", colours="gray")
        parts = (("W x + b", linear), ("gate M(x)", gate), ("product", linear * gate))
        for axis, (title, values) in zip(axes[row, 1:], parts, strict=True):
            far = float(values.abs().quantile(0.99))
            shown = panels.show(axis, values[row], title if row == 0 else "", colours="RdBu", low=-far, high=far)
            axis.set_aspect("auto")
            figure.colorbar(shown, ax=axis)
            axis.set_ylabel("64 patches", fontsize=8)
            axis.set_xlabel("64 features" if row else "", fontsize=9)
    saved_small(figure, path)
