"""Training on events of real videos."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

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
    optimiser = torch.optim.AdamW(model.parameters(), 2e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, STEPS)
    for step in range(STEPS):
        chosen = torch.randint(TAUGHT, (24,))
        loss = functional.cross_entropy(model(data.videos[chosen]), data.scenes[chosen])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if (step + 1) % 50 == 0:
            log(f"step {step + 1}: loss {loss.item():.3f}")
    return model.eval(), {"accuracy": round(held_out_accuracy(model), 4)}


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

    known = counts(data)
    mean, deviation = known.mean(0), known.std(0)
    linear = nn.Linear(known.shape[1], len(SCENES))
    nn.init.zeros_(linear.weight)
    nn.init.zeros_(linear.bias)
    optimiser = torch.optim.LBFGS(linear.parameters(), max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimiser.zero_grad()
        value = functional.cross_entropy(linear((known - mean) / deviation), data.scenes)
        value = value + 1e-3 * linear.weight.square().sum()
        value.backward()
        return value

    optimiser.step(loss)
    with torch.no_grad():
        return accuracy(linear((counts(held) - mean) / deviation).argmax(-1), held.scenes)
