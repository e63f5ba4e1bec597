"""Group consensus aggregation."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from zoo.errors import InputError
from zoo_vision.mccl.config import ConsensusConfig


@dataclass(frozen=True)
class Consensus:
    """What a group agrees on.

    Args:
        maps: (batch, n, C, h, w) the input times the consensus.
        vector: (batch, C) the consensus p.
        weights: (batch, n, h, w) how much each position of an image counts; the sum over an image is 1.
        attended: (batch, n, C, h, w) the weighted and projected features Z, whose mean is p.
    """

    maps: Tensor
    vector: Tensor
    weights: Tensor
    attended: Tensor


class GroupConsensus(nn.Module):
    """Groups of maps (batch, n, C, h, w) to the same shape, each times its group's consensus."""

    def __init__(self, config: ConsensusConfig) -> None:
        super().__init__()
        self.config = config
        self.query_transform = nn.Conv2d(config.dim, config.dim, 1)
        self.key_transform = nn.Conv2d(config.dim, config.dim, 1)
        self.conv6 = nn.Conv2d(config.dim, config.dim, 1)
        for layer in (self.query_transform, self.key_transform, self.conv6):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def aggregate(self, x: Tensor) -> Consensus:
        """All that is computed for groups (batch, n, C, h, w), n at least 1; cost grows as (n h w)^2.

        The largest answer of a query to an image includes its own image and position.
        """
        if x.ndim != 5 or x.shape[2] != self.config.dim or 0 in x.shape[1:]:
            raise InputError(f"maps {list(x.shape)}; expected groups (batch, images, {self.config.dim}, height, width)")
        count, height, width = x.shape[1], *x.shape[3:]
        images = x.flatten(0, 1)
        query, key = (
            layer(images).flatten(2).mT.unflatten(0, (-1, count)).flatten(1, 2)
            for layer in (self.query_transform, self.key_transform)
        )
        answers = (query @ key.mT).unflatten(2, (count, height * width))
        scores = answers.amax(3).mean(2) * self.config.dim**-0.5
        weights = scores.unflatten(1, (count, height * width)).softmax(-1).unflatten(2, (height, width))
        weighted = x * weights[:, :, None].to(x.dtype)
        attended = self.conv6(weighted.flatten(0, 1)).unflatten(0, (-1, count))
        vector = attended.mean((1, 3, 4))
        return Consensus(x * vector[:, None, :, None, None], vector, weights, attended)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, n, C, h, w) to the same shape."""
        return self.aggregate(x).maps


def example(config: ConsensusConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random groups of three maps of 2 x 3."""
    generator = torch.Generator().manual_seed(seed)
    return {"x": torch.randn(batch_size, 3, config.dim, 2, 3, generator=generator)}


def paper_input(config: ConsensusConfig) -> dict[str, Tensor]:
    """The deepest map of one 256 x 256 image: a group of one."""
    return {"x": torch.empty(1, 1, config.dim, 8, 8)}
