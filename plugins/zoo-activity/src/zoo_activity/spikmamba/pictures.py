"""The pictures of the cards: events of real videos."""

from __future__ import annotations

from pathlib import Path

import torch

import zoo
from zoo.evidence.cost_pictures import growth_picture
from zoo.evidence.plots import new_figure, saved
from zoo_activity.spikmamba.network import paper_input
from zoo_activity.spikmamba.videos import SCENES, clips

_FRAMES = (0, 2, 4, 6)


def clip(path: Path) -> None:
    """Held-out clips of events made of three real videos (red: brighter, blue: darker), and what the network says."""
    model = zoo.load("spikmamba/video")
    held = clips(model.config, 60, held_out=True, seed=1)
    with torch.no_grad():
        chances = model(held.videos).softmax(-1)
    figure = new_figure(figsize=(10, 6.4))
    axes = figure.subplots(len(SCENES), len(_FRAMES) + 1, width_ratios=(1, 1, 1, 1, 1.3))
    for scene, row in enumerate(axes):
        index = int((held.scenes == scene).nonzero()[3])
        for frame, axis in zip(_FRAMES, row, strict=False):
            brighter, darker = held.videos[index, 0, frame], held.videos[index, 1, frame]
            axis.imshow(torch.stack((1 - darker, 1 - brighter.maximum(darker), 1 - brighter), -1))
            axis.set_xticks([])
            axis.set_yticks([])
            if scene == 0:
                axis.set_title(f"frame {frame + 1} of {model.config.num_frames}", fontsize=10)
        row[0].set_ylabel(SCENES[scene][1], fontsize=10)
        colours = ["#009e73" if other == scene else "#999999" for other in range(len(SCENES))]
        row[-1].barh([name for _, name, _ in SCENES], chances[index], color=colours)
        row[-1].set_xlim(0, 1)
        row[-1].invert_yaxis()
        row[-1].yaxis.tick_right()
        row[-1].tick_params(labelsize=9)
    axes[0, -1].set_title("probability", fontsize=10)
    saved(figure, path)


def growth(path: Path) -> None:
    """Multiply-adds of a clip by the side of its frames, counted: the map that joins two readings grows most."""
    growth_picture(
        ("spikmamba-ssm/16", "spikmamba/16"),
        path,
        sizes=(64, 128, 256, 512),
        inputs=lambda config, size: paper_input(config),
        changes=lambda size: {"image_size": size},
        axis="side of a frame, pixels",
    )
