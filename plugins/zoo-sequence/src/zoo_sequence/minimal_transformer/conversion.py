"""Recorded runs of the equations, whose tensor names are ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

import zoo
from zoo_sequence.minimal_transformer.config import VARIANTS, MinimalAttentionConfig
from zoo_sequence.minimal_transformer.layer import MinimalAttention


def replay(
    component: str,
    config: Mapping[str, Any],
    call: Mapping[str, Any],
    state: Mapping[str, Tensor],
    inputs: Mapping[str, Tensor],
) -> dict[str, Tensor]:
    """Component ``attention``: every variant that the number of heads allows, from one state."""
    outputs = {}
    for variant in VARIANTS:
        if variant.startswith("wqk") and config["heads"] > 1:
            continue
        layer = MinimalAttention(MinimalAttentionConfig(config["d_model"], config["heads"], variant)).eval()
        wanted = layer.state_dict().keys()
        zoo.fill(layer, {name: tensor for name, tensor in state.items() if name in wanted})
        outputs[variant.replace("-", "_")] = layer(inputs["x"])
    return outputs
