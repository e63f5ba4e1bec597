"""The pictures of the cards: a routine of a person who is held out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

import zoo
from zoo.evidence.plots import new_figure, saved
from zoo_activity.csa_action_detection.bmn import valid_proposals
from zoo_activity.csa_action_detection.routines import POINT, Routines, routines
from zoo_activity.csa_action_detection.training import proposals
from zoo_activity.watch import RATE

_SECONDS = POINT / RATE
_COLOUR = "#d55e00"


def _routine(length: int) -> Routines:
    return routines(1, length, held_out=True, seed=5)


def _shade(axis: Any, data: Routines) -> None:
    for first, last in (_SECONDS * data.actions[0]).tolist():
        axis.axvspan(first, last, color=_COLOUR, alpha=0.2, linewidth=0)


def detections(path: Path) -> None:
    """A held-out person's routine: true actions shaded, the bundled network's best proposals as bars."""
    model = zoo.load("csa-action-detection/watch")
    data = _routine(model.config.length)
    intervals, scores = proposals(model, data.features)[0]
    best = scores > 0.25 * scores.max()
    figure = new_figure(figsize=(9.5, 5))
    above, below = figure.subplots(2, 1, sharex=True)
    times = _SECONDS * (torch.arange(model.config.length) + 0.5)
    for row, colour in zip(range(3), ("#0072b2", "#009e73", "black"), strict=True):
        above.plot(times, data.features[0, row], color=colour, label=f"mean acceleration {'xyz'[row]}", linewidth=1.2)
    _shade(above, data)
    above.set(ylabel="standard deviations", title="what the network is given (three of 42 features)")
    above.legend(loc="lower right", fontsize=8, ncols=3)
    length = model.config.length * _SECONDS
    for (first, last), score in zip(intervals[best].tolist(), scores[best].tolist(), strict=True):
        below.plot((length * first, length * last), (score, score), color="#0072b2", linewidth=4)
    _shade(below, data)
    below.set(xlabel="seconds", ylabel="score", ylim=(0, None), title="proposals; shaded: pendulum, trapezius or row")
    saved(figure, path)


def confidence(path: Path) -> None:
    """The boundary-matching map of a held-out person's routine: confidence by start and duration; stars are true."""
    model = zoo.load("csa-action-detection-bmn/watch")
    data = _routine(model.config.length)
    with torch.no_grad():
        output = model(data.features)
    figure = new_figure(figsize=(9.5, 5.4))
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(1, 2))
    times = _SECONDS * torch.arange(model.config.length)
    above.plot(times, output.start[0], color="#0072b2", label="start")
    above.plot(times + _SECONDS, output.end[0], color=_COLOUR, label="end")
    _shade(above, data)
    above.set(ylabel="probability", title="boundaries; shaded: true actions")
    above.legend(loc="upper right", fontsize=9)
    # Proposals that end behind the routine mean nothing.
    both = output.confidence[0].prod(0).masked_fill(~valid_proposals(model.config), torch.nan)
    extent = (0, model.config.length * _SECONDS, 0, model.config.max_duration * _SECONDS)
    image = below.imshow(both, origin="lower", aspect="auto", extent=extent, cmap="viridis", vmin=0)
    for first, last in (_SECONDS * data.actions[0]).tolist():
        below.plot(first + _SECONDS / 2, last - first - _SECONDS / 2, marker="*", color="white", markersize=13)
    below.set(xlabel="start, seconds", ylabel="duration, seconds", title="regression times classification")
    figure.colorbar(image, ax=below, label="confidence")
    saved(figure, path)


def weights(path: Path) -> None:
    """What the trained attention makes of a held-out person's routine: a weight for each point and each channel."""
    model = zoo.load("csa-action-detection/watch")
    data = _routine(model.config.length)
    with torch.no_grad():
        found = model.csa.weights(data.features)
    figure = new_figure(figsize=(9.5, 4.4))
    above, below = figure.subplots(2, 1)
    times = _SECONDS * (torch.arange(model.config.length) + 0.5)
    above.plot(times, found["time"][0, 0], color="#0072b2")
    _shade(above, data)
    above.set(xlabel="seconds", ylabel="weight", title="along time; shaded: true actions")
    below.bar(range(found["channel"].shape[1]), found["channel"][0, :, 0], color="#009e73")
    below.set(xlabel="channel of the features", ylabel="weight", title="along channels")
    saved(figure, path)
