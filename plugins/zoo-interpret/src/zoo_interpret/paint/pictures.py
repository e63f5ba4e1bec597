"""The picture of the card."""

from __future__ import annotations

from pathlib import Path

import torch

from zoo.bridges.transformers.attending import attending
from zoo.bridges.transformers.sites import Site
from zoo.evidence.plots import new_figure, saved
from zoo_interpret.multimodal import image_positions, language_sites
from zoo_interpret.paint.claims import LOCAL, SUMMARY
from zoo_interpret.paint.config import PaintConfig
from zoo_interpret.paint.method import Paint
from zoo_interpret.paint.planted import planted_encoder
from zoo_interpret.tiny_multimodal import tiny_llava_inputs

SIDE = 6


def boost(path: Path) -> None:
    """A tiny untrained LLaVA with planted salient patches: the text's attention to them before and after."""
    model = planted_encoder(LOCAL, SUMMARY)
    for site in language_sites(model):
        site.module.q_proj.weight.data.mul_(15)
    inputs = tiny_llava_inputs(model, 1)
    image = image_positions(model, inputs["input_ids"])[0]
    found = []
    for config in (PaintConfig(0.0, 0.0), PaintConfig()):
        rows: list[torch.Tensor] = []

        def keep(site: Site, weights: torch.Tensor, rows: list[torch.Tensor] = rows) -> None:
            rows.append(weights[0, :, -1].mean(0))

        with torch.no_grad(), Paint(config).attach(model), attending(model, sites=language_sites(model), weights=keep):
            model(**inputs)
        found.append(torch.stack(rows)[2:].mean(0)[image].view(SIDE, SIDE))
    before, change = found[0], found[1] - found[0]
    figure = new_figure(figsize=(9.5, 3.2))
    marks, left, right = figure.subplots(1, 3)
    marks.imshow(_marks().numpy(), cmap="Greys", vmin=0, vmax=2)
    for patch, mark in [*((patch, "L") for patch in LOCAL), *((patch, "S") for patch in SUMMARY)]:
        marks.text(patch % SIDE, patch // SIDE, mark, ha="center", va="center")
    marks.set(title="planted patches", xlabel="L: first layers, S: last ones")
    figure.colorbar(left.imshow(before.numpy(), cmap="inferno"), ax=left, label="attention weight")
    left.set(title="attention of the last word")
    most = float(change.abs().max())
    picture = right.imshow(change.numpy(), cmap="RdBu_r", vmin=-most, vmax=most)
    figure.colorbar(picture, ax=right, label="change of the weight")
    right.set(title="with the boost")
    for axis in (marks, left, right):
        axis.set(xticks=range(SIDE), yticks=range(SIDE))
    saved(figure, path)


def _marks() -> torch.Tensor:
    found = torch.zeros(SIDE * SIDE)
    found[[*LOCAL, *SUMMARY]] = 0.5
    return found.view(SIDE, SIDE)
