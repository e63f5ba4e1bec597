"""Training on events of real videos."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.nn.descent import descend
from zoo_activity.baseline import linear_classifier
from zoo_activity.classification import accuracy
from zoo_activity.spikmamba.config import SpikMambaConfig
from zoo_activity.spikmamba.network import SpikMamba
from zoo_activity.spikmamba.videos import SCENES, Clips, clips

STEPS, TAUGHT, ASKED = 600, 1800, 300


def train(
    config: SpikMambaConfig, *, preset: str | None, seed: int, log: Callable[[str], None]
) -> tuple[nn.Module, dict[str, float]]:
    """AdamW on 1,800 clips; three minutes on one core for the preset ``video``."""
    model, data = SpikMamba(config), clips(config, TAUGHT, held_out=False, seed=seed)

    def loss_of(step: int) -> Tensor:
        chosen = torch.randint(TAUGHT, (24,))
        return functional.cross_entropy(model(data.videos[chosen]), data.scenes[chosen])

    optimizer = torch.optim.AdamW(model.parameters(), 2e-3, weight_decay=0.05)
    rates = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    descend(model, range(STEPS), loss_of, optimizer, rates=rates, log=log, log_every=50)
    return model, {"accuracy": round(held_out_accuracy(model), 4)}


@torch.no_grad()
def held_out_accuracy(model: SpikMamba) -> float:
    """Share of the held-out clips whose scene is named."""
    model.eval()
    held = clips(model.config, ASKED, held_out=True, seed=1)
    said = torch.cat([model(part) for part in held.videos.split(50)]).argmax(-1)
    return accuracy(said, held.scenes)


def linear_accuracy(config: SpikMambaConfig) -> float:
    """The same of a linear model on how many pixels got brighter and darker in each frame."""
    data, held = clips(config, TAUGHT, held_out=False), clips(config, ASKED, held_out=True, seed=1)

    def counts(found: Clips) -> Tensor:
        return found.videos[:, :2].mean((3, 4)).add(1e-3).log().flatten(1)

    said = linear_classifier(counts(data), data.scenes, len(SCENES))(counts(held)).argmax(-1)
    return accuracy(said, held.scenes)
