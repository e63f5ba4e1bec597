"""The three doors a plugin may open, as pluggy hook specifications."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pluggy

if TYPE_CHECKING:
    import click

    from zoo.facts import BrokenPaper, Paper

PROJECT = "zoo"


class Source(Protocol):
    """What a plugin gives for a URI scheme: the URI to local safetensors files, in order."""

    def __call__(self, uri: str) -> list[Path]:
        """Fetch."""


# URI schemes that the core itself reads.
OWN_SCHEMES = ("hf", "package", "file")

hookimpl = pluggy.HookimplMarker(PROJECT)
hookspec = pluggy.HookspecMarker(PROJECT)


@hookspec
def zoo_papers() -> Iterable[Paper | BrokenPaper]:  # type: ignore[empty-body]
    """Yield the papers the plugin offers. Must not import torch.

    ``zoo.papers_beside(__file__)`` implements it for papers whose facts lie beside the catalogue.
    """


@hookspec
def zoo_sources() -> Mapping[str, Source]:  # type: ignore[empty-body]
    """Map new weight URI schemes ("s3") to sources: ``source(uri) -> list of local paths``."""


@hookspec
def zoo_commands() -> Iterable[click.Command]:  # type: ignore[empty-body]
    """Yield extra commands for the ``zoo`` command line."""
