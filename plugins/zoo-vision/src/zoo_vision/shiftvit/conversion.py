"""The names of published checkpoints, and the replay of recordings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

import zoo
from zoo.evidence.replay import Run, replay_of
from zoo.nn.renaming import renamed
from zoo_vision.shiftvit.config import ShiftViTConfig
from zoo_vision.shiftvit.network import ShiftViT
from zoo_vision.shiftvit.shift import shift


def convert(state: Mapping[str, Tensor], config: Any) -> dict[str, Tensor]:
    """Official names are ours; a ``model.`` prefix (from a wrapped checkpoint) goes."""
    return renamed(state, ((r"^model\.", ""),))


def _shift(run: Run) -> dict[str, Tensor]:
    return {"y": shift(run.inputs["x"], run.config["n_div"])}


def _network(run: Run) -> dict[str, Tensor]:
    # The recorded img_size is bookkeeping: the network is convolutional up to the pool.
    names = ("embed_dim", "depths", "mlp_ratio", "n_div", "num_classes")
    config = ShiftViTConfig(**{name: run.config[name] for name in names if name in run.config})
    model = ShiftViT(config).eval()
    zoo.fill(model, convert(run.state, config))
    # The authors' network does not pad: of sides that are no multiple of 32 it drops the rest.
    features = model.pooled(model.unpadded_maps(run.inputs["x"])[-1])
    return {"features": features, "logits": model.head(features)}


replay = replay_of({"shift": _shift, "shiftvit": _network})
