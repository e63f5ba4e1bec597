"""Untrimmed sensor series to detect actions in: routines of exercises, joined from a smartwatch's recordings.

A routine is one person's: pieces of 5 to 15 seconds of exercises in a random order, one after the other. Pendulum,
trapezius and row are the actions to find, all other exercises the background. Nothing marks where one ends.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from zoo_activity.watch import EXERCISES, HELD_OUT, recordings

ACTIONS = tuple(EXERCISES.index(name) for name in ("pendulum", "trapezius", "row"))
# Samples of a point, 0.64 s; points of a piece.
POINT, SHORTEST, LONGEST = 32, 8, 24
_BANDS = 4
# Of each of the six signals: mean, deviation, mean step, amplitudes of bands.
CHANNELS = 6 * (3 + _BANDS)


@dataclass(frozen=True)
class Routines:
    """Features (count, CHANNELS, T), and the actions (number, 2) of each routine, in points."""

    features: Tensor
    actions: list[Tensor]


def routines(count: int, length: int, *, held_out: bool, seed: int = 0) -> Routines:
    """Routines of ``length`` points of people who are held out, or of all others."""
    random = np.random.default_rng(seed)
    known = [one for one in recordings() if (one[2] in HELD_OUT) == held_out]
    people = sorted({subject for *_, subject in known})
    features, actions = [], []
    for _ in range(count):
        person = random.choice(people)
        own = [(signal, exercise) for signal, exercise, subject in known if subject == person]
        parts: list[np.ndarray] = []
        found, at, last = [], 0, -1
        while at < length:
            signal, exercise = own[random.integers(len(own))]
            points = min(int(random.integers(SHORTEST, LONGEST + 1)), len(signal) // POINT)
            if exercise == last:
                continue
            start = int(random.integers(len(signal) - points * POINT + 1))
            parts.append(signal[start : start + points * POINT])
            if exercise in ACTIONS:
                found.append((at, min(at + points, length)))
            at, last = at + points, exercise
        series = torch.from_numpy(np.concatenate(parts)[: length * POINT])
        features.append(_features(series))
        actions.append(torch.tensor(found, dtype=torch.float32).reshape(-1, 2))
    return Routines(torch.stack(features), actions)


def _features(series: Tensor) -> Tensor:
    """Samples (T POINT, 6) to features (CHANNELS, T), each standardised over the routine."""
    pieces = series.unflatten(0, (-1, POINT))
    amplitudes = torch.fft.rfft(pieces - pieces.mean(1, keepdim=True), dim=1).abs()[:, 1:]
    bands = amplitudes.unflatten(1, (_BANDS, -1)).mean(2).log1p().flatten(1)
    steps = (pieces[:, 1:] - pieces[:, :-1]).abs().mean(1)
    found = torch.cat((pieces.mean(1), pieces.std(1), steps, bands), 1)
    return ((found - found.mean(0)) / found.std(0).clamp(min=1e-6)).T
