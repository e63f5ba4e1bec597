"""The picture of the card."""

from __future__ import annotations

from pathlib import Path

from zoo.bridges.transformers.packaged import packaged_model
from zoo.evidence.plots import saved
from zoo_interpret.adaptive_long_context_heads.config import AdaptiveLongContextHeadsConfig
from zoo_interpret.adaptive_long_context_heads.method import AdaptiveLongContextHeads
from zoo_interpret.alice import SENTENCES


def decisions(path: Path) -> None:
    """Where a window of 4 first and 32 last tokens is enough for SmolLM2's heads, reading Alice in Wonderland."""
    model, tokenizer = packaged_model("smollm2")
    config = AdaptiveLongContextHeadsConfig("qada", sink=4, local=32)
    figure = AdaptiveLongContextHeads(config).decide(model, " ".join(SENTENCES), tokenizer).plot()
    figure.suptitle("SmolLM2-135M")
    saved(figure, path)
