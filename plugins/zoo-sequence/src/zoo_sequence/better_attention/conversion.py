"""From standard checkpoints to the other mechanisms, and recordings replayed."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

import zoo
from zoo.errors import WeightsError
from zoo.evidence.replay import Run, replay_of
from zoo_sequence.better_attention.config import MECHANISMS, AttentionConfig, SuperAttentionConfig
from zoo_sequence.better_attention.layers import attention_of


def convert_standard(state: Mapping[str, Tensor], config: AttentionConfig) -> dict[str, Tensor]:
    """Names of ``torch.nn.MultiheadAttention`` to ours; our own stay."""
    state = dict(state)
    for kind in ("weight", "bias"):
        joint = state.pop(f"in_proj_{kind}", None)
        if joint is not None:
            names = (f"{letter}_proj.{kind}" for letter in "qkv")
            # Copies: views of one storage could not be saved again.
            state |= {name: part.clone() for name, part in zip(names, joint.chunk(3), strict=True)}
    return state


def convert_optimised(state: Mapping[str, Tensor], config: AttentionConfig) -> dict[str, Tensor]:
    """A standard layer with one head to an optimised layer: W_O becomes W_V W_O.

    Equal outputs wherever a query sees a key: weights that sum to one carry W_V's bias through.

    Raises:
        WeightsError: a standard layer with several heads.
    """
    state = convert_standard(state, config)
    weight, bias = state.pop("v_proj.weight", None), state.pop("v_proj.bias", None)
    if weight is None:
        return state
    if config.num_heads != 1:
        raise WeightsError(
            f"a standard layer with num_heads={config.num_heads} is none without its value projection: a head of it "
            "reads all features of a value, and here only its own slice. One head converts exactly"
        )
    output = state["out_proj.weight"]
    state["out_proj.weight"] = output @ weight
    if bias is not None:
        state["out_proj.bias"] = state["out_proj.bias"] + output @ bias
    return state


def convert_efficient(state: Mapping[str, Tensor], config: AttentionConfig) -> dict[str, Tensor]:
    """A standard or optimised layer with one head to an efficient layer: W_Q becomes W_Q W_K' too.

    W_K's bias adds a constant to all scores of a query, which softmax does not see.

    Raises:
        WeightsError: a layer with several heads.
    """
    state = convert_optimised(state, config)
    weight = state.pop("k_proj.weight", None)
    state.pop("k_proj.bias", None)
    if weight is None:
        return state
    if config.num_heads != 1:
        raise WeightsError(
            f"a layer with num_heads={config.num_heads} and a key projection is none without it: a head of it reads "
            "all features of a key, and here only its own slice. One head converts exactly"
        )
    state["q_proj.weight"] = weight.T @ state["q_proj.weight"]
    if "q_proj.bias" in state:
        state["q_proj.bias"] = state["q_proj.bias"] @ weight
    return state


def convert_super(state: Mapping[str, Tensor], config: SuperAttentionConfig) -> dict[str, Tensor]:
    """As ``convert_efficient``; a layer without a kernel gets the identity.

    Raises:
        WeightsError: a layer with several heads and a key or value projection.
    """
    state = convert_efficient(state, config)
    if "alignment.weight" not in state:
        state["alignment.weight"] = torch.eye(config.max_length).to(state["q_proj.weight"])
    return state


def _mechanisms(run: Run) -> dict[str, Tensor]:
    """The four of them from one state, each with the names that it has."""
    outputs = {}
    for mechanism in MECHANISMS:
        layer = attention_of(
            mechanism,
            max_length=run.config["length"],
            dim=run.config["d_model"],
            num_heads=run.config["heads"],
            causal=run.config.get("causal", False),
            bias=run.config.get("bias", False),
        ).eval()
        wanted = layer.state_dict().keys()
        zoo.fill(layer, {name: tensor for name, tensor in run.state.items() if name in wanted})
        outputs[mechanism] = layer(run.inputs["x"])
    return outputs


replay = replay_of({"mechanisms": _mechanisms})
