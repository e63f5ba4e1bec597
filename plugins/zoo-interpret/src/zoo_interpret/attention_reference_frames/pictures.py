"""The picture of the card."""

from __future__ import annotations

from pathlib import Path

from zoo.bridges.transformers.packaged import packaged_model
from zoo.evidence.plots import saved
from zoo_interpret.alice import SENTENCES
from zoo_interpret.attention_reference_frames.config import ReferenceFramesConfig
from zoo_interpret.attention_reference_frames.probe import AttentionReferenceFrames


def frames(path: Path) -> None:
    """SmolLM2's attention as graphs, by layer, on three sentences of Alice in Wonderland: a sink at the first token."""
    model, tokenizer = packaged_model("smollm2")
    figure = AttentionReferenceFrames(ReferenceFramesConfig())(model, list(SENTENCES[2:5]), tokenizer).plot()
    figure.set_size_inches(10, 3.2)
    saved(figure, path)
