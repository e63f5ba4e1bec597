"""Training on windows of real photographs, as the paper trains on DIV2K: L1 distance, Adam, a halved rate."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.nn.descent import descend
from zoo_vision import restoration
from zoo_vision.a2n.config import A2NConfig
from zoo_vision.a2n.network import A2N
from zoo_vision.photographs import Split

STEPS = 1500
SIDE = 24


def train(
    config: A2NConfig, *, preset: str | None, seed: int, log: Callable[[str], None]
) -> tuple[nn.Module, dict[str, float]]:
    """Photographs reduced by ``scale``; three minutes on one core for the preset ``photographs``."""
    model = A2N(config).train()
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)

    def loss_of(truth: Tensor) -> Tensor:
        small = restoration.resized(truth, SIDE, SIDE)
        loss = functional.l1_loss(model(small * config.value_range), truth * config.value_range)
        return loss / config.value_range

    windows = restoration.patches("train", SIDE * config.scale, STEPS, 8, seed)
    rates = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    descend(model, windows, loss_of, optimizer, rates=rates, log=log)
    ours, bicubic = evaluate(model, config)
    return model, {"psnr": round(ours, 2), "bicubic": round(bicubic, 2)}


def evaluate(model: nn.Module, config: A2NConfig, split: Split = "test") -> tuple[float, float]:
    """Mean PSNR on luma in decibels, without ``scale`` border pixels, of the network and of bicubic enlargement.

    Args:
        model: the network.
        config: of the network.
        split: whose photographs. "held-out" ones were watched while the recipe was chosen, "test" ones were not.
    """
    ours: list[Tensor] = []
    bicubic: list[Tensor] = []
    for truth in restoration.patches(split, 24 * config.scale, 8, 8, seed=7):
        side = truth.shape[-1]
        small = restoration.resized(truth, side // config.scale, side // config.scale)
        with torch.no_grad():
            answer = (model(small * config.value_range) / config.value_range).clamp(0, 1)
        inner = slice(config.scale, -config.scale)
        right = restoration.luma(truth)[..., inner, inner]
        for found, figures in ((answer, ours), (restoration.resized(small, side, side), bicubic)):
            figures.append(restoration.psnr(restoration.luma(found)[..., inner, inner], right).mean())
    return float(torch.stack(ours).mean()), float(torch.stack(bicubic).mean())
