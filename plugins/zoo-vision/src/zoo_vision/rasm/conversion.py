"""The names of published checkpoints, and the replay of recordings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

import zoo
from zoo.evidence.replay import Run, replay_of
from zoo.nn.renaming import renamed
from zoo_vision.rasm.attention import RegionalAttention
from zoo_vision.rasm.config import RASMConfig, RegionalAttentionConfig
from zoo_vision.rasm.network import RASM, Layer

_FIELDS = ("embed_dim", "depths", "num_heads", "mlp_ratio")


def convert(state: Mapping[str, Tensor], config: Any) -> dict[str, Tensor]:
    """Official names are ours; the ``module.`` of a parallel wrapper goes."""
    return renamed(state, ((r"^module\.", ""),))


def _network(run: Run) -> dict[str, Tensor]:
    config = RASMConfig(**{name: run.config[name] for name in _FIELDS if name in run.config})
    model = RASM(config).eval()
    zoo.fill(model, convert(run.state, config))
    return {"y": model(run.inputs["x"], run.inputs["xm"])}


def _attention(run: Run) -> dict[str, Tensor]:
    names = ("dim", "num_heads", "kernel_size", "dilation")
    attention = RegionalAttention(RegionalAttentionConfig(**{name: run.config[name] for name in names}))
    zoo.fill(attention, run.state)
    return {"y": attention(run.inputs["x"])}


def _layer(run: Run) -> dict[str, Tensor]:
    recorded = run.config
    config = RASMConfig(
        kernel_size=recorded["kernel_size"], dilation=recorded["dilation"], mlp_ratio=recorded.get("mlp_ratio", 4.0)
    )
    layer = Layer(config, recorded["dim"], recorded["num_heads"], 0.0).eval()
    zoo.fill(layer, run.state)
    tokens = run.inputs["x"]
    height, width = recorded["input_resolution"]
    return {"y": layer(tokens.unflatten(1, (height, width))).flatten(1, 2)}


replay = replay_of({"rasm": _network, "neighborhood-attention": _attention, "ra-layer": _layer})
