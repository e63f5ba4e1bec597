"""Training on the task of switching walkers."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from zoo_activity.persistent_transient_duality.config import DualityConfig, SwitchingConfig
from zoo_activity.persistent_transient_duality.network import PersistentTransientDuality
from zoo_activity.persistent_transient_duality.objective import loss
from zoo_activity.persistent_transient_duality.switching import Switching, episodes, forecaster

STEPS, EPISODES, BATCH, RATE, CLIP = 500, 512, 32, 1e-2, 1.0
# Temperature of the switch's noise at the end, as a share of that at the beginning.
COOL = 0.5


def fit(
    config: DualityConfig,
    task: SwitchingConfig,
    *,
    steps: int,
    seed: int = 0,
    labelled: bool = False,
    log: Callable[[str], None] | None = None,
) -> PersistentTransientDuality:
    """Adam, cosine decay, gradients clipped; teacher-forced steps count less and less, and the switch's noise cools.

    ``labelled`` tells the switch who circles when.
    """
    torch.manual_seed(seed)
    model = PersistentTransientDuality(config).train()
    known = episodes(task, EPISODES, task.observed + task.horizon, seed)
    optimiser = torch.optim.Adam(model.parameters(), RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for step in range(steps):
        done = step / steps
        if config.transient:
            model.switch.temperature = config.temperature * (1 - (1 - COOL) * done)
        rows = torch.randint(EPISODES, (BATCH,))
        humans, objects = known.humans[rows], known.objects[rows]
        forecast = model(humans[:, : task.observed], objects[:, : task.observed], horizon=task.horizon)
        labels = known.circling[rows] if labelled and config.transient else None
        value = loss(forecast, humans, objects, labels, forced=1 - done)
        optimiser.zero_grad()
        value.backward()
        nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimiser.step()
        schedule.step()
        if log is not None and step % 50 == 49:
            log(f"step {step + 1}: loss {float(value.detach()):.4f}")
    return model.eval()


def train(
    config: DualityConfig, *, preset: str | None, seed: int, log: Callable[[str], None]
) -> tuple[nn.Module, dict[str, float]]:
    """Fit the preset ``switching`` to the task, without labels of the switch."""
    task = SwitchingConfig(observed=config.observed, horizon=config.horizon)
    model = fit(config, task, steps=STEPS, seed=seed, log=log)
    return model, Switching(task).run(forecaster(model))
