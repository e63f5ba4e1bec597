"""The pictures on the cards."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from zoo_vision import panels, photographs
from zoo_vision.images import IMAGENET_MEAN, IMAGENET_STD
from zoo_vision.sketch2saliency import drawings, training
from zoo_vision.sketch2saliency.config import Photo2SketchConfig
from zoo_vision.sketch2saliency.losses import sketch_loss
from zoo_vision.sketch2saliency.network import Photo2Sketch

_SCENES, _STEPS = 6, 250


@cache
def _learned() -> tuple[Photo2Sketch, training.Scenes]:
    """A small network after a few steps on six scenes: seconds of training, for the pictures alone."""
    scenes = next(training.batches("train", 1, _SCENES, seed=3))
    torch.manual_seed(0)
    config = Photo2SketchConfig(
        encoder_widths=[8, 16, 16],
        encoder_depths=[1, 1, 1],
        feature_channels=16,
        latent_dim=10,
        hidden_dim=48,
        attention_dim=16,
        max_length=33,
        image_size=training.SIDE,
    )
    model = Photo2Sketch(config).train()
    training.initialise(model)
    optimiser = torch.optim.Adam(model.parameters(), 4e-3)
    for _ in range(_STEPS):
        loss = sketch_loss(model(scenes.images, scenes.strokes).mixture, scenes.strokes)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
    return model.eval(), scenes


def _pictures(scenes: training.Scenes) -> Tensor:
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
    return scenes.images * std + mean


def drawn(path: Path) -> None:
    """Six scenes, the outline to draw of each, and the next point that a small network expects after each true one,
    when it has seen these six for 250 steps; no photo2sketch is trained here, as paired sketches are not at hand.
    """
    model, scenes = _learned()
    with torch.no_grad():
        expected = model(scenes.images, scenes.strokes).mixture.mode()
    figure, axes = panels.grid(3, _SCENES, 1.5, 1.6)
    for column, picture in enumerate(_pictures(scenes)):
        true = drawings.cut(scenes.strokes[column])
        places = true[:, :2].cumsum(0)
        # Row t of the run is what follows the points before t.
        next_places = places[:-1] + expected[column, 1 : len(true), :2]
        panels.show(axes[0, column], picture)
        for axis, line in ((axes[1, column], places), (axes[2, column], next_places)):
            axis.plot(line[:, 0], line[:, 1], color="black", linewidth=1, marker="o", markersize=2)
            axis.set_xlim(float(places[:, 0].min()) - 0.5, float(places[:, 0].max()) + 0.5)
            axis.set_ylim(float(places[:, 1].max()) + 0.5, float(places[:, 1].min()) - 0.5)
            axis.set_aspect("equal")
    for row, name in enumerate(("scene", "outline", "expected")):
        axes[row, 0].set_ylabel(name, fontsize=9)
    panels.saved(figure, path)


def looked(path: Path) -> None:
    """Six scenes, and the mean of where a small network looks while it draws, which is its saliency map, when it has
    learned to draw these six for 250 steps: a thing is found here and there, the border too often; no trained network.
    """
    model, scenes = _learned()
    with torch.no_grad():
        maps = model.saliency(scenes.images)[:, 0]
    figure, axes = panels.grid(3, _SCENES, 1.5, 1.6)
    for column, picture in enumerate(_pictures(scenes)):
        panels.show(axes[0, column], picture)
        panels.show(axes[1, column], maps[column], low=0.0, high=1.0)
        panels.show(axes[2, column], scenes.masks[column].float(), colours="gray", low=0.0, high=1.0)
    for row, name in enumerate(("scene", "saliency", "true mask")):
        axes[row, 0].set_ylabel(name, fontsize=9)
    panels.saved(figure, path)


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
    panels.saved(figure, path)
