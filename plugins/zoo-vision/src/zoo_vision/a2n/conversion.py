"""The names of published checkpoints, and the replay of recordings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

import zoo
from zoo.evidence.replay import Run, replay_of
from zoo.nn.renaming import renamed
from zoo_vision.a2n.block import AttentionInAttention
from zoo_vision.a2n.config import A2NConfig
from zoo_vision.a2n.network import A2N

# The reference's words for config fields.
_FIELDS = {
    "scale": "scale",
    "nf": "dim",
    "unf": "upsampling_dim",
    "nb": "num_blocks",
    "reduction": "reduction",
    "t": "temperature",
    "non_attention_kernel": "plain_kernel",
}


def convert(state: Mapping[str, Tensor], config: Any) -> dict[str, Tensor]:
    """Official names are ours; a ``model.`` prefix, which EDSR-style training adds, goes."""
    return renamed(state, ((r"^model\.", ""),))


def _network(run: Run) -> dict[str, Tensor]:
    config = A2NConfig(**run.fields(_FIELDS))
    model = zoo.fill(A2N(config).eval(), convert(run.state, config))
    return {"y": model(run.inputs["x"])}


def _block(run: Run) -> dict[str, Tensor]:
    config = A2NConfig(**run.fields(_FIELDS))
    block = zoo.fill(AttentionInAttention(config).eval(), convert(run.state, config))
    # Recorded outputs are sums of terms up to 200 that nearly cancel; in this layout they are summed as recorded.
    output, weights = block(run.inputs["x"].contiguous(memory_format=torch.channels_last))
    return {"y": output, "branch_weights": weights}


replay = replay_of({"a2n": _network, "aab": _block})
