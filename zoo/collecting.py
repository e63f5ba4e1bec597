"""The papers of a plugin, collected from the facts beside their code.

A plugin's ``catalogue.py`` is three lines that nobody edits again::

    from zoo import papers_beside

    zoo_papers = papers_beside(__file__)

Every folder beside it that holds a ``facts.py`` is the package of one paper, and ``PAPER`` in that module is the
paper. A ``facts.py`` that fails is set aside alone: the plugin's other papers work, and ``zoo doctor`` names it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import astuple
from importlib import import_module
from pathlib import Path

from zoo.errors import PluginError
from zoo.facts import BrokenPaper, Paper
from zoo.foreign import Failure, attempt
from zoo.hooks import hookimpl


def papers_beside(file: str) -> Callable[[], Iterator[Paper | BrokenPaper]]:
    """The hook ``zoo_papers`` of a plugin whose papers' packages lie beside ``file``.

    Args:
        file: ``__file__`` of the plugin's catalogue, a module of a regular package (one with an ``__init__.py``).

    Returns:
        An implementation of the hook: the papers in the order of their packages' names.
    """
    folder = Path(file).parent
    package = _package(folder)

    @hookimpl
    def zoo_papers() -> Iterator[Paper | BrokenPaper]:
        for facts in sorted(folder.glob("*/facts.py")):
            yield _paper(f"{package}.{facts.parent.name}")

    return zoo_papers


def _package(folder: Path) -> str:
    """Dotted name of the package that a folder is."""
    parts: list[str] = []
    while (folder / "__init__.py").is_file():
        parts.append(folder.name)
        folder = folder.parent
    if not parts:
        raise PluginError(f"{folder} is no package: papers_beside needs an __init__.py beside the catalogue")
    return ".".join(reversed(parts))


def _paper(package: str) -> Paper | BrokenPaper:
    found = attempt(lambda: _stated(package))
    return BrokenPaper(package.rpartition(".")[2], *astuple(found)) if isinstance(found, Failure) else found


def _stated(package: str) -> Paper:
    paper = getattr(import_module(f"{package}.facts"), "PAPER", None)
    if not isinstance(paper, Paper):
        raise PluginError(f"{package}.facts: PAPER is {paper!r}; expected a zoo.Paper")
    return paper
