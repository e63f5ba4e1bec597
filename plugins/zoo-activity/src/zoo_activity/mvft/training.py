"""Training on windows: of the task of three factors, and of real exercises."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.nn.descent import descend
from zoo_activity.baseline import linear_classifier
from zoo_activity.classification import accuracy, macro_f1
from zoo_activity.mvft.config import FactorsConfig, MVFTConfig
from zoo_activity.mvft.exercises import Windows, windows
from zoo_activity.mvft.factors import NUM_CLASSES, Factors, draw_windows
from zoo_activity.mvft.network import MVFT
from zoo_activity.mvft.signals import statistics
from zoo_activity.watch import EXERCISES

STEPS = 600


def fit(views: list[str], steps: int, seed: int = 0) -> MVFT:
    """A small MVFT of some views after Adam steps on fresh batches of 64 windows, with cosine decay from 3e-3."""
    torch.manual_seed(seed)
    window = FactorsConfig().window
    config = MVFTConfig(window=window, num_classes=NUM_CLASSES, dim=32, num_blocks=2, views=views, dropout=0.0)
    model = MVFT(config)
    generator = torch.Generator().manual_seed(1000 + seed)

    def loss_of(step: int) -> Tensor:
        windows, labels = draw_windows(64, window, generator)
        return functional.cross_entropy(model(windows), labels)

    optimizer = torch.optim.AdamW(model.parameters(), 3e-3, weight_decay=1e-2)
    rates = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    descend(model, range(steps), loss_of, optimizer, rates=rates)
    return model


def scores(model: nn.Module) -> dict[str, float]:
    """The benchmark's scores of a trained model; its windows are other ones than those of the training."""
    return Factors(FactorsConfig()).run(lambda windows: model(windows).argmax(-1))


def train(
    config: MVFTConfig, *, preset: str | None, seed: int, log: Callable[[str], None]
) -> tuple[nn.Module, dict[str, float]]:
    """Exercises of seven subjects, scored on three others; half a minute on one core for the preset ``watch``."""
    model = fit_exercises(config, seed=seed, log=log)
    return model, held_out_scores(model)


def fit_exercises(
    config: MVFTConfig, *, seed: int = 0, steps: int = STEPS, log: Callable[[str], None] = lambda line: None
) -> MVFT:
    """The recipe of the specification (AdamW, 1e-3, cosine decay, batches of 64) on the subjects that are not held out.

    Each batch is scaled and disturbed a little, channel by channel, as another wearer and another watch would do.
    """
    torch.manual_seed(seed)
    model = MVFT(config)
    data = windows(config, held_out=False)

    def loss_of(step: int) -> Tensor:
        chosen = torch.randint(len(data.signals), (64,))
        signals = data.signals[chosen]
        signals = signals * (1 + 0.2 * torch.randn(64, 1, config.in_channels)) + 0.05 * torch.randn_like(signals)
        return functional.cross_entropy(model(signals), data.exercises[chosen])

    optimizer = torch.optim.AdamW(model.parameters(), 1e-3, weight_decay=0.05)
    rates = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    descend(model, range(steps), loss_of, optimizer, rates=rates, log=log)
    return model


@torch.no_grad()
def held_out_scores(model: MVFT) -> dict[str, float]:
    """Accuracy and macro F1, shares, on the windows of the subjects that are held out."""
    data = windows(model.config, held_out=True)
    return _scores(torch.cat([model(part) for part in data.signals.split(256)]), data)


def linear_scores(config: MVFTConfig) -> dict[str, float]:
    """The same of a linear model on the twelve statistics of each channel of the whole window."""
    data, held = windows(config, held_out=False), windows(config, held_out=True)
    known, asked = (statistics(part.signals.mT).flatten(1) for part in (data, held))
    return _scores(linear_classifier(known, data.exercises, len(EXERCISES))(asked), held)


def _scores(logits: Tensor, data: Windows) -> dict[str, float]:
    said = logits.argmax(-1)
    return {
        "accuracy": round(accuracy(said, data.exercises), 4),
        "macro_f1": round(macro_f1(said, data.exercises, len(EXERCISES)), 4),
    }
