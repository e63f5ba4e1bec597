"""Training on routines of exercises, and what the proposals are worth."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from zoo.nn.descent import descend
from zoo_activity.csa_action_detection.bmn import BMN
from zoo_activity.csa_action_detection.config import BMNConfig
from zoo_activity.csa_action_detection.loss import bmn_loss, targets
from zoo_activity.csa_action_detection.proposals import propose
from zoo_activity.csa_action_detection.routines import LONGEST, SHORTEST, routines
from zoo_activity.temporal_detection import average_precision, recall_area

STEPS, TAUGHT, ASKED = 400, 320, 60


def train(
    config: BMNConfig, *, preset: str | None, seed: int, log: Callable[[str], None]
) -> tuple[nn.Module, dict[str, float]]:
    """Routines of seven people, scored on three others; two minutes on one core for the preset ``watch``."""
    model = fit(config, seed=seed, log=log)
    chance = {f"{name} by chance": value for name, value in chance_scores(config).items()}
    return model, held_out_scores(model) | chance


def fit(config: BMNConfig, *, seed: int = 0, log: Callable[[str], None] = lambda line: None) -> BMN:
    """AdamW, 2e-3 with cosine decay, batches of 16 routines."""
    torch.manual_seed(seed)
    model = BMN(config)
    data = routines(TAUGHT, config.length, held_out=False, seed=seed)
    truth = [targets(actions, config) for actions in data.actions]

    def loss_of(step: int) -> Tensor:
        rows = torch.randint(TAUGHT, (16,))
        features = data.features[rows]
        features = features + 0.1 * torch.randn_like(features)
        return bmn_loss(model(features), [truth[row] for row in rows.tolist()], config)["total"]

    optimizer = torch.optim.AdamW(model.parameters(), 2e-3, weight_decay=1e-2)
    rates = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    descend(model, range(STEPS), loss_of, optimizer, rates=rates, log=log)
    return model


def proposals(model: BMN, features: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Proposals of each routine (count, 2), as shares of it, and their scores, best first."""
    with torch.no_grad():
        output = model(features)
        return [propose(output, row) for row in range(len(features))]


def held_out_scores(model: BMN) -> dict[str, float]:
    """Of held-out people's routines: average precision at a tIoU of 0.5 and 0.7, and the area under AR up to 100."""
    data = routines(ASKED, model.config.length, held_out=True, seed=1)
    return _scores(proposals(model, data.features), data.actions, model.config.length)


def chance_scores(config: BMNConfig) -> dict[str, float]:
    """The same of 100 random intervals as long as pieces are."""
    data = routines(ASKED, config.length, held_out=True, seed=1)
    generator = torch.Generator().manual_seed(0)
    found = []
    for _ in data.actions:
        size = torch.randint(SHORTEST, LONGEST + 1, (100,), generator=generator) / config.length
        start = torch.rand(100, generator=generator) * (1 - size)
        found.append((torch.stack((start, start + size), -1), torch.rand(100, generator=generator)))
    return _scores(found, data.actions, config.length)


def _scores(found: list[tuple[Tensor, Tensor]], actions: list[Tensor], length: int) -> dict[str, float]:
    said = {str(row): pair for row, pair in enumerate(found)}
    truth = {str(row): these / length for row, these in enumerate(actions)}
    return {
        "ap_0.5": round(average_precision(said, truth, 0.5), 4),
        "ap_0.7": round(average_precision(said, truth, 0.7), 4),
        "recall_area": round(recall_area(said, truth), 4),
    }
