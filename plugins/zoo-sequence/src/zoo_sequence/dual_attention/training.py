"""Learning a relational game: the training of the bundled weights, and of a plain transformer beside it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.building import build_on_meta
from zoo.errors import ConfigError
from zoo.evidence.measuring import count_parameters
from zoo.nn.descent import descend
from zoo_sequence.dual_attention.config import RelationalGamesConfig, ViDATConfig
from zoo_sequence.dual_attention.networks import ViDAT
from zoo_sequence.dual_attention.relational_games import CELL, GRID, RelationalGames, draw

GAME, SAMPLES, STEPS = "occurs", 20_000, 3_000
_BATCH = 64


def fit(
    config: ViDATConfig,
    game: str,
    *,
    samples: int,
    steps: int,
    seed: int,
    log: Callable[[str], object] = lambda line: None,
) -> ViDAT:
    """A classifier trained on so many images of pentominoes: AdamW in batches of 64.

    The learning rate is 1e-3 and falls to zero over the last fifth: these games are learned after a long plateau,
    and a rate that falls from the start may leave it too late.

    Args:
        config: for images (3, 36, 36) and two classes.
        game: see ``relational_games.GAMES``.
        samples: size of the training set.
        steps: batches, drawn from it with replacement.
        seed: of images, initial weights and batches.
        log: takes lines of progress.
    """
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    model = ViDAT(config)
    images, truth = draw(game, samples, generator)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=1e-2)
    rates = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, 5 * (1 - step / steps)))

    def loss_of(step: int) -> Tensor:
        batch = torch.randint(samples, (_BATCH,), generator=generator)
        return functional.cross_entropy(model(images[batch]), truth[batch])

    descend(model, range(steps), loss_of, optimizer, rates=rates, log=log, log_every=500)
    return model


def twin(config: ViDATConfig) -> ViDATConfig:
    """The plain transformer of the same size: no relational heads, a wider feed-forward network."""
    plain = replace(config, num_relational_heads=0, num_relational_kv_heads=None)
    missing = count(config) - count(plain)
    per_feature = config.num_layers * (2 * config.dim + 1)
    return replace(plain, hidden_dim=plain.ff_dim + round(missing / per_feature))


def count(config: ViDATConfig) -> int:
    """Parameters of a classifier."""
    return count_parameters(build_on_meta(lambda: ViDAT(config)))


def train(
    config: ViDATConfig, *, preset: str | None, seed: int, log: Callable[[str], object]
) -> tuple[nn.Module, dict[str, float]]:
    """Learn the game "occurs", and let a plain transformer of the same size learn it too.

    Returns:
        The dual attention classifier, and the accuracy of both on new images, by set of objects.

    Raises:
        ConfigError: the classifier is not one of two classes for images of 36 x 36 pixels.
    """
    side = CELL * GRID
    if list(config.image_shape) != [3, side, side] or config.num_classes != 2:
        raise ConfigError(
            f"relational games have images of 3 x {side} x {side} and two classes: take vidat/relational-games",
            field="image_shape",
        )
    games = RelationalGames(RelationalGamesConfig(game=GAME, count=5_000))
    metrics: dict[str, float] = {}
    trained = []
    for name, schema in (("dual attention", config), ("plain transformer", twin(config))):
        log(f"{name}: {count(schema)} parameters")
        trained.append(fit(schema, GAME, samples=SAMPLES, steps=STEPS, seed=seed, log=log))
        metrics |= {f"{name}, {objects}": accuracy for objects, accuracy in games.run(trained[-1]).items()}
    return trained[0], metrics
