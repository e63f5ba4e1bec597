"""The pictures of the cards."""

from __future__ import annotations

from pathlib import Path

import torch

import zoo
from zoo.evidence.plots import new_figure, saved
from zoo_activity.persistent_transient_duality.config import SwitchingConfig
from zoo_activity.persistent_transient_duality.switching import Switching, episodes


def forecast(path: Path) -> None:
    """Four walkers of the task, the bundled network's forecasts, and where it switched the transient process on."""
    model = zoo.load("persistent-transient-duality/switching")
    task = SwitchingConfig(observed=model.config.observed, horizon=model.config.horizon)
    known = Switching(task).episodes
    # Those that circle before and after the present, and two others.
    busy = known.circling[..., 0].sum(1).argsort(descending=True)
    chosen = [int(busy[0]), int(busy[8]), int(busy[len(busy) // 3]), int(busy[-1])]
    with torch.no_grad():
        found = model(known.humans[:, : task.observed], known.objects[:, : task.observed], horizon=task.horizon)
    figure = new_figure(figsize=(10, 3.6))
    for episode, axis in zip(chosen, figure.subplots(1, len(chosen)), strict=True):
        true = known.humans[episode, :, 0, 0, :2]
        said = torch.cat((true[task.observed - 1 : task.observed], found.humans[episode, :, 0, 0, :2]))
        axis.plot(*true[: task.observed].T, "o-", color="black", markersize=4, label="observed")
        axis.plot(*true[task.observed - 1 :].T, "o:", color="grey", markersize=4, label="true")
        axis.plot(*said.T, "s-", color="#0072b2", markersize=4, label="forecast")
        on = found.switch[episode, :, 0].bool()
        steps = torch.cat((true[: task.observed], said[1:]))[1:][on]
        axis.plot(*steps.T, "o", color="#d55e00", markersize=10, fillstyle="none", label="switched on")
        axis.plot(*known.objects[episode, 0, :, :2].T, "x", color="#009e73", markersize=9, label="objects")
        axis.set_aspect("equal", adjustable="datalim")
        axis.set_xlabel("metres", fontsize=9)
        axis.tick_params(labelsize=8)
    figure.axes[0].set_ylabel("metres", fontsize=9)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=5, fontsize=9)
    saved(figure, path)


def task(path: Path) -> None:
    """A walker of the task over 80 steps: it circles each object that it comes near, and walks on."""
    config = SwitchingConfig()
    drawn = episodes(config, 12, 80, 3)
    episode = int(drawn.circling[..., 0].sum(1).argmax())
    way, on = drawn.humans[episode, :, 0, 0, :2], drawn.circling[episode, :, 0].bool()
    figure = new_figure(figsize=(9, 4.4))
    above, below = figure.subplots(1, 2, width_ratios=(1, 1.2))
    above.plot(*way.T, color="grey", linewidth=1)
    above.plot(*way[1:][~on].T, "o", color="#0072b2", markersize=4, label="walks")
    above.plot(*way[1:][on].T, "o", color="#d55e00", markersize=4, label="circles")
    above.plot(*drawn.objects[episode, 0, :, :2].T, "x", color="black", markersize=10, label="objects")
    above.set(aspect="equal", xlabel="metres", ylabel="metres", title="from above")
    above.legend(fontsize=9)
    speed = (way[1:] - way[:-1]).norm(dim=-1)
    below.plot(range(1, 80), speed, color="black", label="metres a step")
    below.fill_between(range(1, 80), 0, float(speed.max()) * on.float(), color="#d55e00", alpha=0.3, step="mid")
    below.set(
        xlabel="step", ylabel="metres a step", ylim=(0, None), title="shaded: circling, what the switch should say"
    )
    saved(figure, path)
