"""Labels of what is worth attending to, and the loss that teaches it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from zoo.errors import InputError

STRIDES = (4, 8, 16, 32)


def labels_of_masks(masks: Tensor, stride: int) -> Tensor:
    """(batch, H, W) bool, any object, to (batch, H / stride, W / stride), rounded up: 1 where a cell touches one."""
    if masks.ndim != 3 or masks.dtype != torch.bool:
        raise InputError(f"masks {list(masks.shape)} of {masks.dtype}; expected booleans (batch, height, width)")
    height, width = masks.shape[1:]
    padded = functional.pad(masks[:, None].float(), (0, -width % stride, 0, -height % stride))
    return functional.max_pool2d(padded, stride)[:, 0]


def _stride(scores: Tensor, masks: Tensor) -> int:
    """The stride of a map of scores, by the sizes of both."""
    for stride in STRIDES:
        if tuple(-(-side // stride) for side in masks.shape[1:]) == tuple(scores.shape[1:]):
            return stride
    raise InputError(f"scores {list(scores.shape)} are of no stride {STRIDES} for masks {list(masks.shape)}")


def mask_of_boxes(boxes: Tensor, height: int, width: int) -> Tensor:
    """Boxes (n, 4) xyxy in pixels to their union, (height, width) bool: pixels that a box touches; n may be 0."""
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise InputError(f"boxes {list(boxes.shape)}; expected (n, 4), x1 y1 x2 y2 in pixels")
    rows = torch.arange(height, device=boxes.device)[:, None]
    columns = torch.arange(width, device=boxes.device)[None]
    left, top, right, bottom = (edge[:, None, None] for edge in boxes.unbind(1))
    inside = (columns + 1 > left) & (columns < right) & (rows + 1 > top) & (rows < bottom)
    return inside.any(0)


def selection_loss(scores: Sequence[Tensor], masks: Tensor) -> Tensor:
    """The sum over blocks of BCE(sigmoid(s), y), a scalar.

    Args:
        scores: (batch, h, w) of every block.
        masks: (batch, H, W) bool, the union of an image's objects.
    """
    losses = [
        functional.binary_cross_entropy_with_logits(each, labels_of_masks(masks, _stride(each, masks)).to(each.dtype))
        for each in scores
    ]
    return torch.stack(losses).sum() if losses else masks.new_zeros((), dtype=torch.float32)
