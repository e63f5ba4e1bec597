"""The pictures on the cards."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

import zoo
from zoo.evidence.plots import saved_small
from zoo_vision import panels
from zoo_vision.ddst import scenes
from zoo_vision.ddst.config import COLOUR_NAMES, RELATIONS
from zoo_vision.ddst.layers import closing, lines
from zoo_vision.ddst.tower import TowerOutput
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
    saved_small(figure, path)


def answers(path: Path) -> None:
    """Fresh scenes of coloured squares, a question about each with the bundled network's answer, and the group that
    most of every token belongs to; scenes are made by a program, as the specification's task asks.
    """
    model = zoo.load("ddst-relations/tower")
    images, questions, truth = next(scenes.batches(1, 5, 98, model.config.image_size))
    seen: list[Tensor] = []

    def keep(part: nn.Module, args: object, found: TowerOutput) -> None:
        seen.append(found.groups)

    handle = model.tower.register_forward_hook(keep)
    with torch.no_grad():
        probabilities = model(images, questions).softmax(-1)[:, 1]
    handle.remove()
    side = model.config.image_size // model.config.patch_size
    groups = seen[0].argmax(-1).unflatten(1, (side, side))
    figure, axes = panels.grid(2, len(images), 1.9, 2.0)
    for column, (one, relation, other) in enumerate(questions.tolist()):
        asked = f"{COLOUR_NAMES[one]} {RELATIONS[relation]} {COLOUR_NAMES[other]}?"
        answer = f"yes {float(probabilities[column]):.2f} ({'yes' if truth[column] else 'no'} is right)"
        panels.show(axes[0, column], images[column], asked, below=answer)
        panels.show(axes[1, column], groups[column], colours="tab10", low=-0.5, high=9.5)
    axes[1, 0].set_ylabel("group of the token", fontsize=9)
    saved_small(figure, path)
