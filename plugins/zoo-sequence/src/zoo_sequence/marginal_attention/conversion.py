"""States of other multi-head attentions to ours, and recorded runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from zoo.errors import InputError
from zoo_sequence.marginal_attention.edges import expanding, multihop
from zoo_sequence.marginal_attention.iterative import hopfield_energy, hopfield_step, slot_log_likelihood, slot_step

_RENAMED = (
    ("q_proj", ("wq", "to_q", "query")),
    ("k_proj", ("wk", "to_k", "key")),
    ("v_proj", ("wv", "to_v", "value")),
    ("out_proj", ("wo", "o_proj", "to_out.0", "dense")),
)


def convert(state: Mapping[str, Tensor], config: Any) -> dict[str, Tensor]:
    """One multi-head attention's state under our names: torch's packed projections, Llama's, BERT's, diffusers'."""
    found: dict[str, Tensor] = {}
    for name, tensor in state.items():
        owner, _, leaf = name.rpartition(".")
        if leaf in ("in_proj_weight", "in_proj_bias"):
            for part, rows in zip(("q_proj", "k_proj", "v_proj"), tensor.chunk(3), strict=True):
                found[f"{part}.{leaf.removeprefix('in_proj_')}"] = rows
            continue
        ours = next((new for new, others in _RENAMED if owner in others), owner)
        found[f"{ours}.{leaf}" if ours else leaf] = tensor
    return found


def replay(
    component: str,
    config: Mapping[str, Any],
    call: Mapping[str, Any],
    state: Mapping[str, Tensor],
    inputs: Mapping[str, Tensor],
) -> dict[str, Tensor]:
    """Component ``inference``: multihop, expanding, Hopfield and slots."""
    if component != "inference":
        raise InputError(f"no component {component!r}; there is: inference")
    scores, values = inputs["scores"], inputs["values"]
    alpha, beta = config["beta_prior"]
    lag = torch.arange(scores.shape[-1])[:, None] - torch.arange(scores.shape[-1])
    expansion = expanding(scores, lag, alpha, beta, config["expanding_iterations"])
    latent, energies = inputs["hopfield_start"], []
    slots, likelihoods = inputs["slots"], []
    for _ in range(config["steps"]):
        energies.append(hopfield_energy(latent, inputs["patterns"], config["hopfield_beta"]))
        latent = hopfield_step(latent, inputs["patterns"], config["hopfield_beta"])
        likelihoods.append(slot_log_likelihood(inputs["patterns"], slots, 1.0))
        slots = slot_step(inputs["patterns"], slots, 1.0)
    return {
        "multihop": multihop(scores.softmax(-1), values, values, config["multihop_lambda"]),
        "expanding": expansion.weights @ values,
        "expanding_q": expansion.rate,
        "hopfield": latent,
        "hopfield_energy": torch.stack(energies),
        "slots_out": slots,
        "slots_log_likelihood": torch.stack(likelihoods),
    }
