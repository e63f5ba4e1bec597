"""Recorded runs; a memory has no tensors that a checkpoint could name."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from zoo.evidence.replay import Run, replay_of
from zoo_sequence.attention_sdm.config import MemoryConfig
from zoo_sequence.attention_sdm.intersections import cap_intersection, expected_intersection, fit_beta
from zoo_sequence.attention_sdm.memory import SparseDistributedMemory, softmax_weights, unit_columns


def _memory(run: Run) -> dict[str, Tensor]:
    """Intersections, fits and one update of each form."""
    config, inputs = run.config, run.inputs
    n, neurons, radii = config["n"], config["r"], config["radii"]
    outputs = {
        f"intersection_d{radius}": expected_intersection(n, radius, neurons, inputs["distances"]) for radius in radii
    }
    for name, continuous in (("beta_binary", False), ("beta_continuous", True)):
        fits = [fit_beta(n, radius, continuous=continuous)[0] for radius in radii]
        outputs[name] = torch.tensor(fits, dtype=torch.float64)
    # The reference adds 2 where log 2 is meant: a factor e^2 / 2 in absolute counts.
    outputs["cap_intersection"] = cap_intersection(n, radii[0], neurons, inputs["cosines"]) * math.exp(2) / 2
    beta = fit_beta(n, radii[-1])[0]
    memory = SparseDistributedMemory(MemoryConfig(n, neurons, config["step_radius"]))
    memory.write(inputs["patterns"])
    outputs["binary_sdm_step"] = memory.step(inputs["queries"]).int()
    weights = softmax_weights(unit_columns(inputs["patterns"].double()), unit_columns(inputs["queries"].double()), beta)
    outputs["binary_attention_step"] = (inputs["patterns"].double() @ weights > 0.5).int()
    if "patterns_continuous" in inputs:
        patterns, queries = inputs["patterns_continuous"].double(), inputs["queries_continuous"].double()
        outputs["continuous_attention_step"] = patterns @ softmax_weights(patterns, queries, beta)
    return outputs


replay = replay_of({"sdm": _memory})
