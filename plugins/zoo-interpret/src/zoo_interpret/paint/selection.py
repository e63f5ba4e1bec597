"""Which patches are boosted: sets from the image encoder's attention."""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from zoo.errors import InputError
from zoo.evidence.plots import new_figure, saved
from zoo_interpret.named_arrays import NamedArrays, array


@dataclass(frozen=True)
class TokenSets(NamedArrays):
    """Patches of every image, in the order in which they stand in the prompts.

    Args:
        cls_attention_first, cls_attention_penultimate: (image, patch), the class token's attention, summed over heads.
        local, summary: (image, patch) boolean.
    """

    cls_attention_first: Tensor = array("image", "patch")
    cls_attention_penultimate: Tensor = array("image", "patch")
    local: Tensor = array("image", "patch")
    summary: Tensor = array("image", "patch")

    def plot(self, path: str | Path | None = None, *, image: int = 0) -> Any:
        """Attention and sets of one image as maps, where its patches make a square; a matplotlib figure."""
        patches = self.local.shape[1]
        side = isqrt(patches)
        grid = (side, side) if side * side == patches else (1, patches)
        figure = new_figure(figsize=(12, 3))
        for axis, (name, values) in zip(figure.subplots(1, 4), self.arrays().items(), strict=True):
            picture = axis.imshow(values[image].float().view(grid).numpy(), aspect="equal" if grid[0] > 1 else "auto")
            figure.colorbar(picture, ax=axis, shrink=0.7)
            axis.set(title=name.replace("_", " "), xticks=[], yticks=[])
        return saved(figure, path)


def select(first: Tensor, penultimate: Tensor, *, local_ratio: float = 0.25, spatial_ratio: float = 0.0) -> TokenSets:
    """The sets of images.

    Args:
        first, penultimate: (images, heads, 1 + P, 1 + P), attention of the encoder's first and last but one layer, the
            class token first.
        local_ratio, spatial_ratio: see the config.

    Raises:
        InputError: maps without patches.
    """
    patches = first.shape[-1] - 1
    if patches < 1 or first.shape[-2:] != penultimate.shape[-2:]:
        raise InputError(
            f"maps of {tuple(first.shape)} and {tuple(penultimate.shape)}; expected a class token and patches"
        )
    near, whole = (maps.sum(1)[:, 0, 1:] for maps in (first, penultimate))
    local = largest(near, int(patches * local_ratio))
    if spatial_ratio:
        received = first.mean(1)[:, 1:, 1:].sum(-2)
        local |= largest(received, int(patches * spatial_ratio))
    summary = outliers(whole)
    return TokenSets(near.cpu(), whole.cpu(), (local & ~summary).cpu(), summary.cpu())


def largest(scores: Tensor, count: int) -> Tensor:
    """The ``count`` largest of every row (..., n), boolean."""
    chosen = torch.zeros_like(scores, dtype=torch.bool)
    return chosen.scatter(-1, scores.topk(count, dim=-1).indices, True)


def outliers(scores: Tensor) -> Tensor:
    """What lies above Q3 + 1.5 (Q3 - Q1) of its row (..., n), boolean; quartiles interpolate linearly."""
    # In double precision, so that scores that equal the bound are on the same side on every machine.
    low, high = torch.quantile(scores.double(), scores.new_tensor([0.25, 0.75]).double(), dim=-1, keepdim=True)
    return scores.double() > high + 1.5 * (high - low)


def boosted(scores: Tensor, gain: Tensor | float) -> Tensor:
    """s + c |s|."""
    return scores + gain * scores.abs()
