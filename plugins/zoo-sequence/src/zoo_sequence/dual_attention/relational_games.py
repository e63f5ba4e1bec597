"""Relational games: is a statement about the objects of an image true, whatever the objects are?

Images are 36 x 36 pixels, a 3 x 3 grid of cells that hold one object each or nothing. Training objects are the 63
pentominoes (rotations and reflections count) in eight colours; held-out objects are the 216 hexominoes and striped
squares, so that only the relations carry over. Half of the images of every game are true.

=============  ==================================================================================
game           true where
=============  ==================================================================================
same           two objects anywhere are the same
between        of three objects in a line, the outer two are the same
occurs         the object of the top row is among the three of the bottom row
xoccurs        it is, and the other two of the bottom row differ from each other
match-pattern  top and bottom row follow the same pattern of equalities (AAA, AAB, ABA, ABB, ABC)
=============  ==================================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor

from zoo.errors import InputError
from zoo_sequence.dual_attention.config import GAMES, OBJECTS, RelationalGamesConfig

CELL, GRID = 12, 3
_SQUARE = 2
_COLOURS = torch.tensor(
    [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [1, 0, 1], [0, 1, 1], [1, 0.5, 0], [1, 1, 1]], dtype=torch.float32
)
# Rows of distinct objects 0, 1, 2 by equality pattern.
_PATTERNS = torch.tensor([[0, 0, 0], [0, 0, 1], [0, 1, 0], [0, 1, 1], [0, 1, 2]])
_LINES = torch.tensor([[0, 1, 2], [3, 4, 5], [6, 7, 8], [0, 3, 6], [1, 4, 7], [2, 5, 8]])


@cache
def polyominoes(squares: int) -> tuple[frozenset[tuple[int, int]], ...]:
    """All fixed polyominoes of so many squares, as sets of (row, column) from 0, in a fixed order."""
    shapes = {frozenset({(0, 0)})}
    for _ in range(squares - 1):
        shapes = {_anchored(shape | {cell}) for shape in shapes for cell in _border(shape)}
    return tuple(sorted(shapes, key=sorted))


def _border(shape: frozenset[tuple[int, int]]) -> set[tuple[int, int]]:
    around = {
        (row + down, column + right) for row, column in shape for down, right in ((0, 1), (1, 0), (0, -1), (-1, 0))
    }
    return around - shape


def _anchored(shape: frozenset[tuple[int, int]]) -> frozenset[tuple[int, int]]:
    top, left = (min(cell[axis] for cell in shape) for axis in (0, 1))
    return frozenset((row - top, column - left) for row, column in shape)


@cache
def masks(objects: str) -> Tensor:
    """(shapes, 12, 12) float: where the objects of a set have ink.

    Raises:
        InputError: there is no such set.
    """
    if objects == "stripes":
        return _stripes()
    if objects not in OBJECTS:
        raise InputError(f"no objects {objects!r}; there are: {', '.join(OBJECTS)}")
    shapes = polyominoes(5 if objects == "pentominoes" else 6)
    drawn = torch.zeros(len(shapes), CELL, CELL)
    for index, shape in enumerate(shapes):
        height, width = (1 + max(cell[axis] for cell in shape) for axis in (0, 1))
        top, left = (CELL - _SQUARE * height) // 2, (CELL - _SQUARE * width) // 2
        for row, column in shape:
            y, x = top + _SQUARE * row, left + _SQUARE * column
            drawn[index, y : y + _SQUARE, x : x + _SQUARE] = 1
    return drawn


def _stripes() -> Tensor:
    """The 30 different stripes of period 2, 3, 4 or 6 at four orientations and two phases."""
    row, column = torch.meshgrid(torch.arange(CELL), torch.arange(CELL), indexing="ij")
    directions = (row, column, row + column, row - column)
    drawn = [
        (direction + phase * (period // 2)) % period < period / 2
        for direction in directions
        for period in (2, 3, 4, 6)
        for phase in (0, 1)
    ]
    return torch.stack(drawn).float().unique(dim=0)


def _rows(generator: torch.Generator, count: int, high: int, size: int) -> Tensor:
    """(count, size) different numbers below ``high`` in each row."""
    return torch.rand(count, high, generator=generator).argsort(1)[:, :size]


def _same(truth: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    kinds = torch.stack((torch.zeros_like(truth), 1 - truth), 1)
    return _rows(generator, len(truth), GRID**2, 2), kinds


def _between(truth: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    lines = _LINES[torch.randint(len(_LINES), truth.shape, generator=generator)]
    zero = torch.zeros_like(truth)
    return lines, torch.stack((zero, zero + 1, 2 * (1 - truth)), 1)


def _top_and_bottom(truth: Tensor, bottom: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """One object (kind 0) anywhere in the top row, three in any order in the bottom row."""
    top = torch.randint(GRID, (len(truth), 1), generator=generator)
    bottom = bottom.gather(1, _rows(generator, len(truth), GRID, GRID))
    row = torch.arange(2 * GRID, 3 * GRID).expand(len(truth), -1)
    return torch.cat((top, row), 1), torch.cat((torch.zeros_like(top), bottom), 1)


def _occurs(truth: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    bottom = torch.stack((3 * (1 - truth), torch.ones_like(truth), torch.full_like(truth, 2)), 1)
    return _top_and_bottom(truth, bottom, generator)


def _xoccurs(truth: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    absent = torch.randint(2, truth.shape, generator=generator) * (1 - truth)
    twins = (1 - truth) * (1 - absent)
    bottom = torch.stack((3 * absent, torch.ones_like(truth), 2 - twins), 1)
    return _top_and_bottom(truth, bottom, generator)


def _match_pattern(truth: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    first = torch.randint(len(_PATTERNS), truth.shape, generator=generator)
    shift = torch.randint(1, len(_PATTERNS), truth.shape, generator=generator)
    second = (first + shift * (1 - truth)) % len(_PATTERNS)
    cells = torch.tensor([0, 1, 2, 6, 7, 8]).expand(len(truth), -1)
    return cells, torch.cat((_PATTERNS[first], 3 + _PATTERNS[second]), 1)


_RULES: Mapping[str, Callable[[Tensor, torch.Generator], tuple[Tensor, Tensor]]] = {
    "same": _same,
    "between": _between,
    "occurs": _occurs,
    "xoccurs": _xoccurs,
    "match-pattern": _match_pattern,
}
_KINDS = 6


def draw(game: str, count: int, generator: torch.Generator, objects: str = "pentominoes") -> tuple[Tensor, Tensor]:
    """Images (count, 3, 36, 36) in [0, 1] and whether the statement is true (count,) int64.

    Args:
        game: one of ``GAMES``.
        count: how many.
        generator: source of chance.
        objects: one of ``OBJECTS``.

    Raises:
        InputError: there is no such game, or there are no such objects.
    """
    if game not in _RULES:
        raise InputError(f"no game {game!r}; there are: {', '.join(GAMES)}")
    shapes = masks(objects)
    truth = torch.arange(count) % 2
    cells, kinds = _RULES[game](truth, generator)
    # Each kind of an image is an object of its own shape; its colour may be another's too.
    shape = _rows(generator, count, len(shapes), _KINDS).gather(1, kinds)
    colour = torch.randint(len(_COLOURS), (count, _KINDS), generator=generator).gather(1, kinds)
    grid = torch.zeros(count, GRID**2, 3, CELL, CELL)
    drawn = shapes[shape][:, :, None] * _COLOURS[colour][..., None, None]
    grid[torch.arange(count)[:, None], cells] = drawn
    images = grid.view(count, GRID, GRID, 3, CELL, CELL).permute(0, 3, 1, 4, 2, 5)
    return images.reshape(count, 3, GRID * CELL, GRID * CELL), truth


@dataclass(frozen=True, eq=False)
class GameCase:
    """One image (3, 36, 36), the set its objects are from, and whether the statement is true."""

    image: Tensor
    objects: str
    truth: bool


class RelationalGames:
    """A relational game as a benchmark of classifiers: images (n, 3, 36, 36) to logits (n, 2)."""

    def __init__(self, config: RelationalGamesConfig) -> None:
        self.config = config

    def cases(self) -> Iterator[GameCase]:
        """All images, set after set."""
        for objects in self.config.objects:
            images, truth = self._draw(objects)
            yield from (GameCase(image, objects, bool(true)) for image, true in zip(images, truth, strict=True))

    def score(self, answers: Mapping[str, Tensor]) -> dict[str, float]:
        """Accuracy by set of objects.

        Args:
            answers: for each set the judgements (count,), bool or 0 and 1, in the order of ``cases``.

        Raises:
            InputError: a set has no answers, or not one per image.
        """
        accuracy = {}
        for objects in self.config.objects:
            given = answers.get(objects)
            if given is None or tuple(given.shape) != (self.config.count,):
                raise InputError(f"expected {self.config.count} answers for {objects}")
            accuracy[objects] = float((given.long() == self._draw(objects)[1]).float().mean())
        return accuracy

    @torch.no_grad()
    def run(self, system: Callable[[Tensor], Tensor]) -> dict[str, float]:
        """Accuracy of a classifier by set of objects."""
        return self.score({objects: system(self._draw(objects)[0]).argmax(-1) for objects in self.config.objects})

    def _draw(self, objects: str) -> tuple[Tensor, Tensor]:
        generator = torch.Generator().manual_seed(self.config.seed)
        return draw(self.config.game, self.config.count, generator, objects)


def games_example(config: RelationalGamesConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Any]:
    """A system that takes every statement for true."""
    return {"system": lambda images: torch.tensor([0.0, 1.0]).expand(len(images), -1)}
