"""Recorded runs of the equations, whose tensor names are ours."""

from __future__ import annotations

from torch import Tensor

import zoo
from zoo.evidence.replay import Run, replay_of
from zoo_sequence.minimal_transformer.config import VARIANTS, MinimalAttentionConfig
from zoo_sequence.minimal_transformer.layer import MinimalAttention


def _attention(run: Run) -> dict[str, Tensor]:
    """Every variant that the number of heads allows, from one state."""
    dim, heads = run.config["d_model"], run.config["heads"]
    outputs = {}
    for variant in VARIANTS:
        if variant.startswith("wqk") and heads > 1:
            continue
        layer = MinimalAttention(MinimalAttentionConfig(dim, heads, variant)).eval()
        wanted = layer.state_dict().keys()
        zoo.fill(layer, {name: tensor for name, tensor in run.state.items() if name in wanted})
        outputs[variant.replace("-", "_")] = layer(run.inputs["x"])
    return outputs


replay = replay_of({"attention": _attention})
