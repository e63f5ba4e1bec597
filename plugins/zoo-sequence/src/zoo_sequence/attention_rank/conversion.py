"""Recorded names to ours, and recorded runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

import zoo
from zoo.evidence.replay import Run, replay_of
from zoo_sequence.attention_rank.benchmark import farthest_self, nearest
from zoo_sequence.attention_rank.config import RankEncoderConfig, RankHeadsConfig
from zoo_sequence.attention_rank.encoder import RankEncoder
from zoo_sequence.attention_rank.heads import RankHeads


def convert(state: Mapping[str, Tensor], config: Any) -> dict[str, Tensor]:
    """Leave out what recorded encoders carry and never use: an inherited attention and empty tables."""
    return {name: tensor for name, tensor in state.items() if ".self_attn." not in name and tensor.numel()}


def _encoder(run: Run) -> dict[str, Tensor]:
    """The widened encoder."""
    config = run.config
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
    zoo.fill(model, convert(run.state, own))
    return {"out": model(run.inputs["X"])}


def _mechanism(run: Run) -> dict[str, Tensor]:
    """Soft and hard heads, the exact construction, and both targets."""
    config, points, queries = run.config, run.inputs["X"], run.inputs["Y"]
    outputs = {"label_nearest": nearest(points, queries), "label_farthest_self": farthest_self(points)}
    for name, hard in (("soft", False), ("hard", True)):
        heads = RankHeads(RankHeadsConfig(config["dim"], config["rank"], config["nheads"], hard=hard))
        zoo.fill(heads, convert(run.state, heads.config))
        outputs[name] = heads(points, queries)
    exact = RankHeads(RankHeadsConfig(config["dim"], config["dim"], 1, hard=True, construction="exact"))
    return outputs | {"perfect_full_rank": exact.to(points.dtype)(points, queries)}


replay = replay_of({"mechanism": _mechanism, "encoder": _encoder})
