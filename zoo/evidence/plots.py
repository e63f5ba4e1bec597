"""Figures of probes: made without pyplot's global state, and written where a path says so."""

from __future__ import annotations

from io import BytesIO
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


def saved_small(figure: Any, path: str | Path | None, *, dpi: int = 120, colours: int = 256) -> Any:
    """The figure, also written to ``path`` where there is one, as a PNG of few colours.

    Photographs, spectrograms and shaded words compress badly in all colours: they take a third of the bytes, and
    nothing else suffers.

    Args:
        figure: of matplotlib.
        path: of the PNG, or None.
        dpi: pixels an inch of the figure.
        colours: at most 256.
    """
    if path is not None:
        image = require("PIL.Image", needed_by="pictures of few colours")
        drawn = BytesIO()
        figure.savefig(drawn, dpi=dpi, format="png")
        with image.open(drawn) as picture:
            reduced = picture.convert("RGB").quantize(colours, dither=image.Dither.NONE)
        reduced.save(path, "PNG", optimize=True)
    return figure
