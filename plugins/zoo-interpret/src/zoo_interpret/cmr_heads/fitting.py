"""Lag curves of heads fitted by the memory model: its grid of curves, the distance, and a Gaussian to compare with."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import numpy as np
from numpy.typing import NDArray

from zoo.bridges.transformers.progress import patient
from zoo_interpret.cmr_heads.config import CmrHeadsConfig
from zoo_interpret.cmr_heads.recall import Array, crp


@dataclass(frozen=True)
class Grid:
    """Curves of the memory model.

    Args:
        parameters: (points, 3): b_enc, b_rec, g.
        curves: (points, 2 max_lag + 1).
    """

    parameters: Array
    curves: Array


@dataclass(frozen=True)
class Fit:
    """Distances of lag curves to every curve of the memory model.

    Args:
        distances: (curves, points); infinite for a curve without variance.
        scales: (curves, points), the inverse temperatures that bring the maxima together.
    """

    distances: Array
    scales: Array

    def best(self) -> NDArray[np.int64]:
        """(curves,): the nearest point."""
        found: NDArray[np.int64] = self.distances.argmin(1)
        return found


def grid_of(config: CmrHeadsConfig) -> Grid:
    """The curves of all points of the config's grid; computed once for each grid in a process."""
    return _grid(
        (config.encoding_steps, config.retrieval_steps, config.pre_experimental_steps),
        config.items,
        config.max_lag,
        config.runs,
        config.samples,
        config.starts,
        config.seed,
    )


@lru_cache(maxsize=4)
def _grid(
    steps: tuple[int, int, int], items: int, max_lag: int, runs: int, samples: int, starts: int, seed: int
) -> Grid:
    encoding = np.arange(1, steps[0] + 1) / steps[0]
    others = [np.arange(count + 1) / count for count in steps[1:]]
    parameters = np.array(list(product(encoding, *others)))
    generator = np.random.RandomState(seed)
    curves, log = [], patient()
    for b_enc, b_rec, g in parameters.tolist():
        curves.append(
            crp(items, b_enc, b_rec, g, range(starts), max_lag=max_lag, runs=runs, samples=samples, generator=generator)
        )
        log(f"{len(curves)} of {len(parameters)} points of the memory model")
    return Grid(parameters, np.array(curves))


def fit(curves: Array, model_curves: Array, lags: int) -> Fit:
    """Distances of curves to curves of the memory model.

    Args:
        curves: (curves, 2 lags + 1), attention at lags -lags to lags.
        model_curves: (points, 2 max_lag + 1), of at least as many lags.
        lags: the largest lag that is compared.
    """
    middle = model_curves.shape[1] // 2
    cut = model_curves[:, middle - lags : middle + lags + 1]
    totals = cut.sum(1, keepdims=True)
    cut = cut / np.where(totals > 0, totals, 1.0)
    model = cut - cut.min(1, keepdims=True)
    attention = curves - curves.min(1, keepdims=True)
    highest = model.max(1)
    # A flat curve of the memory model stays flat however it is scaled.
    scales = attention.max(1)[:, None] / np.where(highest > 0, highest, np.inf)[None]
    errors = np.square(scales[..., None] * model[None] - attention[:, None]).mean(-1)
    variance = attention.var(1)[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        distances = np.where(variance > 0, errors / variance, np.inf)
    return Fit(distances, scales)


def gaussian_distance(curve: Array) -> float:
    """The same distance to the best a + b exp(-(x - mu)^2 / (2 sigma^2)); infinite where none is found."""
    from scipy.optimize import curve_fit

    lags = np.arange(len(curve), dtype=np.float64) - len(curve) // 2
    if curve.var() == 0:
        return float("inf")

    def bell(x: Array, base: float, height: float, centre: float, width: float) -> Array:
        found: Array = base + height * np.exp(-np.square(x - centre) / (2 * width**2))
        return found

    start = (curve.min(), curve.max() - curve.min(), float(lags[curve.argmax()]), 1.0)
    try:
        # A bell of no width fits single points exactly, and has no covariance to estimate.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            parameters, _ = curve_fit(bell, lags, curve, start, maxfev=2000)
    except RuntimeError:
        return float("inf")
    return float(np.square(bell(lags, *parameters) - curve).mean() / curve.var())
