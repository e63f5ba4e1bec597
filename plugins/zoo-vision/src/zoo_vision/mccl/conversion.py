"""The names of published checkpoints, and the replay of recordings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

import zoo
from zoo.evidence.replay import Run, replay_of
from zoo.nn.renaming import renamed
from zoo_vision.mccl.adversary import Discriminator
from zoo_vision.mccl.config import ConsensusConfig, DiscriminatorConfig, MCCLConfig
from zoo_vision.mccl.consensus import GroupConsensus
from zoo_vision.mccl.losses import iou_loss, saliency_loss
from zoo_vision.mccl.network import MCCL

_PVT = ("embed_dims", "num_heads", "depths", "mlp_ratios", "sr_ratios", "decoder_mid_channels")


def convert(state: Mapping[str, Tensor], config: Any) -> dict[str, Tensor]:
    """Official names are ours; the ``module.`` of a parallel wrapper goes."""
    return renamed(state, ((r"^module\.", ""),))


def _network(run: Run) -> dict[str, Tensor]:
    config = MCCLConfig(**run.fields({name: name for name in _PVT}))
    model = MCCL(config).eval()
    zoo.fill(model, convert(run.state, config))
    found = model.parts(run.inputs["x"][None])
    stages = {f"stage{number}": x for number, x in enumerate(found.stages, 1)}
    return {"logits": found.logits[0], **stages}


def _consensus(run: Run) -> dict[str, Tensor]:
    attention = GroupConsensus(ConsensusConfig(run.config["channel_in"]))
    zoo.fill(attention, renamed(run.state, ((r"^all_attention\.", ""),)))
    found = attention.aggregate(run.inputs["x"].unflatten(0, (run.config.get("loadN", 1), -1)))
    return {"y": found.maps.flatten(0, 1), "gcam": found.attended.flatten(0, 1)}


def _discriminator(run: Run) -> dict[str, Tensor]:
    config = DiscriminatorConfig(run.config["channels"], run.config["img_size"])
    model = Discriminator(config).eval()
    zoo.fill(model, run.state)
    answers = {"validity": model(run.inputs["x"])}
    if "pred" in run.inputs:
        maps, truth = run.inputs["pred"], run.inputs["gt"]
        answers |= {"iou_loss": iou_loss(maps, truth), "sal_loss": saliency_loss(maps, truth)}
    return answers


replay = replay_of({"mccl": _network, "gcam": _consensus, "discriminator": _discriminator})
