"""The pictures on the cards."""

from __future__ import annotations

from pathlib import Path

import torch

from zoo_vision import panels
from zoo_vision.ddst.layers import closing, lines
from zoo_vision.photographs import photograph, to_tensor
from zoo_vision.restoration import resized

_SIDE = 96
_DECAY = 0.8


def rules(path: Path) -> None:
    """Two of the four rules on a photograph as they start, before any training: running means along four of the eight
    directions (continuity, decay 0.8), and the gaps that a soft closing fills in a group, here the bright pixels.
    """
    picture = resized(to_tensor(photograph("skimage/coffee.png"))[None, :, :, 100:500], _SIDE, _SIDE)
    grey = picture.mean(1)
    along = lines(grey[..., None], torch.full((8, 1), _DECAY))[:, 0, ..., 0]
    members = ((grey - 0.55) * 12).sigmoid()[:, None]
    gaps = (closing(members, torch.zeros(9)) - members).relu()[0, 0]
    figure, axes = panels.grid(2, 4, 1.9, 2.0)
    panels.show(axes[0, 0], picture[0], "photograph")
    panels.show(axes[0, 1], members[0, 0], "a group", low=0.0, high=1.0)
    panels.show(axes[0, 2], closing(members, torch.zeros(9))[0, 0], "after closing", low=0.0, high=1.0)
    shown = panels.show(axes[0, 3], gaps, "gaps it fills", low=0.0)
    figure.colorbar(shown, ax=axes[0, 3])
    for axis, (name, index) in zip(
        axes[1], (("down", 0), ("down, right", 1), ("to the right", 6), ("to the left", 7)), strict=True
    ):
        panels.show(axis, along[index], name, colours="gray", low=0.0, high=1.0)
    panels.saved(figure, path)
