"""Segments of a spectrogram, and masks that hide some of them."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from zoo.targets import require
from zoo_seq2seq.s2t_cross_attention.config import SpesConfig


def segments(spectrogram: Tensor, count: int, config: SpesConfig) -> Tensor:
    """Number of the segment of each cell, (frames, bins) int, from 0.

    Args:
        spectrogram: (frames, bins).
        count: how many segments, about.
        config: super-pixels or rectangles.

    Raises:
        MissingDependency: super-pixels without scikit-image.
    """
    frames, bins = spectrogram.shape
    if config.segmentation == "grid":
        side = max(math.sqrt(frames * bins / count), 1.0)
        across = math.ceil(bins / side)
        row = (torch.arange(frames) / side).long()
        column = (torch.arange(bins) / side).long()
        return row[:, None] * across + column
    segmentation = require("skimage.segmentation", needed_by="super-pixels (segmentation=grid needs nothing)")
    low, high = spectrogram.min(), spectrogram.max()
    image = ((spectrogram - low) / (high - low).clamp(min=1e-12)).double().numpy()
    found = segmentation.slic(
        image, n_segments=count, compactness=config.compactness, sigma=config.sigma, channel_axis=None, start_label=0
    )
    return torch.from_numpy(found).long()


def spectrogram_masks(spectrogram: Tensor, config: SpesConfig, generator: torch.Generator) -> Tensor:
    """Masks (num_masks, frames, bins), 0 on hidden segments; the granularities have equal parts, as far as they can."""
    levels = len(config.num_segments)
    found = []
    for level, count in enumerate(config.num_segments):
        masks = config.num_masks * (level + 1) // levels - config.num_masks * level // levels
        wanted = max(round(count * min(len(spectrogram), 750) / 500), 1) if config.dynamic else count
        labels = segments(spectrogram, wanted, config)
        kept = torch.rand(masks, int(labels.max()) + 1, generator=generator) >= config.probability
        found.append(kept[:, labels].float())
    return torch.cat(found)


def frame_masks(frames: int, config: SpesConfig, generator: torch.Generator) -> Tensor:
    """Masks (num_state_masks, frames) of whole frames."""
    return (
        torch.rand(config.num_state_masks or config.num_masks, frames, generator=generator) >= config.probability
    ).float()


def token_masks(tokens: int, config: SpesConfig, generator: torch.Generator) -> Tensor:
    """Masks (num_masks, tokens) of earlier tokens."""
    return (torch.rand(config.num_masks, tokens, generator=generator) >= config.token_probability).float()
