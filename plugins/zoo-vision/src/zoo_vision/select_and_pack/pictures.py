"""The pictures on the cards."""

from __future__ import annotations

from pathlib import Path

import torch

from zoo.evidence.plots import new_figure
from zoo_vision import panels, photographs
from zoo_vision.select_and_pack import cost
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
    panels.saved(figure, path)


def costs(path: Path) -> None:
    """Multiply-adds of packed attention as the kept share of 14 x 14 tokens of 384 channels grows, for eight images and
    containers of 49, beside windows of 49 and full attention: the paper's formulas, which the claims count after.
    """
    batch, tokens, dim, window = 8, 14 * 14, 384, 7
    shares = [step / 100 for step in range(101)]
    packed = [cost.packed(batch, tokens, dim, window, round(share * batch * tokens)) / 1e9 for share in shares]
    figure = new_figure(figsize=(7, 3.4))
    axis = figure.subplots()
    axis.plot([100 * share for share in shares], packed, label="select and pack")
    lines = (("windows", cost.windows(batch, tokens, dim, window)), ("full attention", cost.full(batch, tokens, dim)))
    for index, (name, value) in enumerate(lines, 1):
        axis.axhline(value / 1e9, color=f"C{index}", linestyle="--", label=name)
    axis.plot([30], [packed[30]], "o", color="C0")
    axis.annotate(
        f"30% kept: {packed[30] / (lines[0][1] / 1e9):.3f} of windows", (32, packed[30]), fontsize=9, va="top"
    )
    axis.set_xlabel("kept tokens (%)")
    axis.set_ylabel("G multiply-adds")
    axis.set_ylim(bottom=0)
    axis.legend()
    panels.saved(figure, path)
