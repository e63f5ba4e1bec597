"""The names of published checkpoints, and the replay of recordings."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from torch import Tensor, nn

import zoo
from zoo.evidence.replay import Run, replay_of
from zoo.nn.renaming import renamed
from zoo.nn.resnet import ResidualBlock
from zoo_vision.triplet_attention.config import TripletConfig
from zoo_vision.triplet_attention.gates import TripletAttention
from zoo_vision.triplet_attention.networks import TripletBlock

RULES = (
    (r"^(state_dict\.)?(module\.)?", ""),
    (r"ChannelGateH\.spatial\.", "cw.conv."),
    (r"ChannelGateW\.spatial\.", "hc.conv."),
    (r"SpatialGate\.spatial\.", "hw.conv."),
)


def convert(state: Mapping[str, Tensor], config: Any) -> dict[str, Tensor]:
    """Older gate names to the module file's; ``module.`` and ``state_dict.`` prefixes go."""
    return renamed(state, RULES)


def _module(run: Run) -> dict[str, Tensor]:
    return _filled(TripletAttention(_gates(run)), run)


def _block(run: Run) -> dict[str, Tensor]:
    """From the constructor arguments of the authors' blocks, with their defaults."""
    config = run.config
    with_gates = config.get("use_triplet_attention", False)
    make = partial(TripletBlock, triplet=_gates(run)) if with_gates else ResidualBlock
    bottleneck = {"BasicBlock": False, "Bottleneck": True}[config["block"]]
    project = config.get("downsample", False)
    return _filled(make(config["inplanes"], config["planes"], config.get("stride", 1), bottleneck, project), run)


def _gates(run: Run) -> TripletConfig:
    return TripletConfig(run.config.get("kernel_size", 7), run.config.get("no_spatial", False))


def _filled(module: nn.Module, run: Run) -> dict[str, Tensor]:
    zoo.fill(module.eval(), convert(run.state, run.config))
    return {"y": module(run.inputs["x"])}


replay = replay_of({"triplet-module": _module, "resnet-block": _block})
