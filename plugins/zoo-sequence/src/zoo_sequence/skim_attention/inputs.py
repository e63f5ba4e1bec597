"""Checks of what the models read, and the additive masks that their scores get."""

from __future__ import annotations

import torch
from torch import Tensor

from zoo.errors import InputError, MaskError
from zoo_sequence.skim_attention.config import DocumentConfig

HIDDEN = -10_000.0
_INTEGERS = (torch.int8, torch.int16, torch.int32, torch.int64, torch.uint8)


def require_known_inputs(
    config: DocumentConfig, input_ids: Tensor, bbox: Tensor | None, token_type_ids: Tensor | None = None
) -> None:
    """Raise InputError where a table would be read outside its rows.

    An accelerator that reads past a table kills the process, so values are checked wherever they can be read, which a
    compiled program cannot; the verdicts of all checks come back in one transfer, which is the one time the device is
    waited for.

    Args:
        config: the sizes of the tables.
        input_ids: (batch, length) integers.
        bbox: (batch, length, 4) integers, (x0, y0, x1, y1) with x0 <= x1 and y0 <= y1, or None where boxes are
            not read.
        token_type_ids: (batch, length) integers, or None.

    Raises:
        InputError: a wrong shape, dtype or value.
    """
    if input_ids.ndim != 2:
        raise InputError(f"input_ids has shape {tuple(input_ids.shape)}; expected (batch, length)")
    shape = tuple(input_ids.shape)
    limits = [("input_ids", input_ids, shape, config.vocab_size)]
    if token_type_ids is not None:
        limits.append(("token_type_ids", token_type_ids, shape, config.type_vocab_size))
    if bbox is not None:
        limits.append(("bbox", bbox, (*shape, 4), config.max_2d_positions))
    for name, values, expected, _ in limits:
        if tuple(values.shape) != expected:
            raise InputError(f"{name} has shape {tuple(values.shape)}; expected {expected} for input_ids {shape}")
        if values.dtype not in _INTEGERS:
            raise InputError(f"{name} has dtype {values.dtype}; expected integers{_SCALE if name == 'bbox' else ''}")
    if torch.compiler.is_compiling():
        return  # A program cannot ask what its values are.
    faults = [((values < 0) | (values >= rows)).any() for _, values, _, rows in limits]
    if bbox is not None:
        faults.append((bbox[..., 2:] < bbox[..., :2]).any())
    verdicts = torch.stack(faults).tolist()
    for (name, values, _, rows), outside in zip(limits, verdicts, strict=False):
        if outside:
            raise InputError(
                f"{name} has values from {int(values.min())} to {int(values.max())}; expected 0 to {rows - 1}"
                f"{_SCALE if name == 'bbox' else ''}"
            )
    if bbox is not None and verdicts[-1]:
        turned = (bbox[..., 2:] < bbox[..., :2]).any(-1).nonzero()[0].tolist()
        box = tuple(bbox[tuple(turned)].tolist())
        raise InputError(f"box {box} of token {tuple(turned)} ends before it begins: expected x0 <= x1 and y0 <= y1")


def needed(bbox: Tensor | None) -> Tensor:
    """The boxes of a model that cannot do without; raises InputError where there are none."""
    if bbox is None:
        raise InputError("no bbox: this model reads the boxes (x0, y0, x1, y1) of words")
    return bbox


_SCALE = ": scale boxes to the page, 0 to 1000, and round them"


def additive_mask(attention_mask: Tensor | None, batch: int, length: int, dtype: torch.dtype) -> Tensor | None:
    """(1 - m) * -10000, to be added to scores: (batch, 1, 1, length) or (batch, 1, length, length).

    Args:
        attention_mask: 1 or True for what is visible, (batch, length) for keys or (batch, length, length) for
            pairs of query and key, of any dtype; None hides nothing.
        batch, length: of the scores.
        dtype: of the scores.

    Raises:
        MaskError: a wrong shape.
    """
    if attention_mask is None:
        return None
    shape = tuple(attention_mask.shape)
    if shape == (batch, length):
        visible = attention_mask[:, None, None, :]
    elif shape == (batch, length, length):
        visible = attention_mask[:, None]
    else:
        raise MaskError(
            f"attention_mask has shape {shape}; expected ({batch}, {length}), or ({batch}, {length}, {length}) with "
            "a row for every query"
        )
    return (1 - visible.to(dtype)) * HIDDEN
