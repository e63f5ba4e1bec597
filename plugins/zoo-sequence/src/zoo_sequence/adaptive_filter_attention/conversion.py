"""The authors' tensor names to ours, and recorded reference runs through them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

import zoo
from zoo.evidence.replay import Run, replay_of
from zoo.nn.renaming import renamed
from zoo_sequence.adaptive_filter_attention.config import (
    BIASES,
    INPUT_NORMS,
    SCALES,
    AdaptiveFilterConfig,
    FilterConfig,
    FilterNetworkConfig,
)
from zoo_sequence.adaptive_filter_attention.layer import AdaptiveFilterAttention
from zoo_sequence.adaptive_filter_attention.network import FilterNetwork

_RENAMES = (
    (r"\bW_([qkv])\.", r"\1_proj."),
    (r"\bW_o\.", "out_proj."),
    (r"\bcn_([qkv])\.gamma$", r"\1_norm.weight"),
    (r"\blambda_imag_v$", "dynamics.omega_raw"),
    (r"\blambda_imag_k$", "key_dynamics.omega_raw"),
    (r"\b(mu|sigma|eta|gamma)_v$", r"dynamics.\1_raw"),
    (r"\b(mu|sigma|eta|gamma)_k$", r"key_dynamics.\1_raw"),
    (r"\bnu_sqrt$", "nu_raw"),
    (r"\bP_scale$", "gate.scale"),
    (r"\bP_prior$", "gate.prior_raw"),
    (r"\bffn\.0\.", "ffn.fc1."),
    (r"\bffn\.2\.", "ffn.fc2."),
)
_MASK = "causal_mask"


def convert(state: Mapping[str, Tensor], config: FilterConfig) -> dict[str, Tensor]:
    """The authors' names to ours; their causal masks are left out, and so is what the config has no use for."""
    idle = [_MASK]
    if config.input_norm == "query-key":
        # Only the queries and keys have a norm then; the authors' layer owns the third all the same.
        idle += ["cn_v.gamma", "v_norm.weight"]
    kept = {
        name: tensor[0, 0, ..., 0] if re.search(r"\bcn_[qkv]\.gamma$", name) else tensor
        for name, tensor in state.items()
        if not name.endswith(tuple(idle))
    }
    return renamed(kept, _RENAMES)


def _layer(run: Run) -> dict[str, Tensor]:
    """The isotropic layer; inputs carry an axis of size one after the batch."""
    layer = AdaptiveFilterAttention(AdaptiveFilterConfig(**_options(run.config)))
    _fill(layer, run.state, layer.config)
    query, key, value = (run.inputs[name].squeeze(1) for name in run.call.get("args", ["x", "x", "x"]))
    found = layer.eval().estimate(query, key, value, _recorded_mask(run.state[_MASK], query), _times(run.inputs))
    return {
        "out": found.output.unsqueeze(1),
        "attn_mat": found.attention.permute(0, 2, 3, 1),
        "est_latent": torch.view_as_real(found.latent.transpose(1, 2)),
    }


def _network(run: Run) -> dict[str, Tensor]:
    """The network; inputs likewise."""
    own = FilterNetworkConfig(
        num_layers=run.config["num_blocks"],
        hidden_dim=run.config["hidden_dim"],
        norm="layer" if "final_norm.bias" in run.state else "rms",
        **_options(run.config),
    )
    network = FilterNetwork(own)
    _fill(network, run.state, own)
    x = run.inputs[run.call.get("args", ["x"])[0]].squeeze(1)
    masks = [_recorded_mask(run.state[f"blocks.{index}.attn.{_MASK}"], x) for index in range(own.num_layers)]
    return {"out": network.eval().run_blocks(x, masks, _times(run.inputs)).unsqueeze(1)}


def _options(config: Mapping[str, Any]) -> dict[str, Any]:
    """Our fields from the authors' arguments."""
    gated = "precision-gate" if config.get("use_total_precision_gate") else "add"
    return {
        "dim": config["d_e"],
        "num_heads": config["n_heads"],
        "key_dim": config["d_k_total"],
        "value_dim": config["d_v_total"],
        "max_length": config["seq_len"],
        "input_norm": INPUT_NORMS[int(config["use_complex_input_norm"])],
        "learn_rotations": bool(config["learn_rotations"]),
        "decay": not config["lambda_real_zero"],
        "process_noise": not config["zero_process_noise"],
        "robust": bool(config["use_robust_weight"]),
        "residual": gated if config["use_inner_residual"] else "none",
        "predict_next": bool(config["compute_next_step_pred"]),
        "min_exponent": config["min_exponent"],
        "max_exponent": config["max_exponent"],
        "eps": config["epsilon"],
        "separate_dynamics": bool(config["sep_params"]),
        "rotate_values": bool(config["rotate_values"]),
        "additive_bias": BIASES[int(config["additive_bias_type"])],
        "residual_scale": SCALES[int(config["multiplicative_bias_type"])],
        "full_residual": bool(config["use_full_residual_norm"]),
    }


def _fill(module: nn.Module, state: Mapping[str, Tensor], config: FilterConfig) -> None:
    """Fill strictly, except for constants and unused rates that a recording may leave out."""
    unused = {
        "omega_raw": not config.learn_rotations,
        "mu_raw": not config.decay,
        "sigma_raw": not config.process_noise,
    }
    defaults = {
        name: tensor for name, tensor in module.state_dict().items() if unused.get(name.rpartition(".")[2], False)
    }
    zoo.fill(module, defaults | convert(state, config))


def _recorded_mask(mask: Tensor, x: Tensor) -> Tensor:
    """(1, L, L, 1) of zeros and ones to (1, 1, i, j) of booleans for the length of ``x`` (batch, length, dim)."""
    length = x.shape[1]
    return mask[:, :length, :length, 0].unsqueeze(1) != 0


def _times(inputs: Mapping[str, Tensor]) -> Tensor | None:
    """Recorded measurement times, where there are any; 0, 1, 2, ... otherwise."""
    return inputs.get("t_measure")


replay = replay_of({"isotropic-afa": _layer, "afa-network": _network})
