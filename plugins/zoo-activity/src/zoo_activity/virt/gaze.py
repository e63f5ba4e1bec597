"""The gaze: where the object is, by its colour, and the crop around it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from zoo.errors import InputError

HIGH, LOW, BLUE = (0.2, 1.01), (-0.01, 0.1), (0.2, 1.2)
# Colour -> ranges of R, G and B, both ends included.
COLOURS = {
    "red": (HIGH, LOW, LOW),
    "green": (LOW, HIGH, LOW),
    "blue": (LOW, LOW, BLUE),
    "purple": (HIGH, LOW, HIGH),
    "yellow": (HIGH, HIGH, LOW),
}
NAMES = tuple(COLOURS)
# Which words of a sentence name the first and the second object, from 1.
WORDS = (4, 12)


def colour_index(instruction: str, stage: int | None = None) -> int:
    """The place in ``NAMES`` of the colour that a step concerns.

    Args:
        instruction: one colour ("red"), or a sentence whose 4th and 12th words are colours.
        stage: with a sentence: the first colour counts in stage 0, the second later.

    Raises:
        InputError: there is no colour where one should be.
    """
    words = instruction.lower().replace(",", " ").replace(".", " ").split()
    place = 1 if len(words) == 1 else WORDS[0 if stage in (0, None) else 1]
    word = words[place - 1] if len(words) >= place else ""
    if word not in COLOURS:
        raise InputError(
            f"instruction {instruction!r}: word {place} is {word!r}; expected a colour ({', '.join(NAMES)}), alone or "
            f"as the words {WORDS[0]} and {WORDS[1]} of a sentence"
        )
    return NAMES.index(word)


def colour_boxes(image: Tensor, colour: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """Box (x1, y1, x2, y2) of the pixels of a colour; zeros where there are none.

    Args:
        image: (B, cams, 3, H, W), normalised.
        colour: (B,) int64, places in ``NAMES``.
        mean, std: what images were normalised by.

    Returns:
        (B, cams, 4) of the coordinates of the outermost pixels.
    """
    ranges = image.new_tensor(list(COLOURS.values()))[colour][:, None, ..., None, None]
    pixels = image * image.new_tensor(std)[:, None, None] + image.new_tensor(mean)[:, None, None]
    mask = ((pixels >= ranges[..., 0, :, :]) & (pixels <= ranges[..., 1, :, :])).all(2)
    columns, rows = mask.any(-2), mask.any(-1)
    first, last = zip(*(_ends(seen) for seen in (columns, rows)), strict=True)
    boxes = torch.stack((*first, *last), -1)
    return torch.where(columns.any(-1, keepdim=True), boxes, 0).to(image.dtype)


def _ends(seen: Tensor) -> tuple[Tensor, Tensor]:
    """Place of the first and of the last True of the last axis."""
    return seen.byte().argmax(-1), seen.shape[-1] - 1 - seen.flip(-1).byte().argmax(-1)


def enlarged(boxes: Tensor, scale: float, width: int, height: int) -> Tensor:
    """Boxes (..., 4) scaled about their centres and clamped to the image."""
    low, high = boxes[..., :2], boxes[..., 2:]
    centre, half = (low + high) / 2, (high - low) / 2 * scale
    limit = boxes.new_tensor([width - 1, height - 1])
    return torch.cat((torch.minimum((centre - half).clamp(min=0), limit), torch.minimum((centre + half), limit)), -1)


def roi_align(image: Tensor, boxes: Tensor, width: int, height: int) -> Tensor:
    """ROI-align with as many samples per bin as it has pixels, without the shift by half a pixel.

    Bilinear sampling and the mean of a bin work on each axis alone, so a crop is rows @ image @ columns'.

    Args:
        image: (..., 3, H, W).
        boxes: (..., 4), in pixels; pixel j has its centre at j.
        width, height: of a crop.

    Returns:
        (..., 3, height, width).
    """
    rows = _sampling(boxes[..., 1], boxes[..., 3], image.shape[-2], height)
    columns = _sampling(boxes[..., 0], boxes[..., 2], image.shape[-1], width)
    return rows[..., None, :, :] @ image @ columns[..., None, :, :].mT


def _sampling(start: Tensor, stop: Tensor, pixels: int, bins: int) -> Tensor:
    """(..., bins, pixels): how much each pixel of an axis counts in each bin."""
    size = (stop - start).clamp(min=1)[..., None, None]
    count = (size / bins).ceil()
    most = max(1, math.ceil(pixels / bins))
    sample = torch.arange(most, device=start.device, dtype=start.dtype)
    bin_ = torch.arange(bins, device=start.device, dtype=start.dtype)[:, None]
    places = start[..., None, None] + (bin_ * count + sample + 0.5) * size / (bins * count)
    places = places.clamp(0, pixels - 1)
    pixel = torch.arange(pixels, device=start.device, dtype=start.dtype)
    weights = (1 - (places[..., None] - pixel).abs()).clamp(min=0)
    return (weights * (sample < count)[..., None]).sum(-2) / count
