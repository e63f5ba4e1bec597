"""The pictures on the cards."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

import zoo
from zoo.evidence.plots import saved_small
from zoo_vision import panels, photographs
from zoo_vision.images import IMAGENET_MEAN, IMAGENET_STD
from zoo_vision.sketch2saliency import drawings, training

_SCENES = 6


def _scenes() -> tuple[training.Scenes, Tensor]:
    """Scenes of pictures that the bundled network never saw, and their colours in [0, 1]."""
    scenes = next(training.batches("test", 1, _SCENES, seed=4))
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
    return scenes, scenes.images * std + mean


def drawn(path: Path) -> None:
    """Six scenes of things and photographs never trained on, the outline of each thing, the next point that the bundled
    network expects after each true one, and what it draws alone: a loop, whatever it sees.
    """
    model = zoo.load("sketch2saliency-photo2sketch/scenes")
    scenes, pictures = _scenes()
    with torch.no_grad():
        expected = model(scenes.images, scenes.strokes).mixture.mode()
        alone, _ = model.draw(scenes.images)
    figure, axes = panels.grid(4, _SCENES, 1.5, 1.6)
    for column, picture in enumerate(pictures):
        true = drawings.cut(scenes.strokes[column])
        places = true[:, :2].cumsum(0)
        # Row t of the run is what follows the points before t.
        next_places = places[:-1] + expected[column, 1 : len(true), :2]
        free = drawings.cut(alone[column])[:, :2].cumsum(0)
        panels.show(axes[0, column], picture)
        for axis, line in zip(axes[1:, column], (places, next_places, free), strict=True):
            axis.plot(line[:, 0], line[:, 1], color="black", linewidth=1, marker="o", markersize=2)
            axis.set_xlim(float(places[:, 0].min()) - 0.5, float(places[:, 0].max()) + 0.5)
            axis.set_ylim(float(places[:, 1].max()) + 0.5, float(places[:, 1].min()) - 0.5)
            axis.set_aspect("equal")
    for row, name in enumerate(("scene", "outline", "expected", "alone")):
        axes[row, 0].set_ylabel(name, fontsize=9)
    saved_small(figure, path)


def looked(path: Path) -> None:
    """Six scenes of things and blurred photographs never trained on, and the mean of where the bundled network looks
    while it draws them, which is its saliency map; no mask was ever shown to it, only outlines to draw.
    """
    model = zoo.load("sketch2saliency/scenes")
    scenes, pictures = _scenes()
    with torch.no_grad():
        maps = model.saliency(scenes.images)[:, 0]
    figure, axes = panels.grid(3, _SCENES, 1.5, 1.6)
    for column, picture in enumerate(pictures):
        panels.show(axes[0, column], picture)
        panels.show(axes[1, column], maps[column])
        panels.show(axes[2, column], scenes.masks[column].float(), colours="gray", low=0.0, high=1.0)
    for row, name in enumerate(("scene", "saliency", "true mask")):
        axes[row, 0].set_ylabel(name, fontsize=9)
    saved_small(figure, path)


def sequences(path: Path) -> None:
    """What the decoder reads and writes: outlines of real cut-outs as sequences of points, each an offset from the one
    before (below, in units of 54.5 pixels of a picture of 256) and a state of the pen.
    """
    names = ("animals/birds/pink_flamingo.png", "vehicles/emergency/firetruck.png", "plants/flowers/daffodil.png")
    things = {item.name: item for item in photographs.cutouts()}
    figure, axes = panels.grid(2, len(names), 2.8, 2.1)
    for column, name in enumerate(names):
        points = drawings.outline(things[name].mask)
        places = points[:, :2].cumsum(0) * drawings.SCALE
        above, below = axes[:, column]
        above.plot(places[:, 0], places[:, 1], marker="o", markersize=3, linewidth=1)
        above.plot(places[:1, 0], places[:1, 1], marker="o", markersize=7, color="C3")
        above.invert_yaxis()
        above.set_aspect("equal")
        above.set_title(f"{Path(name).stem.replace('_', ' ')}: {len(points)} points", fontsize=9)
        steps = range(1, len(points) + 1)
        below.step(steps, points[:, 0], where="mid", label="dx")
        below.step(steps, points[:, 1], where="mid", label="dy")
        below.set_xticks(range(0, len(points) + 1, 5))
        below.set_yticks([-1, 0, 1])
        below.tick_params(labelsize=8)
        below.set_xlabel("point", fontsize=9)
    axes[1, 0].legend(fontsize=8)
    axes[1, 0].set_ylabel("offset", fontsize=9)
    saved_small(figure, path)
