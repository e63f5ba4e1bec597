"""Scenes of coloured squares, and questions about them."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from zoo_vision.ddst.config import COLOURS

_PALETTE = torch.tensor([[0.9, 0.1, 0.1], [0.1, 0.8, 0.1], [0.2, 0.2, 0.9], [0.9, 0.8, 0.1]])
# The centres of what is asked about differ by that many pixels at least along the axis in question.
_APART = 2


def scene(side: int, generator: torch.Generator) -> tuple[Tensor, Tensor, int]:
    """Two to four squares of 3 to 5 pixels and of different colours, every other one with a gap, on grey noise.

    Returns:
        The image (3, side, side) in [0, 1], the question (3,) about two of them, and the answer, 1 for yes.
    """

    def draw(low: int, high: int) -> int:
        return int(torch.randint(low, high, (), generator=generator))

    while True:
        image = 0.3 + 0.1 * torch.rand(3, side, side, generator=generator)
        taken = torch.zeros(side, side, dtype=torch.bool)
        colours = torch.randperm(COLOURS, generator=generator)[: draw(2, COLOURS + 1)].tolist()
        centres: dict[int, tuple[float, float]] = {}
        for colour in colours:
            size = draw(3, 6)
            top, left = draw(0, side - size + 1), draw(0, side - size + 1)
            window = (slice(top, top + size), slice(left, left + size))
            if taken[window].any():
                continue
            shape = torch.ones(size, size, dtype=torch.bool)
            if draw(0, 2):
                shape[size // 2, size // 2 :] = False
            taken[window] = True
            image[:, window[0], window[1]] = torch.where(shape, _PALETTE[colour][:, None, None], image[:, *window])
            centres[colour] = (left + size / 2, top + size / 2)
        if len(centres) < 2:
            continue
        (one, first), (other, second) = list(centres.items())[:2]
        relation = draw(0, 4)
        difference = first[relation // 2] - second[relation // 2]
        if abs(difference) < _APART:
            continue
        return image, torch.tensor([one, relation, other]), int((difference < 0) == (relation % 2 == 0))


def batches(count: int, batch_size: int, seed: int, side: int = 16) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Images (batch, 3, side, side), questions (batch, 3) and answers (batch,)."""
    generator = torch.Generator().manual_seed(seed)
    for _ in range(count):
        images, questions, answers = zip(*[scene(side, generator) for _ in range(batch_size)], strict=True)
        yield torch.stack(images), torch.stack(questions), torch.tensor(answers)
