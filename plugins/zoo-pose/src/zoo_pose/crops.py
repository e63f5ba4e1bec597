"""Crops of people: an affine map from a box to a network's input, and joints back into the picture's pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from zoo.errors import InputError
from zoo.places import to_read
from zoo_pose.sampling import sample

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Crops:
    """Affine maps from parts of crops to pixels of the picture.

    Args:
        matrix: (n, 2, 3): pixel = matrix @ (x, y, 1), with x and y from 0 to 1 over the crop.
    """

    matrix: Tensor

    def to_picture(self, points: Tensor) -> Tensor:
        """(n, ..., 2) in parts of the crops to pixels."""
        turn, shift = self._parts(points)
        return (turn @ points[..., None])[..., 0] + shift

    def to_crop(self, points: Tensor) -> Tensor:
        """(n, ..., 2) in pixels to parts of the crops."""
        turn, shift = self._parts(points)
        return (torch.linalg.inv(turn) @ (points - shift)[..., None])[..., 0]

    def _parts(self, points: Tensor) -> tuple[Tensor, Tensor]:
        matrix = self.matrix.to(points).view(len(self.matrix), *[1] * (points.ndim - 2), 2, 3)
        return matrix[..., :2], matrix[..., 2]


def crops_of(boxes: Tensor, height: int, width: int, *, padding: float = 1.25, angle: float = 0.0) -> Crops:
    """Crops around boxes, of the shape of a network's input.

    Args:
        boxes: (n, 4) x1, y1, x2, y2 in pixels.
        height, width: of the input: the box is widened to this shape.
        padding: factor on the box's sides.
        angle: by which the crop is turned about its centre, radians, clockwise as one sees it.
    """
    if boxes.ndim != 2 or boxes.shape[1] != 4 or not bool((boxes[:, 2:] > boxes[:, :2]).all()):
        raise InputError(f"boxes {list(boxes.shape)}; expected (n, 4) with x1 < x2 and y1 < y2, in pixels")
    centre, size = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
    tall = torch.maximum(size[:, 1], size[:, 0] * height / width) * padding
    sides = torch.stack((tall * width / height, tall), 1)
    c, s = math.cos(angle), math.sin(angle)
    turn = boxes.new_tensor(((c, -s), (s, c))) * sides[:, None, :]
    return Crops(torch.cat((turn, (centre - turn.sum(2) / 2)[..., None]), 2))


def cut(picture: Tensor, crops: Crops, height: int, width: int) -> Tensor:
    """Pixels of the crops, bilinear, black outside: (channels, H, W) to (n, channels, height, width)."""
    x, y = ((torch.arange(count) + 0.5) / count for count in (width, height))
    grid = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1).to(picture)
    count = len(crops.matrix)
    places = crops.to_picture(grid.expand(count, -1, -1, -1)) / picture.new_tensor((picture.shape[2], picture.shape[1]))
    return sample(picture.expand(count, -1, -1, -1), places)


def open_picture(source: Any) -> Image.Image:
    """An RGB picture, upright as its EXIF orientation says, from a path, a PIL image or an array of bytes.

    Raises:
        InputError: the source is none of these, or cannot be read.
    """
    if isinstance(source, Image.Image):
        return ImageOps.exif_transpose(source).convert("RGB")
    try:
        if isinstance(source, np.ndarray):
            return Image.fromarray(source).convert("RGB")
        with Image.open(to_read(source)) as image:
            return ImageOps.exif_transpose(image).convert("RGB")
    except (OSError, Image.DecompressionBombError, AttributeError, TypeError, ValueError) as error:
        raise InputError(f"{source!r} cannot be read as a picture: {error}") from error


def pixels(picture: Image.Image) -> Tensor:
    """(3, H, W) float32 in [0, 1] of an RGB picture."""
    return torch.from_numpy(np.array(picture, dtype=np.float32)).permute(2, 0, 1) / 255


def standardised(values: Tensor) -> Tensor:
    """(..., 3, H, W) in [0, 1] with ImageNet's mean and deviation."""
    mean, std = (torch.tensor(each).view(3, 1, 1) for each in (IMAGENET_MEAN, IMAGENET_STD))
    return (values - mean) / std


def normalised(picture: Image.Image) -> Tensor:
    """(3, H, W) float32 of an RGB picture, with ImageNet's mean and deviation."""
    return standardised(pixels(picture))


def read_boxes(boxes: Any, picture: Image.Image) -> Tensor:
    """(n, 4) float32; the whole picture where ``boxes`` is None."""
    if boxes is None:
        return torch.tensor([[0.0, 0.0, picture.width, picture.height]])
    try:
        found = torch.as_tensor(boxes, dtype=torch.float32)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"boxes are numbers x1, y1, x2, y2: {error}") from error
    return found[None] if found.ndim == 1 else found
