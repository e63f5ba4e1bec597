"""The names of published checkpoints, and the replay of recordings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

import zoo
from zoo.errors import InputError
from zoo_vision.shiftvit.config import ShiftViTConfig
from zoo_vision.shiftvit.network import ShiftViT
from zoo_vision.shiftvit.shift import shift


def convert(state: Mapping[str, Tensor], config: Any) -> dict[str, Tensor]:
    """Official names are ours; a ``model.`` prefix (from a wrapped checkpoint) goes."""
    return {name.removeprefix("model."): tensor for name, tensor in state.items()}


def replay(
    component: str,
    config: Mapping[str, Any],
    call: Mapping[str, Any],
    state: Mapping[str, Tensor],
    inputs: Mapping[str, Tensor],
) -> dict[str, Tensor]:
    """Components ``shift`` and ``shiftvit``."""
    if component == "shift":
        return {"y": shift(inputs["x"], config["n_div"])}
    if component != "shiftvit":
        raise InputError(f"no component {component!r}; there are: shift, shiftvit")
    # The recorded img_size is bookkeeping: the network is convolutional up to the pool.
    names = ("embed_dim", "depths", "mlp_ratio", "n_div", "num_classes")
    own = ShiftViTConfig(**{name: config[name] for name in names if name in config})
    model = ShiftViT(own).eval()
    zoo.fill(model, convert(state, own))
    features = model.features(inputs["x"])
    return {"features": features, "logits": model.head(features)}
