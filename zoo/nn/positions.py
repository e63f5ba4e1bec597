"""Sinusoidal positions (Vaswani et al. 2017, section 3.5)."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def sinusoids(positions: Tensor, dim: int) -> Tensor:
    """(length, dim) of positions (length,): sines and cosines, by turns, of geometrically spaced frequencies."""
    rates = torch.exp(torch.arange(0, dim, 2, device=positions.device) * (-math.log(10_000.0) / dim))
    angles = positions[:, None] * rates
    return torch.stack((angles.sin(), angles.cos()), -1).flatten(1)[:, :dim]


def sinusoidal_positions(length: int, dim: int) -> Tensor:
    """Those of 0 to length - 1: (length, dim)."""
    return sinusoids(torch.arange(length), dim)
