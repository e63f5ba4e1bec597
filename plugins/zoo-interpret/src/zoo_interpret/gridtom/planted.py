"""Activations and models in which a belief is known to lie in one block."""

from __future__ import annotations

import torch
from torch import Tensor


def planted_features(
    place: tuple[int, int], *, samples: int = 120, layers: int = 4, heads: int = 4, width: int = 8, seed: int = 0
) -> tuple[Tensor, Tensor, Tensor]:
    """Noise in which one block moves along a direction with the label.

    Args:
        place: layer and head of the block.
        samples, layers, heads, width: the shape.
        seed: of noise, direction and labels.

    Returns:
        Features (samples, layers, heads, width), labels (samples,) and the unit direction (width,).
    """
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(samples, layers, heads, width, generator=generator)
    labels = torch.arange(samples) % 2
    direction = torch.nn.functional.normalize(torch.randn(width, generator=generator), dim=-1)
    features[:, place[0], place[1]] += 4.0 * (labels[:, None] - 0.5) * 2 * direction
    return features, labels, direction
