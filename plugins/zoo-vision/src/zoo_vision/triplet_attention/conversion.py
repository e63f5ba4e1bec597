"""The names of published checkpoints, and the replay of recordings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import Any

from torch import Tensor, nn

import zoo
from zoo.errors import InputError
from zoo.nn.resnet import ResidualBlock
from zoo_vision.triplet_attention.config import TripletConfig
from zoo_vision.triplet_attention.gates import TripletAttention
from zoo_vision.triplet_attention.networks import TripletBlock

_OLD_GATES = {
    "ChannelGateH.spatial.": "cw.conv.",
    "ChannelGateW.spatial.": "hc.conv.",
    "SpatialGate.spatial.": "hw.conv.",
}


def convert(state: Mapping[str, Tensor], config: Any) -> dict[str, Tensor]:
    """Older gate names to the module file's; ``module.`` and ``state_dict.`` prefixes go."""
    renamed = {}
    for name, tensor in state.items():
        name = re.sub(r"^(state_dict\.)?(module\.)?", "", name)
        for old, new in _OLD_GATES.items():
            name = name.replace(old, new)
        renamed[name] = tensor
    return renamed


def replay(
    component: str,
    config: Mapping[str, Any],
    call: Mapping[str, Any],
    state: Mapping[str, Tensor],
    inputs: Mapping[str, Tensor],
) -> dict[str, Tensor]:
    """Components ``triplet-module`` and ``resnet-block``."""
    triplet = TripletConfig(config.get("kernel_size", 7), config.get("no_spatial", False))
    module: nn.Module
    if component == "triplet-module":
        module = TripletAttention(triplet)
    elif component == "resnet-block":
        module = _recorded_block(config, triplet)
    else:
        raise InputError(f"no component {component!r}; there are: triplet-module, resnet-block")
    zoo.fill(module.eval(), convert(state, config))
    return {"y": module(inputs["x"])}


def _recorded_block(config: Mapping[str, Any], triplet: TripletConfig) -> ResidualBlock:
    """From the constructor arguments of the authors' blocks, with their defaults."""
    make = partial(TripletBlock, triplet=triplet) if config.get("use_triplet_attention", False) else ResidualBlock
    bottleneck = {"BasicBlock": False, "Bottleneck": True}[config["block"]]
    project = config.get("downsample", False)
    return make(config["inplanes"], config["planes"], config.get("stride", 1), bottleneck, project)
