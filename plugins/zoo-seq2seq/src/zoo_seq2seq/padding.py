"""Sequences of unequal lengths in one batch: real tokens to the front, so that whoever follows needs lengths only."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from zoo.errors import InputError
from zoo.nn.masks import padding_mask
from zoo.nn.tracing import readable


def padded(sequences: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Ids (batch, longest), 0 at the end, and the boolean mask of real ones."""
    longest = max((len(each) for each in sequences), default=0)
    ids = torch.tensor([[*each, *[0] * (longest - len(each))] for each in sequences], dtype=torch.long)
    lengths = torch.tensor([len(each) for each in sequences])
    return ids.view(len(sequences), longest), torch.arange(longest) < lengths[:, None]


def real_first(ids: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """Bring real tokens to the front, in their order; padding may lie anywhere.

    Args:
        ids: (batch, length, ...).
        mask: boolean (batch, length), True for real tokens, or None.

    Returns:
        The moved sequences, their mask, and the places (batch, length) that the moved tokens come from; the latter two
        None where nothing is padded.

    Raises:
        MaskError: a mask of another shape or type.
    """
    mask = padding_mask(mask, batch=ids.shape[0], keys=ids.shape[1], mechanism="an encoder of sequences")
    if mask is None:
        return ids, None, None
    order = (~mask).to(torch.uint8).argsort(dim=1, stable=True)
    index = order.reshape(*order.shape, *[1] * (ids.ndim - 2)).expand_as(ids)
    return ids.gather(1, index), mask.gather(1, order), order


def put_back(weights: Tensor, order: Tensor | None) -> Tensor:
    """Weights (batch, ..., length) over moved tokens, over the tokens as they were given."""
    if order is None:
        return weights
    places = order.reshape(order.shape[0], *[1] * (weights.ndim - 2), -1).expand_as(weights)
    return torch.zeros_like(weights).scatter(-1, places, weights)


def lengths_of(states: Tensor, mask: Tensor | None) -> Tensor:
    """Lengths (batch,) of sequences (batch, length, ...) whose real tokens come first."""
    if mask is None:
        return torch.full(states.shape[:1], states.shape[1], device=states.device)
    return mask.sum(1)


def flipped(x: Tensor, mask: Tensor | None) -> Tensor:
    """Every sequence (batch, length, ...) back to front within its own length; padding stays behind."""
    if mask is None:
        return x.flip(1)
    places = torch.arange(x.shape[1], device=x.device)
    index = torch.where(mask, mask.sum(1, keepdim=True) - 1 - places, places)
    return x.gather(1, index.reshape(*index.shape, *[1] * (x.ndim - 2)).expand_as(x))


def require_ids(ids: Tensor, vocab_size: int, name: str) -> None:
    """Raise InputError where ids are not (batch, length) whole numbers below ``vocab_size``."""
    if ids.ndim != 2 or ids.is_floating_point() or ids.dtype == torch.bool:
        raise InputError(f"{name} of shape {tuple(ids.shape)} and type {ids.dtype}; expected whole (batch, length)")
    if not readable(ids) or not ids.numel():
        return
    if int(ids.min()) < 0 or int(ids.max()) >= vocab_size:
        raise InputError(f"{name} holds {int(ids.min())} to {int(ids.max())}; the vocabulary has 0 to {vocab_size - 1}")
