"""Recorded runs of the authors' module, whose tensor names are ours."""

from __future__ import annotations

from torch import Tensor

import zoo
from zoo.evidence.replay import Run, replay_of
from zoo_sequence.efficient_attention.config import EfficientAttentionConfig
from zoo_sequence.efficient_attention.layer import EfficientAttention


def _module(run: Run) -> dict[str, Tensor]:
    """The module on a feature map."""
    module = EfficientAttention(
        EfficientAttentionConfig(
            dim=run.config["in_channels"],
            key_channels=run.config["key_channels"],
            num_heads=run.config["head_count"],
            value_channels=run.config["value_channels"],
            residual=True,
        )
    )
    zoo.fill(module, run.state)
    return {"out": module(run.inputs["input_"])}


replay = replay_of({"module": _module})
