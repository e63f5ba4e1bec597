"""Names: how they are written, compared and suggested."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import NamedTuple

from zoo.errors import InputError, shown


class Name(NamedTuple):
    """The parts of ``[plugin:]entry[/preset]``; a preset may itself contain slashes."""

    plugin: str | None
    entry: str
    preset: str | None


def parse(name: str) -> Name:
    """Split a name at its first colon and first slash.

    Raises:
        InputError: it is no text.
    """
    if not isinstance(name, str):
        raise InputError(f"name={shown(name)} is not a name; expected one like entry, entry/preset or plugin:entry")
    plugin, colon, rest = name.rpartition(":") if ":" in name.partition("/")[0] else ("", "", name)
    entry, slash, preset = rest.partition("/")
    return Name(fold(plugin) if colon else None, fold(entry), preset if slash else None)


def fold(name: str) -> str:
    """The form in which names are compared: lower case, dashes for underscores."""
    return name.strip().lower().replace("_", "-")


def nearest(name: str, candidates: Iterable[str], limit: int = 3) -> list[str]:
    """The candidates that look most like ``name``, best first."""
    by_fold = {fold(candidate): candidate for candidate in candidates}
    close = difflib.get_close_matches(fold(name), by_fold, n=limit, cutoff=0.5)
    inside = [key for key in by_fold if fold(name) and fold(name) in key and key not in close]
    return [by_fold[key] for key in (close + sorted(inside, key=len))[:limit]]


def suggestion(name: str, candidates: Iterable[str]) -> str:
    """A sentence with the nearest candidates, or an empty string."""
    found = nearest(name, candidates)
    return f" Did you mean {' or '.join(repr(candidate) for candidate in found)}?" if found else ""
