"""Panels of pictures and maps, which the pictures on the cards of this plugin are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from zoo.datasets import handwritten_digits
from zoo.evidence.plots import new_figure, saved_small
from zoo_vision.images import upsample_digits

ABSENT = "#dddddd"


def grid(rows: int, columns: int, width: float = 1.6, height: float = 1.75) -> tuple[Any, Any]:
    """A figure and its axes (rows, columns), without ticks; width and height of a panel in inches."""
    figure = new_figure(figsize=(width * columns, height * rows))
    axes = figure.subplots(rows, columns, squeeze=False)
    for axis in axes.flat:
        axis.set_xticks([])
        axis.set_yticks([])
    return figure, axes


def show(
    axis: Any,
    values: Tensor,
    title: str = "",
    *,
    below: str = "",
    colours: str = "inferno",
    low: float | None = None,
    high: float | None = None,
) -> Any:
    """Draw an image (3, H, W) in [0, 1], or a map (H, W) in colours from ``low`` to ``high``, its own range by default.

    Returns:
        What ``figure.colorbar`` takes.
    """
    values = values.detach().float().cpu()
    if values.ndim == 3:
        drawn = axis.imshow(values.permute(1, 2, 0).clamp(0, 1).numpy(), interpolation="nearest")
    else:
        drawn = axis.imshow(values.numpy(), cmap=colours, vmin=low, vmax=high, interpolation="nearest")
    axis.set_title(title, fontsize=9)
    axis.set_xlabel(below, fontsize=9)
    return drawn


def one_digit_each() -> tuple[Tensor, Tensor]:
    """The first held-out digit of each class, (10, 3, 32, 32) in [-1, 1], and the classes 0 to 9."""
    _, _, held, labels = handwritten_digits()
    first = torch.stack([(labels == digit).nonzero()[0, 0] for digit in range(10)])
    return upsample_digits(held[first]), labels[first]


def digits_and_answers(model: nn.Module, rows: Sequence[str]) -> tuple[Any, Any, Tensor]:
    """A figure whose first row has one digit of each class and what a classifier calls it.

    Args:
        model: a classifier of such digits.
        rows: names, the digits' first; the rows below it are left to be drawn.

    Returns:
        The figure, its axes (rows, 10), and the digits (10, 3, 32, 32).
    """
    digits, _ = one_digit_each()
    with torch.no_grad():
        called = model(digits).argmax(1).tolist()
    figure, axes = grid(len(rows), 10, 1.0, 1.2)
    for column in range(10):
        show(axes[0, column], digits[column].mean(0), f"called {called[column]}", colours="gray")
    for row, name in enumerate(rows):
        axes[row, 0].set_ylabel(name, fontsize=9)
    return figure, axes, digits


def save_columns(rows: Mapping[str, Tensor], path: str | Path, titles: Sequence[str] = ()) -> None:
    """Write a PNG with a column for each example and a named row for each of its pictures.

    Args:
        rows: name -> images (examples, 3, H, W) or maps (examples, H, W), in [0, 1].
        path: the file.
        titles: of the columns.
    """
    figure, axes = grid(len(rows), len(next(iter(rows.values()))), 2.3, 2.35)
    for row, (name, pictures) in enumerate(rows.items()):
        axes[row, 0].set_ylabel(name, fontsize=12)
        for column, values in enumerate(pictures):
            show(axes[row, column], values, low=0.0, high=1.0)
    for axis, title in zip(axes[0], titles, strict=False):
        axis.set_title(title, fontsize=12)
    saved_small(figure, path)


def save_row(pictures: Mapping[str, Tensor], path: str | Path, notes: Mapping[str, str] | None = None) -> None:
    """Write a PNG with pictures side by side under their titles, pixels kept sharp.

    Args:
        pictures: title -> (1, 3, H, W) or (3, H, W) in [0, 1], or a map (H, W), drawn in colours from 0 to 1.
        path: the file.
        notes: title -> a figure to stand below the picture.
    """
    figure = new_figure(figsize=(2.4 * len(pictures), 2.9))
    axes = figure.subplots(1, len(pictures), squeeze=False)[0]
    for axis, (title, image) in zip(axes, pictures.items(), strict=True):
        values = image.detach().float().cpu()
        values = values[0] if values.ndim == 4 else values
        if values.ndim == 2:
            axis.imshow(values.numpy(), cmap="inferno", vmin=0, vmax=1, interpolation="nearest")
        else:
            axis.imshow(values.permute(1, 2, 0).clamp(0, 1).numpy(), interpolation="nearest")
        axis.set_title(title, fontsize=10)
        axis.set_xlabel((notes or {}).get(title, ""), fontsize=10)
        axis.set_xticks([])
        axis.set_yticks([])
    saved_small(figure, path)
