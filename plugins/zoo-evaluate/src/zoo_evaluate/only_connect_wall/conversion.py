"""The replay of recorded scores; a benchmark has no checkpoints to convert."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from zoo.errors import InputError
from zoo_evaluate.only_connect_wall.metrics import METRICS, grouping_scores


def replay(
    component: str,
    config: Mapping[str, Any],
    call: Mapping[str, Any],
    state: Mapping[str, Any],
    inputs: Mapping[str, Any],
) -> dict[str, Any]:
    """Component ``grouping``: every metric of every wall."""
    if component != "grouping":
        raise InputError(f"no component {component!r}; there is: grouping")
    scores = [grouping_scores(gold, predicted) for gold, predicted in zip(call["gt"], call["pred"], strict=True)]
    return {name: torch.tensor([entry[name] for entry in scores], dtype=torch.float64) for name in METRICS}
