"""The pictures on the cards."""

from __future__ import annotations

from pathlib import Path

import torch

import zoo
from zoo.evidence.plots import saved_small
from zoo_vision import panels, photographs
from zoo_vision.select_and_pack import training
from zoo_vision.select_and_pack.packing import pack
from zoo_vision.select_and_pack.selection import labels_of_masks

_SIDE, _STRIDE, _WINDOW = 96, 8, 4
_COLOURS = "tab10"


def packing(path: Path) -> None:
    """How tokens of three scenes, here those that touch the true mask of a cut-out, fill containers of 16 that run
    through the batch: each place in the colour of its container, and the containers' slots (grey: not kept, padding).
    """
    scenes = next(photographs.single_scenes("held-out", _SIDE, 1, 3, seed=8))
    masks = torch.stack([scene.mask for scene in scenes])
    kept = labels_of_masks(masks, _STRIDE).bool()
    tokens = kept[0].numel()
    packed = pack(kept.flatten(1), _WINDOW**2)
    container = torch.where(kept.flatten(1), packed.slot // _WINDOW**2, -1).view_as(kept)
    figure, axes = panels.grid(2, 4, 1.9, 1.9)
    for column, scene in enumerate(scenes):
        panels.show(axes[0, column], scene.image, f"image {column + 1}: {int(kept[column].sum())} of {tokens}")
        shown = torch.where(container[column] >= 0, container[column].float() % 10, torch.nan)
        panels.show(axes[1, column], shown, colours=_COLOURS, low=-0.5, high=9.5)
        axes[1, column].set_facecolor(panels.ABSENT)
    slots = torch.where(packed.image >= 0, torch.arange(len(packed.image))[:, None] % 10, torch.nan)
    panels.show(axes[0, 3], slots, "slots by container", colours=_COLOURS, low=-0.5, high=9.5)
    images = torch.where(packed.image >= 0, packed.image.float(), torch.nan)
    drawn = panels.show(axes[1, 3], images, "slots by image", colours="Set2", low=-0.5, high=7.5)
    for axis in axes[:, 3]:
        axis.set_facecolor(panels.ABSENT)
        axis.set_aspect("auto")
        axis.set_yticks(range(len(packed.image)))
        axis.set_xlabel("slot", fontsize=8)
        axis.set_ylabel("container", fontsize=8)
    for index in range(3):
        axes[1, 3].plot([], [], "s", color=drawn.cmap(drawn.norm(index)), label=f"image {index + 1}")
    axes[1, 3].legend(fontsize=7, loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=3, handletextpad=0.1)
    axes[1, 0].set_ylabel("container", fontsize=9)
    saved_small(figure, path)


def selected(path: Path) -> None:
    """Ten held-out digits at random places, what the bundled network calls each, how probable it finds each token of
    stage 3 (4 x 4, a patch of 16 pixels each) worth attending to, and which it keeps.
    """
    model = zoo.load("select-and-pack/digits")
    pictures, _, labels = training.held_out()
    first = [int((labels == digit).nonzero()[0, 0]) for digit in range(10)]
    with torch.no_grad():
        found = model.features(pictures[first])
    last = max(index for index, scores in enumerate(found.scores) if scores.shape == found.scores[0].shape)
    figure, axes = panels.grid(3, 10, 1.0, 1.2)
    for column, called in enumerate(found.logits.argmax(1).tolist()):
        panels.show(axes[0, column], pictures[first[column]].mean(0), f"called {called}", colours="gray")
        panels.show(axes[1, column], found.scores[last][column].sigmoid(), low=0.0, high=1.0)
        panels.show(axes[2, column], found.kept[last][column].float(), colours="gray", low=0.0, high=1.0)
    for row, name in enumerate(("digit", "probability", "kept")):
        axes[row, 0].set_ylabel(name, fontsize=9)
    saved_small(figure, path)
