"""``zoo doctor``: which plugins work, how long they take to import, which are broken and why."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version

from zoo import catalogue
from zoo.discovery import BrokenPlugin
from zoo.errors import printable
from zoo.views import plain_table

PACKAGES = (
    "attention-zoo",
    "torch",
    "safetensors",
    "huggingface-hub",
    "omegaconf",
    "pluggy",
    "transformers",
    "diffusers",
)
VARIABLES = ("ZOO_PLUGINS_DISABLED", "ZOO_CACHE", "HF_ENDPOINT", "HF_HOME", "HF_HUB_CACHE", "HF_HUB_OFFLINE")


def report() -> tuple[str, bool]:
    """The report, and whether every plugin and every paper works."""
    current = catalogue.current()
    parts = [_plugins(current), *(_broken(plugin) for plugin in current.broken)]
    broken_papers = [(plugin, paper) for plugin in current.plugins for paper in plugin.broken_papers]
    parts += [
        f"BROKEN PAPER {plugin.name}:{paper.name}: {paper.reason}\n{paper.traceback.rstrip()}"
        for plugin, paper in broken_papers
    ]
    if current.disabled:
        parts.append(f"disabled by {catalogue.DISABLED}: {', '.join(current.disabled)}")
    parts += [_packages(), _environment()]
    return printable("\n\n".join(parts)), not (current.broken or broken_papers)


def _plugins(current: catalogue.Catalogue) -> str:
    if not current.plugins:
        return "no working plugin; run: pip install zoo-sequence zoo-vision ..."
    rows = [
        (
            plugin.name,
            plugin.distribution,
            plugin.version,
            f"{plugin.seconds * 1000:.0f} ms",
            str(len(plugin.papers)),
            str(sum(len(paper.entries) for paper in plugin.papers)),
            ", ".join(sorted(str(command.name) for command in plugin.commands)),
        )
        for plugin in current.plugins
    ]
    return plain_table(("plugin", "distribution", "version", "import", "papers", "entries", "commands"), rows)


def _broken(plugin: BrokenPlugin) -> str:
    return f"BROKEN {plugin.name} ({plugin.distribution}): {plugin.reason}\n{plugin.traceback.rstrip()}"


def _packages() -> str:
    return plain_table(("package", "version"), [("python", platform.python_version()), *map(_package, PACKAGES)])


def _package(name: str) -> tuple[str, str]:
    try:
        return name, version(name)
    except PackageNotFoundError:
        return name, "not installed"


def _environment() -> str:
    return plain_table(("variable", "value"), [(name, os.environ.get(name, "not set")) for name in VARIABLES])
