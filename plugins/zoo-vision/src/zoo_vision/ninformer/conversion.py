"""The names of published checkpoints, and the replay of recordings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

import zoo
from zoo.evidence.replay import Run, replay_of
from zoo.nn.renaming import renamed
from zoo_vision.ninformer.block import NiNformerStack
from zoo_vision.ninformer.config import NiNformerBlockConfig, NiNformerConfig
from zoo_vision.ninformer.network import NiNformer


def convert(state: Mapping[str, Tensor], config: Any) -> dict[str, Tensor]:
    """Official names are ours; the ``module.`` of a parallel wrapper goes."""
    return renamed(state, ((r"^module\.", ""),))


def _stack(run: Run) -> dict[str, Tensor]:
    recorded = run.config
    config = NiNformerBlockConfig(
        recorded["d_model"], recorded["d_ffn"], recorded["seq_len"], recorded["num_layers"], recorded["dropout"]
    )
    model = NiNformerStack(config).eval()
    zoo.fill(model, convert(run.state, config))
    return {"y": model(run.inputs["x"])}


def _classifier(run: Run) -> dict[str, Tensor]:
    recorded = run.config
    config = NiNformerConfig(
        image_size=recorded["image_size"],
        patch_size=recorded["patch_size"],
        in_channels=recorded["in_channels"],
        num_classes=recorded["num_classes"],
        dim=recorded["d_model"],
        hidden_dim=recorded["d_ffn"],
        num_layers=recorded["num_layers"],
        dropout=recorded["dropout"],
    )
    model = NiNformer(config).eval()
    zoo.fill(model, convert(run.state, config))
    return {"logits": model(run.inputs["x"])}


replay = replay_of({"ninformer-stack": _stack, "ninformer-classifier": _classifier})
