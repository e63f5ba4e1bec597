"""The context maintenance and retrieval model of free recall: associations, recalls, response probabilities."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from zoo.errors import InputError

Array = NDArray[np.float64]
ENDED = -1


def associations(items: int, encoding: float) -> Array:
    """M (items + 1, items + 1): what context before i is associated with item j; the last is the absorbing state."""
    distance = np.arange(items + 1)[None] - np.arange(items + 1)[:, None]
    # 0 ** 0 is 1: at the encoding rate 1 every item follows its predecessor alone.
    return np.where(distance > 0, (1.0 - encoding) ** np.maximum(distance - 1, 0), 0.0)


def simulate(
    matrix: Array, retrieval: float, pre_experimental: float, starts: NDArray[np.int64], uniforms: Array
) -> NDArray[np.int64]:
    """Recalls, all at once.

    Args:
        matrix: of ``associations``.
        retrieval: b_rec, by which context is replaced at every recall.
        pre_experimental: g, the share of contexts before the item in what its recall brings back.
        starts: (runs,), the items whose context recall begins with.
        uniforms: (runs, samples) random numbers of [0, 1), one per step.

    Returns:
        (runs, samples): recalled items; -1 once the absorbing state is reached.
    """
    runs, samples = uniforms.shape
    end = len(matrix) - 1
    context = np.zeros((runs, len(matrix)))
    context[np.arange(runs), starts] = 1.0
    found = np.full((runs, samples), ENDED, dtype=np.int64)
    going = np.arange(runs)
    for step in range(samples):
        strengths = context[going] @ matrix
        cumulated = np.cumsum(strengths / strengths.sum(1, keepdims=True), 1)
        # A sum of probabilities may end just below 1: nothing lies beyond the absorbing state.
        items = np.minimum((cumulated < uniforms[going, step][:, None]).sum(1), end)
        going, items = going[items != end], items[items != end]
        if not len(going):
            break
        found[going, step] = items
        incoming = pre_experimental * matrix[:, items].T
        incoming[np.arange(len(items)), items] += 1.0 - pre_experimental
        # The first item has no context before it: with g = 1 its recall brings nothing back.
        context[going] = (1.0 - retrieval) * context[going] + retrieval * _unit(incoming)
        context[going] = _unit(context[going])
    return found


def _unit(rows: Array) -> Array:
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(norms > 0, norms, 1.0)


def simulated_crp(recalls: NDArray[np.int64], start: int, max_lag: int) -> Array:
    """crp (2 max_lag + 1,) of simulated recalls: transitions by lag over a run's recalled items, averaged over runs.

    Zeros where no run recalled anything, or nothing within the lags.
    """
    before = np.concatenate((np.full((len(recalls), 1), start), recalls[:, :-1]), 1)
    recalled = recalls != ENDED
    counts = recalled.sum(1)
    lags = np.where(recalled, recalls - before, max_lag + 1)
    curve = np.array(
        [((lags == lag).sum(1)[counts > 0] / counts[counts > 0]).sum() for lag in range(-max_lag, max_lag + 1)]
    )
    return _normalised(curve)


def _normalised(curve: Array) -> Array:
    total = curve.sum()
    return curve / total if total > 0 else curve


def has_closed_form(retrieval: float, pre_experimental: float) -> bool:
    """Whether ``closed_crp`` knows the curve."""
    return pre_experimental == 0.0 and retrieval in (0.0, 1.0)


def closed_crp(matrix: Array, retrieval: float, start: int, max_lag: int) -> Array:
    """crp (2 max_lag + 1,) without simulation, for g = 0 and b_rec 0 or 1.

    Raises:
        InputError: another b_rec.
    """
    curve = np.zeros(2 * max_lag + 1)
    if retrieval == 0.0:
        first = matrix[start] / matrix[start].sum()
        for lag in range(max_lag + 1):
            curve[max_lag + lag] = curve[max_lag - lag] = (first[: len(first) - lag] * first[lag:]).sum()
    elif retrieval == 1.0:
        totals = matrix.sum(1)
        reached = matrix[start]
        for lag in range(1, max_lag + 1):
            reached = _normalised(reached)
            steps = np.diagonal(matrix, lag)
            here = totals[: len(steps)] > 0
            # 0/0 of the absorbing state, from which nothing goes on, is left out.
            shares = np.where(here, steps / np.where(here, totals[: len(steps)], 1.0), 0.0)
            curve[max_lag + lag] = (reached[: len(steps)] * shares).sum()
            reached = reached @ matrix
    else:
        raise InputError(f"no closed form for b_rec={retrieval}; it is known for 0 and 1, with g = 0")
    return _normalised(curve)


def crp(
    items: int,
    encoding: float,
    retrieval: float,
    pre_experimental: float,
    starts: Sequence[int],
    *,
    max_lag: int,
    runs: int,
    samples: int,
    generator: np.random.RandomState,
) -> Array:
    """Conditional response probability (2 max_lag + 1,) at lags -max_lag to max_lag, summing to 1.

    Args:
        items: of the list, without the absorbing state.
        encoding, retrieval, pre_experimental: b_enc, b_rec, g.
        starts: items that recall begins at; curves are averaged over them.
        max_lag: of the curve.
        runs, samples: simulated recalls of every start, and the longest; where there is no closed form.
        generator: of the simulation.
    """
    matrix = associations(items, encoding)
    if has_closed_form(retrieval, pre_experimental):
        return np.mean([closed_crp(matrix, retrieval, start, max_lag) for start in starts], 0)
    begun = np.repeat(np.asarray(starts), runs)
    recalls = simulate(matrix, retrieval, pre_experimental, begun, generator.random_sample((len(begun), samples)))
    curves = [simulated_crp(recalls[begun == start], start, max_lag) for start in starts]
    return _normalised(np.mean(curves, 0))
