"""The transformers models of recordings, rebuilt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

import zoo
from zoo.targets import require


def recorded_model(config: Mapping[str, Any], state: Mapping[str, Tensor]) -> nn.Module:
    """The model of a recording, in eval mode.

    Args:
        config: ``model`` (a class of transformers), ``model_kwargs`` of its config, and ``attn_implementation``.
        state: its tensors under transformers' names. Tables that its versions keep or leave out of the state, such as
            ``position_ids``, are taken too where they are recorded.
    """
    kind = getattr(require("transformers", needed_by="replaying a recorded model"), config["model"])
    settings = kind.config_class(**config["model_kwargs"])
    model: nn.Module = kind._from_config(settings, attn_implementation=config.get("attn_implementation", "eager"))
    kept = model.state_dict()
    tables = {name: buffer for name, buffer in model.named_buffers() if name in state and name not in kept}
    for name, buffer in tables.items():
        buffer.copy_(state[name])
    return zoo.fill(model.eval(), {name: tensor for name, tensor in state.items() if name not in tables})
