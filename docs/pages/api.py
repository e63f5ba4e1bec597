"""The reference, from docstrings: ``api/``, a page per part of what users and plugin authors call.

Sphinx' autodoc reads the docstrings, napoleon their sections; what is written here is which names stand on which page.
Of whole packages every public module is there, with its public names.
"""

from __future__ import annotations

import pkgutil
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

# Commands, and what only this repository's own tools call.
_INNER = re.compile(r"zoo\.evidence\.(commands|papers|hub_\w+)|zoo\.testing\.conformance_of_plugin")


@dataclass(frozen=True)
class Part:
    """A page of the reference.

    Args:
        name: of the page.
        title: its heading.
        text: what it is for, in Markdown.
        sections: heading -> names with their module, "zoo.load", or modules as a whole, which end with ".*".
    """

    name: str
    title: str
    text: str
    sections: dict[str, Sequence[str]]


def parts() -> list[Part]:
    """The pages, in their order."""
    return [
        Part(
            "zoo",
            "zoo",
            "What a user calls. `import zoo` imports no torch; the first call that needs it does.",
            {
                "Find": _of("entries papers info config"),
                "Load, save, share": _of("load save push fill"),
                "In models of other libraries": _of("register_transformers swap as_transformers"),
                "Errors": _of(
                    "ZooError AmbiguousName CheckpointMismatch ConfigError DigestMismatch DownloadError InputError "
                    "MaskError MissingDependency PickleRefused PluginError UnknownName WeightsError"
                ),
            },
        ),
        Part(
            "plugins",
            "For plugin authors",
            "The facts that a plugin states, the hooks it may have, and helpers. "
            "[Write a plugin](../guides/write-a-plugin.md) shows them at work.",
            {
                "Facts": _of("Paper Entry Weights Claim Measurement Traits"),
                "Schemas and catalogues": _of("field papers_beside refresh"),
                "Hooks": ["zoo.hooks.*"],
                "Helpers": [f"zoo.{name}.*" for name in ("targets", "datasets", "threads", "counting", "building")],
            },
        ),
        Part(
            "testing",
            "zoo.testing",
            "Tests for plugins: the conformance suite, and a local Hub that the real client talks to.",
            {"The suite": ["zoo.testing.suite"], "Modules": _modules("zoo.testing")},
        ),
        Part("nn", "zoo.nn", "Parts that papers share.", {"Modules": _modules("zoo.nn")}),
        Part(
            "bridges",
            "zoo.bridges",
            "Other people's models: mechanisms get in, and what happens inside gets out. "
            "[Look inside a model](../guides/look-inside-a-model.md) shows it at work.",
            {"Modules": _modules("zoo.bridges")},
        ),
        Part(
            "evidence",
            "zoo.evidence",
            "Recordings, claims, costs, comparisons, cards and pictures: what the commands call.",
            {"Modules": _modules("zoo.evidence")},
        ),
    ]


def write(target: Path) -> None:
    """Add ``api/index.md`` and its pages."""
    folder = target / "api"
    folder.mkdir(parents=True, exist_ok=True)
    chosen = parts()
    listed = "\n".join(
        f"- [{part.title}]({part.name}.md): {part.text.partition('. ')[0].rstrip('.')}." for part in chosen
    )
    tree = "\n".join(part.name for part in chosen)
    index = f"# Reference\n\nFrom the docstrings.\n\n{listed}\n\n```{{toctree}}\n:hidden:\n\n{tree}\n```\n"
    (folder / "index.md").write_text(index, encoding="utf-8")
    for part in chosen:
        (folder / f"{part.name}.md").write_text(page(part), encoding="utf-8")


def page(part: Part) -> str:
    """The Markdown of a page."""
    text = [f"# {part.title}", part.text]
    for heading, names in part.sections.items():
        modules = [name.removesuffix(".*") for name in names if name.endswith(".*")]
        alone = len(part.sections) == 1
        if not alone:
            text.append(f"## {heading}")
        text += [_directive(name) for name in names if not name.endswith(".*")]
        text += [f"{'##' if alone else '###'} {module}\n\n{_module(module)}" for module in modules]
    return "\n\n".join(text) + "\n"


def _of(names: str) -> list[str]:
    return [f"zoo.{name}" for name in names.split()]


def _modules(package: str) -> list[str]:
    """Every public module of a package, itself included where it says more than its line of the page."""
    found = pkgutil.walk_packages(import_module(package).__path__, f"{package}.")
    names = [module.name for module in found if "._" not in module.name and not _INNER.match(module.name)]
    return [f"{name}.*" for name in sorted(names)]


def _directive(name: str) -> str:
    module, _, own = name.rpartition(".")
    found = getattr(import_module(module), own)
    kind = "exception" if isinstance(found, type) and issubclass(found, Exception) else "class"
    directive = f"auto{kind if isinstance(found, type) else 'function'}"
    members = "\n   :members:" if isinstance(found, type) else ""
    return f"```{{eval-rst}}\n.. {directive}:: {name}{members}\n```"


def _module(name: str) -> str:
    return f"```{{eval-rst}}\n.. automodule:: {name}\n   :members:\n   :member-order: bysource\n```"
