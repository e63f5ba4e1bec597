"""The normalised-temperature cross entropy of two views."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from zoo.errors import InputError


def nt_xent(first: Tensor, second: Tensor, temperature: float = 0.5) -> Tensor:
    """A scalar: how hard it is for every vector to find its counterpart among all others of both sets.

    Args:
        first, second: (batch, dim), row by row counterparts; their lengths do not matter.
        temperature: of the cosines.
    """
    if first.shape != second.shape or first.ndim != 2 or not len(first):
        raise InputError(f"features {list(first.shape)} and {list(second.shape)}; expected (batch, dim) twice")
    batch = len(first)
    units = functional.normalize(torch.cat((first, second)), dim=-1)
    cosines = units @ units.mT / temperature
    cosines = cosines.masked_fill(torch.eye(2 * batch, dtype=torch.bool, device=cosines.device), -torch.inf)
    counterparts = torch.arange(2 * batch, device=cosines.device).roll(batch)
    return functional.cross_entropy(cosines, counterparts)
