"""The names of published checkpoints of the boundary-matching network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from zoo.nn.renaming import renamed


def convert(state: Mapping[str, Tensor], config: Any) -> dict[str, Tensor]:
    """Community names are ours; the ``module.`` of a parallel wrapper and the constant ``sample_mask`` go."""
    names = renamed(state, ((r"^module\.", ""),))
    return {name: tensor for name, tensor in names.items() if name != "sample_mask"}
