"""Recorded names to ours, and recorded runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

import zoo
from zoo.errors import InputError
from zoo_sequence.attention_rank.benchmark import farthest_self, nearest
from zoo_sequence.attention_rank.encoder import RankEncoder, RankEncoderConfig
from zoo_sequence.attention_rank.heads import RankHeads, RankHeadsConfig


def convert(state: Mapping[str, Tensor], config: Any) -> dict[str, Tensor]:
    """Leave out what recorded encoders carry and never use: an inherited attention and empty tables."""
    return {name: tensor for name, tensor in state.items() if ".self_attn." not in name and tensor.numel()}


def replay(
    component: str,
    config: Mapping[str, Any],
    call: Mapping[str, Any],
    state: Mapping[str, Tensor],
    inputs: Mapping[str, Tensor],
) -> dict[str, Tensor]:
    """Components ``mechanism`` and ``encoder``."""
    if component not in ("mechanism", "encoder"):
        raise InputError(f"no component {component!r}; there are: mechanism, encoder")
    if component == "encoder":
        own = RankEncoderConfig(
            dim=config["dim"],
            num_points=config.get("maxN") or 0,
            num_layers=config["num_layers"],
            num_heads=config["nheads"],
            width_multiplier=config["width_multiplier"],
            hidden_dim=config["dim_feedforward"],
            bias=config["bias"],
            positional_dim=config["positional_dim"],
            additive_positional=config["additive_positional"],
        )
        model = RankEncoder(own).eval()
        zoo.fill(model, convert(state, own))
        return {"out": model(inputs["X"])}
    points, queries = inputs["X"], inputs["Y"]
    outputs = {"label_nearest": nearest(points, queries), "label_farthest_self": farthest_self(points)}
    for name, hard in (("soft", False), ("hard", True)):
        heads = RankHeads(RankHeadsConfig(config["dim"], config["rank"], config["nheads"], hard=hard))
        zoo.fill(heads, convert(state, heads.config))
        outputs[name] = heads(points, queries)
    exact = RankHeads(RankHeadsConfig(config["dim"], config["dim"], 1, hard=True, construction="exact"))
    exact.to(points.dtype)
    return outputs | {"perfect_full_rank": exact(points, queries)}
