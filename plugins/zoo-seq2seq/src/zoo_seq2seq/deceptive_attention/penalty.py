"""Mass on impermissible words, what it costs, and the mask that keeps two kinds of words apart."""

from __future__ import annotations

import torch
from torch import Tensor

from zoo.errors import InputError

_MOST = 1 - 1e-6


def mass(attention: Tensor, impermissible: Tensor) -> Tensor:
    """Weight on impermissible words.

    Args:
        attention: (..., length).
        impermissible: 0 and 1, broadcastable to it.
    """
    return (attention * impermissible.to(attention.dtype)).sum(-1)


def cost(of_mass: Tensor, coef: float) -> Tensor:
    """-coef log(1 - mass), of any shape; masses of 1 count as a millionth less."""
    return -coef * torch.log1p(-of_mass.clamp(max=_MOST))


def single_penalty(attention: Tensor, impermissible: Tensor, coef: float = 1.0) -> Tensor:
    """R per sentence (batch,) of weights (batch, length)."""
    return cost(mass(attention, impermissible), coef)


def heads_penalty(attention: Tensor, impermissible: Tensor, coef: float = 1.0, reduce: str = "mean") -> Tensor:
    """R, a scalar, of several heads' weights (batch, heads, length).

    Args:
        attention: the weights.
        impermissible: (batch, length).
        coef: lambda.
        reduce: mean over the batch and its heads, or max: the worst head of the batch alone.
    """
    costs = cost(mass(attention, impermissible[:, None]), coef)
    return costs.amax() if reduce == "max" else costs.mean()


def aligned_penalty(attention: Tensor, impermissible: Tensor, targets: Tensor | int, coef: float = 1.0) -> Tensor:
    """R, a scalar, of a translator.

    Args:
        attention: (batch, targets, source).
        impermissible: (batch, targets, source), 1 where a source word is aligned with a target.
        targets: number of targets that are no padding.
        coef: lambda.
    """
    return cost(mass(attention, impermissible).sum() / targets, coef)


def separating_mask(impermissible: Tensor, mask: Tensor | None = None) -> Tensor:
    """Who may attend to whom in an encoder of transformers: boolean (batch, length, length).

    Words attend to their own kind; the first token ([CLS]) to all, itself included, and nobody else to it; padding to
    padding alone.

    Args:
        impermissible: (batch, length).
        mask: boolean (batch, length), True for words.

    Raises:
        InputError: a mask of another shape.
    """
    kind = impermissible.bool()
    visible = kind[:, :, None] == kind[:, None]
    visible[:, :, 0] = False
    visible[:, 0] = True
    if mask is None:
        return visible
    if mask.shape != kind.shape:
        raise InputError(f"a mask of shape {tuple(mask.shape)} for words {tuple(kind.shape)}")
    real = mask.bool()
    return torch.where(real[:, :, None] & real[:, None], visible, ~real[:, :, None] & ~real[:, None])
