"""Attention with heads of a chosen rank, trainable or by construction."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.errors import InputError
from zoo.nn.attention import scores
from zoo.nn.precision import unrounded
from zoo_sequence.attention_rank.config import RankHeadsConfig


class RankHeads(nn.Module):
    """H heads of rank r: points (batch, d, N) and queries (batch, d, M) to (batch, d, M)."""

    def __init__(self, config: RankHeadsConfig) -> None:
        super().__init__()
        self.config = config
        shape = (config.num_heads, config.rank, config.dim)
        self.Q = nn.Parameter(torch.empty(shape))
        self.K = nn.Parameter(torch.empty(shape))
        self.VO = nn.Parameter(torch.empty(config.num_heads, config.dim, config.dim))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """As ``config.construction`` says."""
        heads, rank, dim = self.Q.shape
        with torch.no_grad():
            if self.config.construction == "random":
                for tensor, fan in ((self.Q, rank + dim), (self.K, rank + dim), (self.VO, heads * dim + dim)):
                    bound = math.sqrt(6 / fan)
                    nn.init.uniform_(tensor, -bound, bound)
                return
            if self.config.construction == "exact":
                frame = torch.eye(dim)[None]
            elif self.config.construction == "frames":
                frame = torch.linalg.qr(torch.randn(heads, dim, rank)).Q.transpose(1, 2)
            else:
                angles = torch.linspace(0, math.pi * (1 - 1 / heads), heads)
                frame = torch.stack((angles.cos(), angles.sin()), -1)[:, None]
            # Q alone carries the temperature.
            self.Q.copy_(frame * self.config.temperature)
            self.K.copy_(frame)
            self.VO.copy_(torch.eye(dim) / heads)

    def forward(self, points: Tensor, queries: Tensor) -> Tensor:
        """Attend from queries to points.

        Raises:
            InputError: points or queries of another dimension.
        """
        dim = self.config.dim
        if points.shape[1] != dim or queries.shape[1] != dim:
            raise InputError(
                f"points {tuple(points.shape)} and queries {tuple(queries.shape)}; expected (batch, {dim}, count)"
            )
        # Which point is nearest must not hang on the rounding of half precision.
        with unrounded(points, self.config.hard):
            query = torch.einsum("hrd,bdm->bhmr", self.Q, queries)
            key = torch.einsum("hrd,bdn->bhnr", self.K, points)
            closeness = scores(query, key) / math.sqrt(self.config.rank)
        if self.config.hard:
            weights = functional.one_hot(closeness.argmax(-1), closeness.shape[-1])
        else:
            weights = closeness.softmax(-1)
        chosen = weights.to(points.dtype) @ points[:, None].transpose(-1, -2)
        return torch.einsum("bhmd,hde->bem", chosen, self.VO)


def heads_example(config: RankHeadsConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Five random points and three queries."""
    generator = torch.Generator().manual_seed(seed)
    shape = (batch_size, config.dim)
    return {
        "points": functional.normalize(torch.randn(*shape, 5, generator=generator), dim=1),
        "queries": functional.normalize(torch.randn(*shape, 3, generator=generator), dim=1),
    }
