"""Installed distributions and what they advertise, however damaged the files of some of them are."""

from __future__ import annotations

from importlib.metadata import Distribution, EntryPoint, distributions, entry_points
from pathlib import PurePath

from zoo.foreign import Failure, attempt

UNKNOWN = "unknown"


def advertised(group: str) -> tuple[list[EntryPoint], list[tuple[str, Failure]]]:
    """The entry points of a group, and the distributions whose entry points cannot be read.

    Args:
        group: of entry points.

    Returns:
        Entry points as they lie on the path, and names of damaged distributions with the reason.
    """
    points = attempt(lambda: list(entry_points(group=group)))
    # Python reads the files of all distributions at once, so that one damaged file hides every entry point.
    return _one_by_one(group) if isinstance(points, Failure) else (points, [])


def _one_by_one(group: str) -> tuple[list[EntryPoint], list[tuple[str, Failure]]]:
    points: list[EntryPoint] = []
    damaged: list[tuple[str, Failure]] = []
    seen: set[str] = set()
    for distribution in distributions():
        name = name_of(distribution)
        # Of two of one name Python takes the first on the path.
        if canonical(name) in seen:
            continue
        seen.add(canonical(name))
        found = attempt(lambda: list(distribution.entry_points.select(group=group)))  # noqa: B023 (called at once)
        if isinstance(found, Failure):
            damaged.append((name, found))
        else:
            points += found
    return points, damaged


def canonical(name: str) -> str:
    """A distribution's name as pip compares it."""
    return name.lower().replace("_", "-").replace(".", "-")


def name_of(distribution: Distribution | None) -> str:
    """What pip calls a distribution; the name of its folder where its metadata does not say."""
    name = attempt(lambda: distribution.metadata["Name"] if distribution else None)
    if isinstance(name, str) and name:
        return name
    folder = PurePath(str(getattr(distribution, "_path", ""))).name
    return folder.partition("-")[0].replace("_", "-") or UNKNOWN


def version_of(distribution: Distribution | None) -> str:
    """Its version, or "unknown" where its metadata does not say."""
    version = attempt(lambda: distribution.metadata["Version"] if distribution else None)
    return version if isinstance(version, str) and version else UNKNOWN
