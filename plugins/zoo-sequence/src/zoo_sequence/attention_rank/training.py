"""Training of heads and encoders on the task."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import islice

import torch
from torch import Tensor, nn

from zoo.nn.descent import descend
from zoo_sequence.attention_rank.benchmark import NearestPoint, NearestPointCase
from zoo_sequence.attention_rank.config import NearestPointConfig, RankEncoderConfig, RankHeadsConfig
from zoo_sequence.attention_rank.encoder import RankEncoder
from zoo_sequence.attention_rank.heads import RankHeads


def train_heads(
    config: NearestPointConfig, rank: int, heads: int, *, steps: int = 300, learning_rate: float = 0.02, seed: int = 0
) -> float:
    """Train soft heads of a rank at a constant rate and return the error on fresh cases."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    model = RankHeads(RankHeadsConfig(config.dim, rank, heads))
    task = NearestPoint(config)
    _fit(model, model, task, generator, steps=steps, learning_rate=learning_rate, decay=False)
    return task.run(model)["error"]


def train_encoder(
    config: RankEncoderConfig, *, steps: int = 600, learning_rate: float = 0.005, seed: int = 0
) -> tuple[RankEncoder, dict[str, float]]:
    """Train the encoder on the farthest of its points; with its scores on fresh cases."""
    torch.manual_seed(seed)
    model = RankEncoder(config)
    task = NearestPoint(NearestPointConfig(dim=config.dim, num_points=config.num_points, num_queries=-1))

    def system(points: Tensor, queries: Tensor) -> Tensor:
        return model(points)

    _fit(model, system, task, torch.Generator().manual_seed(seed), steps=steps, learning_rate=learning_rate)
    return model.eval(), task.run(system)


def _fit(
    model: nn.Module,
    system: Callable[[Tensor, Tensor], Tensor],
    task: NearestPoint,
    generator: torch.Generator,
    *,
    steps: int,
    learning_rate: float,
    decay: bool = True,
) -> None:
    """AdamW on MSE times d; with ``decay`` a warm-up over a twentieth of the steps, then cosine to a tenth."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate, betas=(0.9, 0.95), weight_decay=0.0)
    warm = max(1, steps // 20)

    def factor(step: int) -> float:
        if not decay:
            return 1.0
        if step < warm:
            return (step + 1) / warm
        return 0.1 + 0.45 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))

    def loss_of(case: NearestPointCase) -> Tensor:
        return (system(case.points, case.queries) - task.target(case)).square().sum(1).mean()

    rates = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
    descend(model, islice(task.stream(generator), steps), loss_of, optimizer, rates=rates)


def train(
    config: RankHeadsConfig, *, preset: str | None, seed: int, log: Callable[[str], None]
) -> tuple[nn.Module, dict[str, float]]:
    """Learn the nearest of four points; reports the error beside the exact construction's."""
    torch.manual_seed(seed)
    model = RankHeads(config)
    task = NearestPoint(NearestPointConfig(dim=config.dim))
    _fit(model, model, task, torch.Generator().manual_seed(seed), steps=2000, learning_rate=0.02)
    exact = RankHeads(RankHeadsConfig(config.dim, config.dim, 1, hard=True, construction="exact"))
    scores = task.run(model)
    log(f"error {scores['error']:.4f}")
    return model, {"error": scores["error"], "accuracy": scores["accuracy"], "exact error": task.run(exact)["error"]}


def train_preset_encoder(
    config: RankEncoderConfig, *, preset: str | None, seed: int, log: Callable[[str], None]
) -> tuple[nn.Module, dict[str, float]]:
    """Learn the farthest of the encoder's points by the paper's protocol, 1500 steps."""
    model, scores = train_encoder(config, steps=1500, seed=seed)
    log(f"error {scores['error']:.4f}")
    return model, scores
