"""The harder game: an air quality index from six causal measurements among eight others."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass

# Ranges and noise of the six causal factors.
FACTORS = ((30, 70, 2), (20, 60, 2), (10, 50, 1.5), (10, 30, 1), (40, 80, 3), (50, 90, 3))
WEIGHTS = (0.3, 0.25, 0.2, 0.15, -0.2, -0.3)
# (factor, weight, noise) of the five spurious features in training, and their ranges out of distribution.
SPURIOUS = ((5, 0.4, 2), (3, 0.2, 3), (0, 1.1, 1.5), (1, 0.15, 2), (4, -0.1, 1))
SPURIOUS_OOD = ((5, 9), (2, 6), (3, 7), (3, 9), (-8, -4))
CAUSES = 6
QUESTION = " Given these diverse conditions, what is the projected Air Quality Index (AQI) on a 0-100 scale?"


@dataclass(frozen=True)
class StgHSample:
    """One city.

    Args:
        values: six factors, five spurious and three irrelevant features.
        index: the answer, 0 to 100.
    """

    values: tuple[float, ...]
    index: int

    def items(self) -> list[str]:
        """ "Name: value" of all features."""
        f, s, (years, speed, libraries) = self.values[:6], self.values[6:11], self.values[11:]
        return [
            f"Industrial Emissions: {f[0]:.1f}",
            f"Vehicle Emissions: {f[1]:.1f}",
            f"Coal Dependency: {f[2]:.1f}%",
            f"Agricultural Burning: {f[3]:.1f}",
            f"Urban Green Coverage: {f[4]:.1f}%",
            f"Meteorological Dispersion: {f[5]:.1f}",
            f"Ice Cream Sales Index: {s[0]:.1f}",
            f"Allergy Complaints Level: {s[1]:.1f}",
            f"Renewable Stock Index: {s[2]:.0f}",
            f"Public Transport Subscriptions (k): {s[3]:.1f}",
            f"Water Awareness Score: {s[4]:.1f}",
            f"City Anniversary: {years:.0f}th",
            f"Average Internet Speed: {speed:.1f}Mbps",
            f"Number of Libraries: {libraries:.0f}",
        ]

    @property
    def label(self) -> str:
        """The answer as text."""
        return str(self.index)

    @property
    def question(self) -> str:
        """The prompt."""
        items = self.items()
        groups = (items[:6], items[6:11], items[11:])
        return " ".join(f"{'; '.join(group)}." for group in groups) + QUESTION

    @property
    def adjacency(self) -> list[Mapping[str, list[str]]]:
        """The causes of the answer."""
        return [{self.label: self.items()[:CAUSES]}]


def draw_one(generator: random.Random, *, ood: bool) -> StgHSample:
    """One sample; draws come in the authors' order."""
    factors = [generator.uniform(low, high) + generator.normalvariate(0, noise) for low, high, noise in FACTORS]
    if ood:
        spurious = [generator.uniform(low, high) for low, high in SPURIOUS_OOD]
    else:
        spurious = [weight * factors[cause] + generator.normalvariate(0, noise) for cause, weight, noise in SPURIOUS]
    years = generator.randint(1, 100)
    speed = generator.uniform(80, 120) + generator.normalvariate(0, 3)
    libraries = generator.randint(10, 50)
    raw = sum(weight * factor for weight, factor in zip(WEIGHTS, factors, strict=True))
    index = round(100 * (min(max(raw, -20), 30) + 20) / 50)
    return StgHSample((*factors, *spurious, years, speed, libraries), index)


def draw(iid: int, ood: int, seed: int) -> tuple[list[StgHSample], list[StgHSample]]:
    """Samples of both distributions from one stream."""
    generator = random.Random(seed)
    first = [draw_one(generator, ood=False) for _ in range(iid)]
    return first, [draw_one(generator, ood=True) for _ in range(ood)]
