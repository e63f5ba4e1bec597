"""The three doors a plugin may open, as pluggy hook specifications."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    import click

    from zoo.facts import Paper
    from zoo.weights.sources import Source

PROJECT = "zoo"

hookimpl = pluggy.HookimplMarker(PROJECT)
hookspec = pluggy.HookspecMarker(PROJECT)


@hookspec
def zoo_papers() -> Iterable[Paper]:  # type: ignore[empty-body]
    """Yield the papers the plugin offers. Must not import torch."""


@hookspec
def zoo_sources() -> Mapping[str, Source]:  # type: ignore[empty-body]
    """Map new weight URI schemes ("s3") to sources: ``source(uri) -> list of local paths``."""


@hookspec
def zoo_commands() -> Iterable[click.Command]:  # type: ignore[empty-body]
    """Yield extra commands for the ``zoo`` command line."""
