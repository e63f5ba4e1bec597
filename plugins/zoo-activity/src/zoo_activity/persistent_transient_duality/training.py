"""Training on the task of switching walkers."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from zoo.nn.descent import descend
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
    log: Callable[[str], object] = lambda line: None,
) -> PersistentTransientDuality:
    """Adam, cosine decay, gradients clipped; teacher-forced steps count less and less, and the switch's noise cools.

    ``labelled`` tells the switch who circles when.
    """
    torch.manual_seed(seed)
    model = PersistentTransientDuality(config)
    known = episodes(task, EPISODES, task.observed + task.horizon, seed)

    def loss_of(step: int) -> Tensor:
        done = step / steps
        if config.transient:
            model.switch.temperature = config.temperature * (1 - (1 - COOL) * done)
        rows = torch.randint(EPISODES, (BATCH,))
        humans, objects = known.humans[rows], known.objects[rows]
        forecast = model(humans[:, : task.observed], objects[:, : task.observed], horizon=task.horizon)
        labels = known.circling[rows] if labelled and config.transient else None
        return loss(forecast, humans, objects, labels, forced=1 - done)

    optimizer = torch.optim.Adam(model.parameters(), RATE)
    rates = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    descend(model, range(steps), loss_of, optimizer, rates=rates, clip=CLIP, log=log, log_every=50)
    return model


def train(
    config: DualityConfig, *, preset: str | None, seed: int, log: Callable[[str], None]
) -> tuple[nn.Module, dict[str, float]]:
    """Fit the preset ``switching`` to the task, without labels of the switch."""
    task = SwitchingConfig(observed=config.observed, horizon=config.horizon)
    model = fit(config, task, steps=STEPS, seed=seed, log=log)
    return model, Switching(task).run(forecaster(model))
