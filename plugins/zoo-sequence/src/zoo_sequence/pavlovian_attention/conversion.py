"""Recorded runs of the rules."""

from __future__ import annotations

from torch import Tensor

from zoo.evidence.replay import Run, replay_of
from zoo_sequence.pavlovian_attention.config import RULES
from zoo_sequence.pavlovian_attention.rules import Plasticity, recurrent


def _rules(run: Run) -> dict[str, Tensor]:
    """One head, keys as given, every rule."""
    constants = {name: run.config[name] for name in ("eta", "decay", "oja_alpha", "bcm_rho")}
    outputs: dict[str, Tensor] = {}
    for rule in RULES:
        plasticity = Plasticity(rule, **constants)
        reads, final = recurrent(plasticity, run.inputs["q"], run.inputs["k"], run.inputs["v"])
        outputs |= {rule: reads, f"{rule}_state": final}
    return outputs


replay = replay_of({"rules": _rules})
