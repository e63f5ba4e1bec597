"""Training on windows of the task of three factors."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from zoo_activity.mvft.config import FactorsConfig, MVFTConfig
from zoo_activity.mvft.factors import NUM_CLASSES, Factors, draw_windows
from zoo_activity.mvft.network import MVFT


def fit(views: list[str], steps: int, seed: int = 0) -> MVFT:
    """A small MVFT of some views after Adam steps on fresh batches of 64 windows, with cosine decay from 3e-3."""
    torch.manual_seed(seed)
    window = FactorsConfig().window
    config = MVFTConfig(window=window, num_classes=NUM_CLASSES, dim=32, num_blocks=2, views=views, dropout=0.0)
    model = MVFT(config)
    optimiser = torch.optim.AdamW(model.parameters(), 3e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    generator = torch.Generator().manual_seed(1000 + seed)
    for _ in range(steps):
        windows, labels = draw_windows(64, window, generator)
        loss = functional.cross_entropy(model(windows), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return model.eval()


def scores(model: nn.Module) -> dict[str, float]:
    """The benchmark's scores of a trained model; its windows are other ones than those of the training."""
    return Factors(FactorsConfig()).run(lambda windows: model(windows).argmax(-1))
