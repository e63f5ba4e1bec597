"""Pictures of many shades, in few bytes: spectrograms and shaded words compress badly in all colours."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any


def saved_small(figure: Any, path: str | Path | None, *, dpi: int = 120, colours: int = 256) -> Any:
    """The matplotlib figure, also written to ``path`` where there is one, as a PNG of so many colours."""
    from PIL import Image

    if path is not None:
        drawn = BytesIO()
        figure.savefig(drawn, dpi=dpi, format="png")
        with Image.open(drawn) as picture:
            reduced = picture.convert("RGB").quantize(colours, dither=Image.Dither.NONE)
        reduced.save(path, "PNG", optimize=True)
    return figure
