"""A block that perceives bottom-up and conceives top-down, and the stack of blocks."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from zoo.errors import InputError
from zoo.nn.mlp import MLP
from zoo_vision.ddst.config import DDSTConfig
from zoo_vision.ddst.layers import Closure, Continuity, Grouping, Proximity, Similarity


class TowerOutput(NamedTuple):
    """Tokens (batch, N, dim), and to which group each belongs: (batch, N, num_groups), rows sum to 1."""

    tokens: Tensor
    groups: Tensor


class Gates(nn.Module):
    """How much each of the four layers adds, per sample and channel group."""

    def __init__(self, config: DDSTConfig) -> None:
        super().__init__()
        self.width = config.dim // config.gate_groups
        self.layers = nn.ModuleList(nn.Linear(config.dim + config.question_dim, config.gate_groups) for _ in range(4))

    def forward(self, layer: int, x: Tensor, question: Tensor) -> Tensor:
        """(batch, dim, 1, 1) in (0, 1) for a layer, 0 to 3."""
        opened = self.layers[layer](torch.cat((x.mean((2, 3)), question), -1)).sigmoid()
        return opened.repeat_interleave(self.width, -1)[..., None, None]


class Block(nn.Module):
    """Tokens of a grid and a question to tokens."""

    def __init__(self, config: DDSTConfig) -> None:
        super().__init__()
        dim = config.dim
        self.norm = nn.LayerNorm(dim)
        grouping = Grouping(config)
        self.grouping = grouping
        self.layers = nn.ModuleList(
            (Proximity(config), Similarity(config, grouping), Closure(config, grouping), Continuity(config))
        )
        self.up, self.down = Gates(config), Gates(config)
        self.expect = nn.Linear(config.question_dim, dim)
        self.join = nn.Linear(2 * dim, dim)
        self.mlp_norm = nn.LayerNorm(dim)
        self.mlp = MLP(dim, int(dim * config.mlp_ratio))

    def forward(self, x: Tensor, question: Tensor, grid: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Perceive.

        Args:
            x: (batch, N, dim).
            question: (batch, question_dim).
            grid: (H, W) with H W = N.

        Returns:
            (batch, N, dim), and the memberships (batch, N, num_groups) at the end of the way down.
        """
        perceived = self.norm(x).mT.unflatten(2, grid)
        for index, layer in enumerate(self.layers):
            perceived = perceived + self.up(index, perceived, question) * layer(perceived, question)
        conceived = perceived * (1 + torch.tanh(self.expect(question))[..., None, None])
        for index, layer in reversed(list(enumerate(self.layers))):
            conceived = conceived + self.down(index, conceived, question) * layer(conceived, question)
        members, _ = self.grouping(conceived)
        x = x + self.join(torch.cat((perceived, conceived), 1).flatten(2).mT)
        return x + self.mlp(self.mlp_norm(x)), members.flatten(2).mT


class Tower(nn.Module):
    """Blocks one after the other: (batch, N, dim) to the same shape, with the groups of the last."""

    def __init__(self, config: DDSTConfig) -> None:
        super().__init__()
        self.config = config
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.num_layers))

    def forward(self, x: Tensor, question: Tensor | None = None, grid: tuple[int, int] | None = None) -> TowerOutput:
        """Group the tokens of an image.

        Args:
            x: (batch, N, dim), row by row.
            question: (batch, question_dim), or tokens (batch, L, question_dim), whose mean is taken; zeros if None.
            grid: (H, W) with H W = N; a square if None.
        """
        if x.ndim != 3 or x.shape[2] != self.config.dim:
            raise InputError(f"x {list(x.shape)}; expected (batch, tokens, {self.config.dim})")
        grid = grid_of(x.shape[1], grid)
        asked = self._asked(question, x)
        members = x.new_zeros(0)
        for block in self.blocks:
            x, members = block(x, asked, grid)
        return TowerOutput(x, members)

    def _asked(self, question: Tensor | None, x: Tensor) -> Tensor:
        width = self.config.question_dim
        if question is None:
            return x.new_zeros(x.shape[0], width)
        if question.ndim not in (2, 3) or question.shape[0] != x.shape[0] or question.shape[-1] != width:
            raise InputError(
                f"question {list(question.shape)}; expected ({x.shape[0]}, {width}) or ({x.shape[0]}, length, {width})"
            )
        return question.mean(1) if question.ndim == 3 else question


def grid_of(tokens: int, grid: tuple[int, int] | None) -> tuple[int, int]:
    """The grid given, or a square.

    Raises:
        InputError: it does not hold that many tokens.
    """
    if grid is None:
        side = math.isqrt(tokens)
        if side * side != tokens:
            raise InputError(f"{tokens} tokens are no square: give grid=(height, width)")
        return side, side
    height, width = grid
    if height * width != tokens or height < 1:
        raise InputError(f"a grid of {height} x {width} does not hold {tokens} tokens")
    return height, width


def example(config: DDSTConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random tokens of a 5 x 5 grid, and a question."""
    generator = torch.Generator().manual_seed(seed)
    return {
        "x": torch.randn(batch_size, 25, config.dim, generator=generator),
        "question": torch.randn(batch_size, config.question_dim, generator=generator),
    }
