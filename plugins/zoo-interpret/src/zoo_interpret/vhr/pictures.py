"""Pictures of the cards."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from zoo.bridges.transformers.heads import at_heads
from zoo.bridges.transformers.sites import Site
from zoo.evidence.plots import new_figure, saved
from zoo_interpret.multimodal import language_sites
from zoo_interpret.tiny_multimodal import tiny_llava, tiny_llava_inputs
from zoo_interpret.vhr.claims import PLANTED
from zoo_interpret.vhr.config import DivergenceConfig, VhrConfig
from zoo_interpret.vhr.divergence import VisionAwareHeadDivergence
from zoo_interpret.vhr.planted import seeing
from zoo_interpret.vhr.reinforcement import Vhr

ALPHA = 3.0


def divergence(path: Path) -> None:
    """VHD of a tiny untrained LLaVA: heads 0 and 3 of layer 1 alone see the image; later layers read theirs."""
    model = tiny_llava(attn_implementation="eager")
    inputs = tiny_llava_inputs(model, 3, text=(0, 8))
    with seeing(model, inputs["input_ids"], PLANTED):
        figure = VisionAwareHeadDivergence(DivergenceConfig())(model, inputs).plot()
    figure.axes[0].set_title("VHD; planted: layer 1, heads 0 and 3", fontsize=9)
    figure.set_size_inches(6.5, 4)
    saved(figure, path)


def reinforcement(path: Path) -> None:
    """Heads of a tiny untrained LLaVA, of which two are planted to see the image: their outputs before and after."""
    model = tiny_llava(attn_implementation="eager")
    inputs = tiny_llava_inputs(model, 3, text=(0, 8))
    site, rows = [language_sites(model)[1]], []

    def keep(site: Site, outputs: Tensor) -> None:
        rows.append(outputs[:, -1].norm(dim=-1).mean(0))

    with torch.no_grad(), seeing(model, inputs["input_ids"], PLANTED):
        with at_heads(model, keep, sites=site):
            model(**inputs)
        with Vhr(VhrConfig(layers=[1], outliers=False, alpha=ALPHA)).attach(model), at_heads(model, keep, sites=site):
            model(**inputs)
    figure = new_figure(figsize=(6.5, 3.6))
    axis = figure.subplots()
    for column, (name, values) in enumerate((("before", rows[0]), (f"reinforced, alpha = {ALPHA:g}", rows[-1]))):
        axis.bar([head + 0.4 * column - 0.2 for head in range(4)], values.tolist(), width=0.38, label=name)
    seen = {head for _, head in PLANTED}
    axis.set_xticks(range(4), [f"head {head}\n{'sees the image' if head in seen else 'blind'}" for head in range(4)])
    axis.set(ylabel="norm of the head's output", title="layer 1, the last token")
    axis.legend()
    saved(figure, path)
