"""The names of published checkpoints, here those of ``torch.nn.MultiheadAttention``, and the replay of recordings."""

from collections.abc import Mapping

import torch
from torch import Tensor

import zoo
from zoo.evidence.replay import Run, replay_of
from zoo.nn.renaming import renamed
from zoo_my_lab.my_lab.config import MyLabConfig
from zoo_my_lab.my_lab.layer import MyLabAttention


def convert(state: Mapping[str, Tensor], config: MyLabConfig) -> dict[str, Tensor]:
    """Torch's names to ours; temperatures that it lacks are 1. Our own names stay as they are."""
    ours = renamed(state, ((r"^in_proj_weight$", "qkv.weight"), (r"^out_proj\.", "out.")))
    return {"temperature": torch.ones(config.num_heads), **ours}


def _attention(run: Run) -> dict[str, Tensor]:
    config = MyLabConfig(**run.config)
    layer = MyLabAttention(config).eval()
    zoo.fill(layer, convert(run.state, config))
    return {"y": layer(run.inputs["x"])}


replay = replay_of({"attention": _attention})
