"""Figures of probes: made without pyplot's global state, and written where a path says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from zoo.targets import require


def new_figure(**options: Any) -> Any:
    """An empty matplotlib figure whose parts do not overlap; options go to ``matplotlib.figure.Figure``.

    Raises:
        MissingDependency: matplotlib is not installed.
    """
    return require("matplotlib.figure", needed_by="plotting").Figure(layout="constrained", **options)


def saved(figure: Any, path: str | Path | None) -> Any:
    """The figure, also written to ``path`` where there is one, in the format of its suffix."""
    if path is not None:
        figure.savefig(path, dpi=120)
    return figure
