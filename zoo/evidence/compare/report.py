"""The comparison as a table: for a terminal, for Markdown, as CSV and JSON, and as a picture."""

from __future__ import annotations

import csv
import io
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

from zoo.evidence.compare.running import Problem
from zoo.evidence.compare.training import Run
from zoo.targets import require


@dataclass(frozen=True)
class Score:
    """Mean over the seeds, and how far the seeds lie from it at most."""

    mean: float
    spread: float

    def __str__(self) -> str:
        return f"{self.mean:.2f} ± {self.spread:.2f}"


@dataclass(frozen=True)
class Row:
    """One layer: what it is, what it costs (by task), and its scores by (task, level)."""

    layer: str
    causal: bool
    positions: str
    parameters: int
    milliseconds: dict[str, float]
    peak_bytes: dict[str, int]
    scores: dict[tuple[str, str], Score]

    @property
    def short(self) -> str:
        """The name without its plugin, and the options."""
        name, space, options = self.layer.partition(" (")
        return f"{name.rpartition(':')[2]}{space}{options}"


def rows(results: Sequence[Run | Problem]) -> list[Row]:
    """One row per layer that has a score."""
    by_layer: dict[str, list[Run]] = {}
    for result in results:
        if isinstance(result, Run):
            by_layer.setdefault(result.layer, []).append(result)
    return [_row(layer, runs) for layer, runs in by_layer.items()]


def _row(layer: str, runs: Sequence[Run]) -> Row:
    tasks = {run.task: [other for other in runs if other.task == run.task] for run in runs}
    scores = {
        (task, level): _score([run.scores[level] for run in same])
        for task, same in tasks.items()
        for level in same[0].scores
    }
    return Row(
        layer,
        runs[0].causal,
        runs[0].positions,
        max(run.parameters for run in runs),
        {task: min(run.milliseconds for run in same) for task, same in tasks.items()},
        {task: max(run.peak_bytes for run in same) for task, same in tasks.items()},
        scores,
    )


def _score(figures: Sequence[float]) -> Score:
    mean = statistics.fmean(figures)
    return Score(mean, max(abs(figure - mean) for figure in figures))


def _columns(table: Sequence[Row]) -> list[tuple[str, str]]:
    return list(dict.fromkeys(column for row in table for column in row.scores))


def cells(table: Sequence[Row]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Heads and cells of text. Cost is that of the task that costs most."""
    columns = _columns(table)
    heads = (
        "layer",
        "causal",
        "positions",
        "parameters",
        "ms a step",
        "peak MB",
        *(" ".join(each) for each in columns),
    )
    body = [
        (
            row.short,
            "yes" if row.causal else "no",
            row.positions,
            f"{row.parameters:,}",
            f"{max(row.milliseconds.values()):.1f}",
            f"{max(row.peak_bytes.values()) / 1e6:.1f}",
            *(str(row.scores[column]) if column in row.scores else "-" for column in columns),
        )
        for row in table
    ]
    return heads, body


def markdown(table: Sequence[Row]) -> str:
    """The same as a table of Markdown."""
    heads, body = cells(table)
    lines = [heads, ("---",) * len(heads), *((f"`{first}`", *rest) for first, *rest in body)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def as_csv(table: Sequence[Row]) -> str:
    """One line per layer, task and level, in full precision."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        ("layer", "causal", "positions", "parameters", "task", "level", "mean", "spread", "milliseconds", "peak_bytes")
    )
    for row in table:
        for (task, level), score in row.scores.items():
            facts = (row.layer, row.causal, row.positions, row.parameters, task, level, score.mean, score.spread)
            writer.writerow((*facts, row.milliseconds[task], row.peak_bytes[task]))
    return text.getvalue()


def as_json(table: Sequence[Row], results: Sequence[Run | Problem], settings: dict[str, Any]) -> dict[str, Any]:
    """Everything, for other programs: settings, rows with their scores by task and level, and problems."""
    layers = [
        {
            "layer": row.layer,
            "causal": row.causal,
            "positions": row.positions,
            "parameters": row.parameters,
            "tasks": {
                task: {
                    "milliseconds": row.milliseconds[task],
                    "peak_bytes": row.peak_bytes[task],
                    "scores": {
                        level: {"mean": score.mean, "spread": score.spread}
                        for (name, level), score in row.scores.items()
                        if name == task
                    },
                }
                for task in row.milliseconds
            },
        }
        for row in table
    ]
    problems = [vars(result) for result in results if isinstance(result, Problem)]
    return {"settings": settings, "layers": layers, "problems": problems}


def plot(table: Sequence[Row], path: Path) -> None:
    """A panel per task, a line per layer: score over level, spread as a bar."""
    figures = require("matplotlib.figure", needed_by="plotting")
    colours = require("matplotlib", needed_by="plotting").colormaps["tab20"].colors
    tasks = list(dict.fromkeys(task for task, _ in _columns(table)))
    columns = min(2, len(tasks))
    lines = ceil(len(tasks) / columns)
    figure = figures.Figure(figsize=(9.6, 3.4 * lines + 0.25 * ceil(len(table) / 3) + 0.4), layout="constrained")
    panels = figure.subplots(lines, columns, squeeze=False).flat
    for panel in list(panels)[len(tasks) :]:
        panel.set_axis_off()
    for panel, task in zip(figure.axes, tasks, strict=False):
        levels = [level for name, level in _columns(table) if name == task]
        for index, row in enumerate(table):
            own = [level for level in levels if (task, level) in row.scores]
            scores = [row.scores[task, level] for level in own]
            panel.errorbar(
                [levels.index(level) for level in own],
                [score.mean for score in scores],
                [score.spread for score in scores],
                label=row.short,
                color=colours[index % len(colours)],
                linestyle="-" if index < len(colours) else "--",
                marker="o",
                markersize=3,
                capsize=2,
            )
        panel.set(title=task, xlabel="level", xticks=range(len(levels)), xticklabels=levels)
        panel.set_ylabel("bits per character" if task == "text" else "share of right answers")
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=10)
    figure.savefig(path, dpi=120)


def write(table: Sequence[Row], results: Sequence[Run | Problem], settings: dict[str, Any], folder: Path) -> list[Path]:
    """All forms into a folder: table.md, table.csv, table.json and table.png."""
    import json

    folder.mkdir(parents=True, exist_ok=True)
    texts = {
        "table.md": markdown(table),
        "table.csv": as_csv(table),
        "table.json": json.dumps(as_json(table, results, settings), indent=1) + "\n",
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    if table:
        plot(table, folder / "table.png")
    return [folder / name for name in (*texts, *(("table.png",) if table else ()))]
