"""What this plugin offers: facts only, light to import."""

from __future__ import annotations

from collections.abc import Iterator

from zoo import Claim, Entry, Paper, Weights, hookimpl  # noqa: F401 (until a paper with weights is here)


@hookimpl
def zoo_papers() -> Iterator[Paper]:
    """The papers of this plugin, in alphabetical order of id."""
    yield from ()
