"""Recorded runs of the rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from zoo.errors import InputError
from zoo_sequence.pavlovian_attention.config import RULES
from zoo_sequence.pavlovian_attention.rules import Plasticity, recurrent


def replay(
    component: str,
    config: Mapping[str, Any],
    call: Mapping[str, Any],
    state: Mapping[str, Tensor],
    inputs: Mapping[str, Tensor],
) -> dict[str, Tensor]:
    """Component ``rules``: one head, keys as given, every rule."""
    if component != "rules":
        raise InputError(f"no component {component!r}; there is: rules")
    outputs: dict[str, Tensor] = {}
    for rule in RULES:
        plasticity = Plasticity(rule, config["eta"], config["decay"], config["oja_alpha"], config["bcm_rho"])
        reads, final = recurrent(plasticity, inputs["q"], inputs["k"], inputs["v"])
        outputs |= {rule: reads, f"{rule}_state": final}
    return outputs
