"""Run an entry's own training and write its weights: how bundled weights are reproduced."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from zoo.errors import InputError
from zoo.facts import Entry
from zoo.filling import tied_names
from zoo.targets import resolve
from zoo.threads import one_thread


@dataclass(frozen=True)
class Trained:
    """The written file's size and digest, and what the weights reach."""

    size: int
    sha256: str
    metrics: Mapping[str, Any]


def reproduce(
    entry: Entry, instance: Any, *, preset: str | None, seed: int, path: Path, log: Callable[[str], Any]
) -> Trained:
    """Train and write safetensors; the same seed on the same machine gives the same bytes.

    Args:
        entry: with a ``train``.
        instance: its checked config.
        preset: name of the preset, for the training's own choices.
        seed: of initialisation, data order and sampling.
        path: the file to write.
        log: takes lines of progress.

    Raises:
        InputError: the file cannot be written; found before the training, not after it.
    """
    from safetensors.torch import save

    _require_writable(path)
    torch.manual_seed(seed)
    # Sums in a fixed order, so that a seed means the same on every machine of a kind.
    with one_thread():
        module, metrics = resolve(entry.train or "")(instance, preset=preset, seed=seed, log=log)
    state = module.state_dict()
    # A tied tensor is written once, under its first name: safetensors refuses to write shared memory twice.
    content = save({names[0]: state[names[0]].contiguous() for names in tied_names(module)})
    _fresh(path).write_bytes(content)
    _fresh(path).replace(path)
    return Trained(len(content), hashlib.sha256(content).hexdigest(), metrics)


def _fresh(path: Path) -> Path:
    """Where the content is written until it is whole."""
    return path.with_name(f".{path.name}.new")


def _require_writable(path: Path) -> None:
    try:
        if path.exists() and not path.is_file():
            # It would be replaced: for root a device as well.
            raise InputError(f"{str(path)!r} is a folder or a device; expected the name of the file to write")
        path.parent.mkdir(parents=True, exist_ok=True)
        _fresh(path).touch()
        _fresh(path).unlink()
    except OSError as error:
        raise InputError(f"{str(path)!r} cannot be written: {error}") from error
