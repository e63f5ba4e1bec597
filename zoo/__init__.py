"""The attention zoo: one verb, ``zoo.load``, for everything that research on attention offers.

Importing this package imports neither torch nor any plugin; both come with the first call that needs them. Where
transformers is imported, before or later, its Auto classes learn of the zoo's networks: see
``zoo.bridges.transformers.arrival``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from zoo.bridges.transformers import arrival
from zoo.errors import (
    AmbiguousName,
    CheckpointMismatch,
    ConfigError,
    DigestMismatch,
    DownloadError,
    InputError,
    MaskError,
    MissingDependency,
    PickleRefused,
    PluginError,
    UnknownName,
    WeightsError,
    ZooError,
)
from zoo.facts import Claim, Entry, Measurement, Paper, Traits, Weights
from zoo.hooks import hookimpl

if TYPE_CHECKING:
    from zoo.about import info
    from zoo.bridges.swap import swap
    from zoo.bridges.transformers.hosting import as_transformers
    from zoo.bridges.transformers.registration import register_transformers
    from zoo.catalogue import refresh
    from zoo.collecting import papers_beside
    from zoo.configuration import field
    from zoo.filling import fill
    from zoo.loading import load
    from zoo.saving import push, save
    from zoo.views import config, entries, papers

__version__ = "0.1.0"

_LAZY = {
    "load": "zoo.loading",
    "save": "zoo.saving",
    "push": "zoo.saving",
    "config": "zoo.views",
    "entries": "zoo.views",
    "papers": "zoo.views",
    "info": "zoo.about",
    "field": "zoo.configuration",
    "fill": "zoo.filling",
    "refresh": "zoo.catalogue",
    "papers_beside": "zoo.collecting",
    "register_transformers": "zoo.bridges.transformers.registration",
    "transformers_bridge": "zoo.bridges.transformers.registration",
    "swap": "zoo.bridges.swap",
    "as_transformers": "zoo.bridges.transformers.hosting",
}

__all__ = ["load", "config", "entries", "papers", "info", "save", "push", "register_transformers", "swap"]
__all__ += ["as_transformers", "refresh", "field", "fill", "hookimpl", "papers_beside"]
__all__ += ["Claim", "Entry", "Measurement", "Paper", "Traits", "Weights", "ZooError"]
__all__ += ["AmbiguousName", "CheckpointMismatch", "ConfigError", "DigestMismatch", "DownloadError", "InputError"]
__all__ += ["MaskError", "MissingDependency", "PickleRefused", "PluginError", "UnknownName", "WeightsError"]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'zoo' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})


arrival.wait()
