"""Run an entry's own training and write its weights: how bundled weights are reproduced."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from zoo.errors import PluginError, shown
from zoo.facts import Entry
from zoo.filling import tied_names
from zoo.places import check_file, write_whole
from zoo.targets import call
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

    check_file(path)
    torch.manual_seed(seed)
    # Sums in a fixed order, so that a seed means the same on every machine of a kind.
    with one_thread():
        given = call(entry.train or "", instance, preset=preset, seed=seed, log=log, gives=tuple)
    match given:
        case (nn.Module() as module, Mapping() as metrics):
            pass
        case _:
            raise PluginError(f"{entry.train} gives {shown(given)}; expected a module and a mapping of metrics")
    state = module.state_dict()
    # A tied tensor is written once, under its first name: safetensors refuses to write shared memory twice.
    content = save({names[0]: state[names[0]].contiguous() for names in tied_names(module)})
    write_whole(path, content)
    return Trained(len(content), hashlib.sha256(content).hexdigest(), metrics)
