"""The Spurious Token Game: the risk of cancer from eight statistics, of which three are causal."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass

CAUSAL = ("Smoking", "Weight", "Exercise")
SPURIOUS = ("Yellow fingers", "Clothing size", "Hormones")
UNRELATED = ("Certain gene", "Room size")
WORDS = (*CAUSAL, *SPURIOUS, *UNRELATED)
LABELS = ("Low Risk", "Middle Risk", "High Risk")
PROMPT = "Here is the statistical data for a person. Please predict the probability of cancer. "


@dataclass(frozen=True)
class StgSample:
    """One person.

    Args:
        values: by word, in the order of ``WORDS``.
        order: index of the word that is shown at each place.
        label: one of ``LABELS``.
    """

    values: tuple[int, ...]
    order: tuple[int, ...]
    label: str

    def items(self) -> list[str]:
        """ "Word: value" in the order shown."""
        return [f"{WORDS[index]}: {self.values[index]}" for index in self.order]

    @property
    def question(self) -> str:
        """The prompt."""
        return f"{PROMPT}{', '.join(self.items())} Answer: "

    @property
    def adjacency(self) -> list[Mapping[str, list[str]]]:
        """The causes of the answer, in order of appearance."""
        return [{self.label: [item for item in self.items() if item.partition(":")[0] in CAUSAL]}]


def risk(smoking: int, weight: int, exercise: int, *, middle_band: bool = False) -> str:
    """The label. "Middle Risk" at 2.7 alone hardly ever happens; the band is what was meant."""
    value = 1.2 * smoking + 0.7 * weight - exercise
    if value > 7.2:
        return LABELS[2]
    middle = value >= 2.7 if middle_band else value == 2.7
    return LABELS[1] if middle else LABELS[0]


def draw_iid(generator: random.Random, *, middle_band: bool = False) -> StgSample:
    """A sample in which spurious words follow causal ones."""
    smoking, weight, exercise = (generator.randint(1, 10) for _ in CAUSAL)
    spurious = (int(1.5 * smoking), weight, int(0.5 * exercise))
    unrelated = [generator.randint(1, 10) for _ in UNRELATED]
    values = (smoking, weight, exercise, *spurious, *unrelated)
    return StgSample(values, _shuffled(generator), risk(smoking, weight, exercise, middle_band=middle_band))


def draw_ood(generator: random.Random, *, middle_band: bool = False) -> StgSample:
    """A sample in which all words are independent."""
    values = tuple(generator.randint(1, 10) for _ in WORDS)
    return StgSample(values, _shuffled(generator), risk(*values[:3], middle_band=middle_band))


def _shuffled(generator: random.Random) -> tuple[int, ...]:
    order = list(range(len(WORDS)))
    generator.shuffle(order)
    return tuple(order)


def draw(iid: int, ood: int, seed: int, *, middle_band: bool = False) -> tuple[list[StgSample], list[StgSample]]:
    """Samples of both distributions from one stream, as ``random.seed(seed)`` begins it."""
    generator = random.Random(seed)
    first = [draw_iid(generator, middle_band=middle_band) for _ in range(iid)]
    return first, [draw_ood(generator, middle_band=middle_band) for _ in range(ood)]
