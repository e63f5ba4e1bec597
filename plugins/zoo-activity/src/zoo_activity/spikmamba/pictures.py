"""The pictures of the cards: events of real videos."""

from __future__ import annotations

from pathlib import Path

import torch

import zoo
from zoo.evidence.plots import new_figure, saved
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


def spikes(path: Path) -> None:
    """Spikes of the patches' neurons of the bundled network over a held-out clip: the share of its channels that fire."""
    model = zoo.load("spikmamba/video")
    held = clips(model.config, 6, held_out=True, seed=1)
    fired: list[torch.Tensor] = []
    hook = model.patch_embed.register_forward_hook(lambda module, inputs, output: fired.append(_tensor(output)))
    with torch.no_grad():
        model(held.videos[:1])
    hook.remove()
    side = model.config.side
    shares = fired[0].float().reshape(model.config.num_frames, side, side, -1).mean(-1)
    figure = new_figure(figsize=(10, 3.6))
    axes = figure.subplots(2, model.config.num_frames)
    for frame in range(model.config.num_frames):
        axes[0, frame].imshow(held.videos[0, 2, frame], cmap="Greys")
        image = axes[1, frame].imshow(shares[frame], cmap="viridis", vmin=0, vmax=float(shares.max()))
        axes[0, frame].set_title(f"frame {frame + 1}", fontsize=9)
        for axis in axes[:, frame]:
            axis.set_xticks([])
            axis.set_yticks([])
    axes[0, 0].set_ylabel("events")
    axes[1, 0].set_ylabel("spikes")
    figure.colorbar(image, ax=axes[1], label="share of channels", shrink=0.9)
    saved(figure, path)


def _tensor(output: object) -> torch.Tensor:
    """The tokens, where a module answers with its state as well."""
    found = output[0] if isinstance(output, tuple) else output
    assert isinstance(found, torch.Tensor)
    return found
