"""The picture of the attention's card."""

from __future__ import annotations

from pathlib import Path

from zoo.evidence.plots import saved_small
from zoo_vision import panels
from zoo_vision.photographs import photograph, to_tensor
from zoo_vision.rasm.attention import neighbourhood
from zoo_vision.restoration import resized

_SIDE, _KERNEL, _DILATION = 48, 11, 2


def reach(path: Path) -> None:
    """Which 121 pixels of a photograph of 48 x 48 three queries (rings) read, with a kernel of 11 at dilation 2:
    inside, at a border and in a corner a query sees as many, never fewer; a rule without weights.
    """
    picture = resized(to_tensor(photograph("skimage/coffee.png"))[None, :, :, 100:500], _SIDE, _SIDE)[0]
    near = neighbourhood(_SIDE, _KERNEL, _DILATION)
    figure, axes = panels.grid(1, 3, 3.1, 3.5)
    for axis, (title, row, column) in zip(
        axes[0], (("inside", 24, 25), ("at the left border", 24, 3), ("in a corner", 1, 46)), strict=True
    ):
        panels.show(axis, picture, title)
        across = [int(x) for _ in near[row] for x in near[column]]
        down = [int(y) for y in near[row] for _ in near[column]]
        axis.scatter(across, down, s=9, c="#00e5ff", edgecolors="black", linewidths=0.3)
        axis.scatter([column], [row], s=70, facecolors="none", edgecolors="#ffffff", linewidths=2)
        axis.set_xticks([0, 15, 30, 45])
        axis.set_yticks([0, 15, 30, 45])
        axis.set_xlabel("pixels", fontsize=9)
    saved_small(figure, path)
