"""A task that one view alone does not solve: eight classes, three factors of two values each.

Channel 0 holds a tone of one of two frequencies in noise; channel 1 is noise around one of two means of opposite sign,
whose amplitude spectra are alike; channel 2 holds a motif and its mirror image, in this order or the other, in noise. A
class is 4 a + 2 b + c.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor

from zoo.errors import InputError
from zoo_activity.classification import accuracy, macro_f1
from zoo_activity.mvft.config import FactorsConfig

NUM_CLASSES = 8
FACTORS = ("frequency", "mean", "order")
# Cycles per sample; means of noise of standard deviation 1; samples of a motif.
_TONES, _MEANS, _MOTIF = (0.2, 0.3), (-0.3, 0.3), 10


def draw_windows(count: int, window: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Windows (count, window, 3) and their classes (count,)."""
    bits = torch.randint(0, 2, (count, 3), generator=generator)
    noise = torch.randn(count, window, 3, generator=generator)
    phase = torch.rand(count, 1, generator=generator) * 2 * math.pi
    time = torch.arange(window)
    tone = torch.tensor(_TONES)[bits[:, 0]][:, None]
    first = noise[..., 0] + torch.sin(2 * math.pi * tone * time + phase)
    second = noise[..., 1] + torch.tensor(_MEANS)[bits[:, 1]][:, None]
    rising = torch.linspace(0.0, 2.5, _MOTIF)
    pair = torch.stack((torch.cat((rising, rising.flip(0))), torch.cat((rising.flip(0), rising))))[bits[:, 2]]
    start = torch.randint(0, window - 2 * _MOTIF + 1, (count, 1), generator=generator)
    third = 0.3 * noise[..., 2]
    third = third.scatter_add(1, start + torch.arange(2 * _MOTIF), pair)
    return torch.stack((first, second, third), -1), (bits * torch.tensor([4, 2, 1])).sum(-1)


class Case(NamedTuple):
    """One window (window, 3) and its class."""

    window: Tensor
    label: int


class Factors:
    """The benchmark: a system maps windows (batch, window, 3) to classes (batch,)."""

    def __init__(self, config: FactorsConfig) -> None:
        self.config = config

    def cases(self) -> Iterator[Case]:
        """The windows and their classes."""
        windows, labels = self._drawn()
        return iter([Case(*pair) for pair in zip(windows, labels.tolist(), strict=True)])

    def score(self, answers: Tensor) -> dict[str, float]:
        """Accuracy, macro F1 and the accuracy of each factor, as shares."""
        _, labels = self._drawn()
        if answers.shape != labels.shape:
            raise InputError(f"answers {list(answers.shape)}; expected one class for each of {len(labels)} windows")
        scores = {"accuracy": accuracy(answers, labels), "macro_f1": macro_f1(answers, labels, NUM_CLASSES)}
        for place, factor in enumerate(FACTORS):
            shift = 2 - place
            scores[factor] = accuracy(answers >> shift & 1, labels >> shift & 1)
        return scores

    def run(self, system: Callable[[Tensor], Tensor]) -> dict[str, float]:
        """Ask the system about all windows at once."""
        with torch.no_grad():
            return self.score(system(self._drawn()[0]))

    def _drawn(self) -> tuple[Tensor, Tensor]:
        generator = torch.Generator().manual_seed(self.config.seed)
        return draw_windows(self.config.num_windows, self.config.window, generator)


class MeanAlone:
    """A system that reads the mean of channel 1 and guesses 0 for the other factors."""

    def __call__(self, windows: Tensor) -> Tensor:
        """(batch, window, 3) to classes (batch,)."""
        return 2 * (windows[..., 1].mean(1) > 0).long()


def example(config: FactorsConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Any]:
    """A system that knows one factor."""
    return {"system": MeanAlone()}
