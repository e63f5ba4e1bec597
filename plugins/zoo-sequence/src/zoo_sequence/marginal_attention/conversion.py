"""States of other multi-head attentions to ours, and recorded runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from zoo.evidence.replay import Run, replay_of
from zoo.nn.renaming import renamed
from zoo_sequence.marginal_attention.edges import expanding, multihop
from zoo_sequence.marginal_attention.iterative import hopfield_energy, hopfield_step, slot_log_likelihood, slot_step

_RENAMES = (
    (r"^packed\.", ""),
    (r"^(wq|to_q|query)\.", "q_proj."),
    (r"^(wk|to_k|key)\.", "k_proj."),
    (r"^(wv|to_v|value)\.", "v_proj."),
    (r"^(wo|o_proj|to_out\.0|dense)\.", "out_proj."),
)


def convert(state: Mapping[str, Tensor], config: Any) -> dict[str, Tensor]:
    """One multi-head attention's state under our names: torch's packed projections, Llama's, BERT's, diffusers'."""
    unpacked: dict[str, Tensor] = {}
    for name, tensor in state.items():
        if name in ("in_proj_weight", "in_proj_bias"):
            for part, rows in zip(("q_proj", "k_proj", "v_proj"), tensor.chunk(3), strict=True):
                unpacked[f"packed.{part}.{name.removeprefix('in_proj_')}"] = rows
        else:
            unpacked[name] = tensor
    return renamed(unpacked, _RENAMES)


def _inference(run: Run) -> dict[str, Tensor]:
    """Multihop, expanding, Hopfield and slots."""
    config, inputs = run.config, run.inputs
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


replay = replay_of({"inference": _inference})
