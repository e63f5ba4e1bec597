"""The pictures on the cards."""

from __future__ import annotations

from pathlib import Path

import torch
from torch.nn import functional

from zoo.evidence.plots import saved_small
from zoo_vision import panels
from zoo_vision.context_cluster.cluster import gather_and_hand_back
from zoo_vision.context_cluster.network import with_places
from zoo_vision.photographs import photograph, to_tensor
from zoo_vision.restoration import resized

_HEIGHT, _WIDTH = 96, 128


def operator(path: Path) -> None:
    """The operator on the pixels of a photograph themselves, colours and places without any weights, in one region: the
    nearest of 4 x 4 centres for every pixel, and the colours that pixels take back from their centres.
    """
    picture = resized(to_tensor(photograph("skimage/chelsea.png"))[None], _HEIGHT, _WIDTH)
    points = with_places(picture)
    points = points - points.mean((2, 3), keepdim=True)
    values = picture.expand(1, 3, -1, -1)
    centres, colours = (functional.adaptive_avg_pool2d(each, (4, 4)).flatten(2).mT for each in (points, values))
    one, none = torch.ones(1), torch.zeros(1)
    # Only a sharp similarity would hand all of a centre back; the sum of its weights undoes the rest.
    handed, best = gather_and_hand_back(points, values, centres, colours, one, none)
    share, _ = gather_and_hand_back(points, torch.ones_like(values), centres, torch.ones_like(colours), one, none)
    figure, axes = panels.grid(1, 3, 3.1, 2.7)
    panels.show(axes[0, 0], picture[0], "96 x 128 pixels")
    panels.show(axes[0, 1], best[0], "nearest of 16 centres (a colour is a centre)", colours="tab20", low=0, high=19)
    panels.show(axes[0, 2], handed[0] / share[0], "what they take back")
    saved_small(figure, path)
