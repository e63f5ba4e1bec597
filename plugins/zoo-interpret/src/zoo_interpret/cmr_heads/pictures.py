"""The picture of the card."""

from __future__ import annotations

from pathlib import Path

from zoo.bridges.transformers.packaged import packaged_model
from zoo.evidence.plots import saved
from zoo_interpret.cmr_heads.config import CmrHeadsConfig
from zoo_interpret.cmr_heads.heads import CmrHeads


def heads(path: Path) -> None:
    """Heads of SmolLM2 that attend like human free recall, by layer, and the lag curves of the six nearest ones."""
    model, _ = packaged_model("smollm2")
    figure = CmrHeads(CmrHeadsConfig(repeat_length=40, prompts=2))(model).plot()
    figure.suptitle("SmolLM2-135M, 40 random tokens that repeat")
    saved(figure, path)
