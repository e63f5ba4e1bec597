"""The replay of recorded scores; a benchmark has no checkpoints to convert."""

from __future__ import annotations

import torch
from torch import Tensor

from zoo.evidence.replay import Run, replay_of
from zoo_evaluate.only_connect_wall.metrics import METRICS, grouping_scores


def _grouping(run: Run) -> dict[str, Tensor]:
    """Every metric of every wall."""
    pairs = zip(run.call["gt"], run.call["pred"], strict=True)
    scores = [grouping_scores(gold, predicted) for gold, predicted in pairs]
    return {name: torch.tensor([entry[name] for entry in scores], dtype=torch.float64) for name in METRICS}


replay = replay_of({"grouping": _grouping})
