"""The pictures on the cards."""

from __future__ import annotations

from pathlib import Path

import zoo
from zoo.evidence.plots import saved_small
from zoo_vision import panels
from zoo_vision.photographs import photograph, to_tensor
from zoo_vision.restoration import resized
from zoo_vision.shiftvit.config import ShiftConfig
from zoo_vision.shiftvit.network import attention_maps
from zoo_vision.shiftvit.shift import Shift

_SIDE = 20


def shift(path: Path) -> None:
    """What the operator does to a photograph reduced to 20 x 20 pixels, one copy of it in each group of channels: four
    groups move by one pixel and lose a border to zeros, the rest stays; below, the change.
    """
    picture = to_tensor(photograph("skimage/chelsea.png"))[:, :300, 75:375]
    grey = resized(picture[None], _SIDE, _SIDE)[0].mean(0)
    moved = Shift(ShiftConfig(n_div=12))(grey.expand(1, 12, -1, -1))[0]
    figure, axes = panels.grid(2, 5)
    titles = ("1 of 12: left", "1 of 12: right", "1 of 12: up", "1 of 12: down", "8 of 12: stay")
    for column, title in enumerate(titles):
        panels.show(axes[0, column], moved[column], title, colours="gray", low=0, high=1)
        change = panels.show(axes[1, column], moved[column] - grey, colours="RdBu", low=-0.5, high=0.5)
    figure.colorbar(change, ax=axes[1, :], label="change of grey", shrink=0.8)
    axes[0, 0].set_ylabel("after", fontsize=9)
    axes[1, 0].set_ylabel("after - before", fontsize=9)
    saved_small(figure, path)


def stages(path: Path) -> None:
    """Held-out handwritten digits, what the bundled network calls them, and where its first two stages answer most
    strongly (mean square of the features, each map from its least to its most).
    """
    model = zoo.load("shiftvit/digits")
    figure, axes, digits = panels.digits_and_answers(model, ("digit", "stage 1", "stage 2"))
    for stage in range(2):
        for column, strength in enumerate(attention_maps(model, digits, stage)):
            panels.show(axes[stage + 1, column], strength, low=0, high=1)
    saved_small(figure, path)
