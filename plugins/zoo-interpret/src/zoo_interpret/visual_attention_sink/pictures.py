"""The picture of the card."""

from __future__ import annotations

from pathlib import Path

import torch

from zoo.evidence.plots import new_figure, saved
from zoo_interpret.multimodal import after_image, image_positions
from zoo_interpret.tiny_multimodal import tiny_llava_inputs
from zoo_interpret.visual_attention_sink.claims import PATCHES, maps_before_and_after
from zoo_interpret.visual_attention_sink.planted import planted_sinks

SIDE = 5


def redistribution(path: Path) -> None:
    """A tiny untrained LLaVA with two planted sinks: the text's attention to the image before and after."""
    model = planted_sinks(PATCHES)
    inputs = tiny_llava_inputs(model, 3)
    image = image_positions(model, inputs["input_ids"])
    before, after, _ = maps_before_and_after(model, inputs)
    later = after_image(image)[0]
    shown = [
        torch.stack([maps[layer][:, :, later] for layer in (2, 3)]).mean((0, 1, 2, 3))[image[0]].view(SIDE, SIDE)
        for maps in (before, after)
    ]
    figure = new_figure(figsize=(9.5, 3.4))
    axes = figure.subplots(1, 3)
    top = float(shown[0].max())
    for axis, values, name in zip(axes, shown, ("before", "after"), strict=False):
        picture = axis.imshow(values.numpy(), cmap="inferno", vmin=0, vmax=top)
        axis.set(title=f"{name}: sinks get {float(values.flatten()[list(PATCHES)].sum()):.0%}")
    change = shown[1] - shown[0]
    most = float(change.abs().max())
    moved = axes[2].imshow(change.numpy(), cmap="RdBu_r", vmin=-most, vmax=most)
    axes[2].set(title="change")
    for axis in axes:
        axis.set(xticks=range(SIDE), yticks=range(SIDE))
    figure.colorbar(picture, ax=axes[:2], label="attention weight")
    figure.colorbar(moved, ax=axes[2], label="change of the weight")
    saved(figure, path)
