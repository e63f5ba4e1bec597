"""Long sequences in blocks, so that what is computed for a few tokens at a time never fills the memory."""

from __future__ import annotations

from collections.abc import Iterator

import torch


def blocks(start: int, stop: int, size: int) -> Iterator[slice]:
    """Slices of at most ``size`` that cover a range; one, an empty one, where it is empty.

    One slice also while ``torch.export`` (or an ONNX export) traces: the number of rounds of a loop would become part
    of the program, and with it the length.
    """
    if torch.compiler.is_exporting() or stop <= start:
        yield slice(start, stop)
        return
    for first in range(start, stop, size):
        yield slice(first, min(first + size, stop))
