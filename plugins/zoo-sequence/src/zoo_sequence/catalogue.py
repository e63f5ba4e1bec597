"""What this plugin offers: facts only, light to import."""

from __future__ import annotations

from collections.abc import Iterator

from zoo import Claim, Entry, Paper, Weights, hookimpl


@hookimpl
def zoo_papers() -> Iterator[Paper]:
    """The papers of this plugin, in alphabetical order of id."""
    yield from ()
