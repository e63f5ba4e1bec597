"""Correlations of maps."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from zoo.errors import InputError


def pearson(one: Tensor, other: Tensor) -> Tensor:
    """Pearson correlation over the last two axes, broadcast over those before; 0 where a map is constant.

    Raises:
        InputError: maps of different sizes.
    """
    if one.shape[-2:] != other.shape[-2:]:
        raise InputError(f"maps of {tuple(one.shape[-2:])} and {tuple(other.shape[-2:])} cells; expected the same")
    a, b = one.flatten(-2).double(), other.flatten(-2).double()
    a, b = a - a.mean(-1, keepdim=True), b - b.mean(-1, keepdim=True)
    size = a.norm(dim=-1) * b.norm(dim=-1)
    return torch.where(size > 0, (a * b).sum(-1) / size.clamp(min=1e-30), 0.0).float()


def resized(maps: Tensor, length: int) -> Tensor:
    """Maps (..., frames) with another number of frames, by linear interpolation."""
    if maps.shape[-1] == length:
        return maps
    flat = maps.reshape(1, -1, maps.shape[-1])
    return functional.interpolate(flat, size=length, mode="linear", align_corners=False).view(*maps.shape[:-1], length)


def standardised(attention: Tensor) -> Tensor:
    """Each frame's attention (..., tokens, frames) in deviations over tokens: frames that all look at fall away."""
    deviation = attention.std(-2, keepdim=True)
    return torch.where(deviation > 0, (attention - attention.mean(-2, keepdim=True)) / deviation.clamp(min=1e-30), 0.0)


def correlations(attention: Tensor, saliency: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Of every head (layers, heads), of the mean over a layer's heads (layers,), and of the mean over all.

    Args:
        attention: (layers, heads, tokens, frames).
        saliency: (tokens, frames).
    """
    return (
        pearson(attention, saliency),
        pearson(attention.mean(1), saliency),
        pearson(attention.mean((0, 1)), saliency),
    )
