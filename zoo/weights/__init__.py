"""Weights: where they come from, whether they are the right ones, and how they are read without a copy.

``fetch`` turns a fact or a URI into local safetensors files, ``open_state`` maps them into memory.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoo.weights.digests import verify
    from zoo.weights.files import open_state, read_metadata
    from zoo.weights.pickles import convert_pickle
    from zoo.weights.sources import fetch, fetch_file
    from zoo.weights.uploading import push_folder

_LAZY = {
    "convert_pickle": "zoo.weights.pickles",
    "fetch": "zoo.weights.sources",
    "fetch_file": "zoo.weights.sources",
    "open_state": "zoo.weights.files",
    "push_folder": "zoo.weights.uploading",
    "read_metadata": "zoo.weights.files",
    "verify": "zoo.weights.digests",
}

__all__ = ["convert_pickle", "fetch", "fetch_file", "open_state", "push_folder", "read_metadata", "verify"]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'zoo.weights' has no attribute {name!r}")
