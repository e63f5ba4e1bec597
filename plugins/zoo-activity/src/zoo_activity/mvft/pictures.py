"""The pictures of the cards."""

from __future__ import annotations

from pathlib import Path

import torch

import zoo
from zoo.evidence.plots import new_figure, saved
from zoo_activity.mvft.config import FactorsConfig
from zoo_activity.mvft.exercises import windows
from zoo_activity.mvft.factors import draw_windows
from zoo_activity.watch import EXERCISES, RATE

_COLOURS = ("#0072b2", "#d55e00", "#009e73")


def classifier(path: Path) -> None:
    """A window of a held-out person's watch, and what `mvft/watch` calls the exercises of three held-out people."""
    model = zoo.load("mvft/watch")
    data = windows(model.config, held_out=True)
    with torch.no_grad():
        said = torch.cat([model(part) for part in data.signals.split(256)]).argmax(-1)
    chosen = int((said == data.exercises).nonzero()[100])

    figure = new_figure(figsize=(10.5, 4.6))
    grid = figure.add_gridspec(2, 2, width_ratios=(1, 1.15))
    seconds = torch.arange(model.config.window) / RATE
    for row, (name, first) in enumerate((("acceleration", 0), ("turning rate", 3))):
        axis = figure.add_subplot(grid[row, 0])
        for channel, colour in enumerate(_COLOURS):
            signal = data.signals[chosen, :, first + channel]
            axis.plot(seconds, signal, color=colour, label="xyz"[channel], linewidth=1.2)
        axis.set_ylabel(f"{name},\nstd. deviations", fontsize=9)
        if row == 0:
            axis.set_title(f'one window: "{EXERCISES[int(said[chosen])]}", rightly')
            axis.legend(loc="lower right", ncols=3, fontsize=8)
            axis.tick_params(labelbottom=False)
        else:
            axis.set_xlabel("seconds")
    right = figure.add_subplot(grid[:, 1])

    counts = torch.zeros(len(EXERCISES), len(EXERCISES))
    counts.index_put_((data.exercises, said), torch.ones(len(said)), accumulate=True)
    shares = counts / counts.sum(1, keepdim=True)
    image = right.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row in range(len(EXERCISES)):
        for column in range(len(EXERCISES)):
            if shares[row, column] >= 0.005:
                dark = bool(shares[row, column] > 0.6)
                text = f"{100 * shares[row, column]:.0f}"
                right.text(column, row, text, ha="center", va="center", fontsize=9, color="white" if dark else "black")
    right.set_xticks(range(len(EXERCISES)), EXERCISES, rotation=35, ha="right", fontsize=9)
    right.set_yticks(range(len(EXERCISES)), EXERCISES, fontsize=9)
    right.set(xlabel="said", ylabel="done", title=f"{len(said):,} windows, % of each row")
    figure.colorbar(image, ax=right, shrink=0.8, label="share of the windows")
    saved(figure, path)


def factors(path: Path) -> None:
    """Two windows of the task of three factors: each panel is one channel and differs in one factor alone."""
    drawn, classes = draw_windows(64, FactorsConfig().window, torch.Generator().manual_seed(3))
    pair = [drawn[int((classes == wanted).nonzero()[0])] for wanted in (0, 7)]
    figure = new_figure(figsize=(9, 5.6))
    axes = figure.subplots(3, 1)
    for signals, colour, label in zip(pair, _COLOURS, ("class 0", "class 7"), strict=False):
        spectrum = torch.fft.rfft(signals[:, 0]).abs()
        axes[0].plot(torch.arange(len(spectrum)) / len(signals), spectrum, color=colour, label=label)
        for channel in (1, 2):
            axes[channel].plot(signals[:, channel], color=colour, label=label, linewidth=1.3)
        axes[1].axhline(float(signals[:, 1].mean()), color=colour, linestyle="--", linewidth=1)
    titles = ("its spectrum tells the frequency", "its mean, dashed", "the order of its two ramps")
    for channel, (axis, title) in enumerate(zip(axes, titles, strict=True)):
        axis.set_title(f"channel {channel}: {title}", fontsize=10)
        axis.set_xlabel("cycles per sample" if channel == 0 else "samples", fontsize=9)
        axis.set_ylabel("amplitude" if channel == 0 else "signal", fontsize=9)
    axes[0].legend(loc="upper right", ncols=2, fontsize=9)
    saved(figure, path)
