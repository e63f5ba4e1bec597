"""Point sequences: of outlines, up to their end, and as pictures.

A sequence is (T, 5): offset (dx, dy) from the point before, in units of 54.4877 pixels of a 256-pixel picture, and the
pen after the point: down, up or end. Down means that the line goes on to the next point. A sequence begins at its own
first point, whose offset is zero: it says what a thing looks like, not where it lies.
"""

from __future__ import annotations

import itertools

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from zoo.errors import InputError
from zoo.targets import require

SCALE = 54.4877
"""Pixels of one unit, the deviation of the offsets of the authors' data."""
SIDE = 256
END = (0.0, 0.0, 0.0, 0.0, 1.0)


def sequence(lines: list[np.ndarray]) -> Tensor:
    """Lines of points (n, 2), x and y in pixels of a 256-pixel picture, as one sequence (T, 5).

    Raises:
        InputError: there is no point.
    """
    points = [line for line in lines if len(line)]
    if not points:
        raise InputError("a sketch without a point; expected at least one line")
    places = np.concatenate(points)
    offsets = np.diff(places, axis=0, prepend=places[:1]) / SCALE
    pen = np.zeros((len(places), 3))
    pen[:, 0] = 1
    pen[np.cumsum([len(line) for line in points]) - 1] = (0, 1, 0)
    return torch.from_numpy(np.concatenate((offsets, pen), 1)).float()


def circle(radius: float, points: int = 12) -> Tensor:
    """The outline of a disc of so many pixels, from its top on and back to it: (points + 1, 5)."""
    angles = np.linspace(-np.pi / 2, 1.5 * np.pi, points + 1)
    return sequence([np.stack((radius * np.cos(angles), radius * np.sin(angles)), 1)])


def outline(mask: np.ndarray, tolerance: float = 3.0, most: int = 32) -> Tensor:
    """The outer line of the largest part of a mask (H, W) bool, simplified (Ramer, Douglas and Peucker): (T, 5).

    Args:
        mask: True where the thing is.
        tolerance: how far, in pixels of 256, the line may lie from the outline; doubled until ``most`` points do.
        most: points.

    Raises:
        InputError: the mask is empty.
        MissingDependency: scikit-image is not installed.
    """
    measure = require("skimage.measure", needed_by="the outlines of sketch2saliency")
    contours = measure.find_contours(np.pad(mask.astype(float), 1), 0.5)
    if not contours:
        raise InputError("an empty mask has no outline")
    longest = max(contours, key=len)[:, ::-1] - 1
    line = longest * (SIDE / np.array([mask.shape[1], mask.shape[0]]))
    found = measure.approximate_polygon(line, tolerance)
    while len(found) > most:
        tolerance *= 2
        found = measure.approximate_polygon(line, tolerance)
    return sequence([found])


def batched(sketches: list[Tensor]) -> Tensor:
    """Sequences of unequal length as (batch, longest, 5); behind each stand ends."""
    longest = max(len(sketch) for sketch in sketches)
    end = torch.tensor(END)
    return torch.stack([torch.cat((sketch, end.expand(longest - len(sketch), -1))) for sketch in sketches])


def cut(points: Tensor) -> Tensor:
    """A free run (steps, 5) up to the point after which it ends."""
    ends = (points[:, 4] > 0).nonzero()
    return points[: int(ends[0])] if len(ends) else points


def rasterised(points: Tensor, side: int) -> Image.Image:
    """A sequence (T, 5), up to its end, in the middle of a picture (side, side): black lines on white."""
    canvas = Image.new("L", (side, side), 255)
    pen = ImageDraw.Draw(canvas)
    kept = cut(points.detach().float().cpu())
    offsets = kept[:, :2].cumsum(0) * SCALE * side / SIDE
    middle = (offsets.amin(0) + offsets.amax(0)) / 2 if len(kept) else 0
    places = (offsets - middle + side / 2).tolist()
    for (start, stop), state in zip(itertools.pairwise(places), kept[:-1, 2:], strict=True):
        if state[0] > 0:
            pen.line([*start, *stop], fill=0, width=max(1, side // 128))
    return canvas
