"""The picture of the card."""

from __future__ import annotations

import datetime
import importlib.util
from collections import defaultdict
from pathlib import Path

import torch

from zoo.evidence.plots import new_figure, saved
from zoo.targets import missing_dependency
from zoo_activity.pisa.actr import base_level

_DAY = 86_400.0


def _purchases() -> dict[str, list[float]]:
    """Days, from the first of 1997 on, of each customer's purchases: CDNOW, of the package lifetimes (MIT)."""
    found = importlib.util.find_spec("lifetimes")
    if found is None or not found.submodule_search_locations:
        raise missing_dependency("lifetimes", needed_by="the dated purchases")
    text = Path(found.submodule_search_locations[0]) / "datasets" / "CDNOW_master.txt"
    days: dict[str, list[float]] = defaultdict(list)
    for line in text.read_text().splitlines()[1:]:
        customer, date, *_ = line.split()
        passed = datetime.datetime.strptime(date, "%Y%m%d") - datetime.datetime(1997, 1, 1)
        days[customer].append(float(passed.days))
    return days


def memory(path: Path) -> None:
    """Base-level activation over time of three CDNOW customers' purchases: each one lifts it, and it decays."""
    bought = _purchases()
    frequent = sorted(bought, key=lambda customer: -len(bought[customer]))
    chosen = (frequent[40], frequent[600], frequent[4000])
    figure = new_figure(figsize=(9, 4.6))
    axis = figure.subplots()
    times = torch.arange(1.0, 545.0)
    for customer, colour in zip(chosen, ("#0072b2", "#d55e00", "#009e73"), strict=True):
        days = torch.tensor(sorted(bought[customer]))
        levels = [
            float(base_level(_DAY * days[days < time][None], float(time) * _DAY)[0])
            if bool((days < time).any())
            else float("nan")
            for time in times
        ]
        axis.plot(times, levels, color=colour, label=f"{len(days)} purchases", linewidth=1.6)
        axis.plot(days, torch.full_like(days, -9.6 + 0.25 * chosen.index(customer)), "|", color=colour, markersize=9)
    axis.set(
        xlabel="days since 1 January 1997 (bars: purchases)",
        ylabel="base level, ln sum of age in seconds ^ -0.5",
        title="frequent and recent events are the ones that memory holds",
    )
    axis.legend(loc="upper left")
    saved(figure, path)
