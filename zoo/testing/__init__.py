"""For plugin authors: the suite of a plugin, a local Hub server, and the pytest plugin that brings both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoo.testing.plugin_suite import suite

__all__ = ["suite"]


def __getattr__(name: str) -> Any:
    # The suite needs pytest, which the local Hub does without.
    if name == "suite":
        from zoo.testing.plugin_suite import suite

        return suite
    raise AttributeError(f"module 'zoo.testing' has no attribute {name!r}")
