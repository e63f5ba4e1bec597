"""``zoo.load``: from a name to a built and filled object.

The steps: find what the name means, merge its config, decide which weights it gets, build with the
parameters on the meta device, and assign memory-mapped tensors. Without weights the object is built for
real, freshly initialised.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from zoo import building, catalogue, configuration, names, origin
from zoo.errors import CheckpointMismatch, InputError, UnknownName, WeightsError, ZooError, message_of, shown
from zoo.facts import MODULE_KINDS, Entry, Weights
from zoo.filling import fill, is_quantised
from zoo.targets import call
from zoo.weights.files import CONFIG_FILE, settled
from zoo.weights.sources import local_path

if TYPE_CHECKING:
    from omegaconf import DictConfig
    from torch.distributed.device_mesh import DeviceMesh

AUTO = "auto"

# No conversion makes so much more of a file: of its numbers, and of its tensors, which may be stacks of experts. And a
# small file may belong to something small of any shape.
_TIMES_NUMBERS, _TIMES_TENSORS = 16, 256
_FEW_NUMBERS, _FEW_TENSORS = 1 << 16, 1 << 11


@dataclass(frozen=True)
class _Plan:
    """What a name asks for, before anything is built."""

    target: catalogue.Target
    weights: Weights | str | None
    config: Mapping[str, Any] | None
    license: str | None = None


def load(
    name: str | os.PathLike[str],
    *,
    weights: str | os.PathLike[str] | None = AUTO,
    device: torch.device | str | None = None,
    dtype: torch.dtype | str | None = None,
    mesh: DeviceMesh | None = None,
    config: Mapping[str, Any] | DictConfig | str | Path | None = None,
    **overrides: Any,
) -> Any:
    """Build an entry and fill it with weights.

    Args:
        name: ``entry``, ``entry/preset``, ``plugin:entry/preset``, ``hf://owner/repo[@revision]`` or a
            folder that ``zoo.save`` wrote.
        weights: ``"auto"`` (the preset's own, where it has some), ``None`` (freshly initialised), a tag
            of the entry, a URI or a path.
        device, dtype: converts on the way; by default the file's dtype, on the CPU.
        mesh: shards the module over a ``torch.distributed`` device mesh with FSDP2; each rank reads only
            its slice of the files.
        config: a mapping, a DictConfig or the path of a YAML file, merged over the preset.
        overrides: single config fields, merged last.

    Returns:
        By kind of entry: an ``nn.Module`` (attention, model), an object to attach (method), a callable (probe), a
        benchmark or a taxonomy. Modules come in eval mode, fresh ones too: call ``.train()`` before training, or
        dropout and batch norms stay as they are in use.

    Raises:
        ZooError: one of its subclasses, saying what was wrong and what to do.
    """
    while True:
        held = _held(name), _held(weights)
        try:
            built = _load(name, weights, device, dtype, mesh, config, overrides)
        except ZooError:
            if held == (_held(name), _held(weights)):
                raise
        else:
            if held == (_held(name), _held(weights)):
                return built


def _held(place: Any) -> tuple[str, int, int] | None:
    """Which save a folder holds: another may take its place while it is read, and the two must not mix."""
    try:
        folder = settled(local_path(os.fspath(place)))
        found = os.stat(folder / CONFIG_FILE)
    except (ZooError, TypeError, OSError, ValueError):
        return None
    return str(folder), found.st_ino, found.st_mtime_ns


def _load(
    name: str | os.PathLike[str],
    weights: str | os.PathLike[str] | None,
    device: torch.device | str | None,
    dtype: torch.dtype | str | None,
    mesh: DeviceMesh | None,
    config: Mapping[str, Any] | DictConfig | str | Path | None,
    overrides: Mapping[str, Any],
) -> Any:
    plan = _plan(name, weights)
    entry = plan.target.offer.entry
    merged = _merge(plan, config, overrides)
    device, dtype = _device(device), _dtype(dtype)
    chosen = _chosen_weights(entry, plan)
    if chosen is None:
        with building.on_device(device or torch.device("cpu")):
            built = building.build(entry, merged.instance)
        if isinstance(built, nn.Module):
            _finish_fresh(built, dtype, mesh)
        elif (device, dtype, mesh) != (None, None, None):
            raise InputError(f"{entry.id} is a {entry.kind} without parameters: it takes no device, dtype or mesh")
    else:
        built = _filled(entry, merged.instance, chosen, device=device, dtype=dtype, mesh=mesh)
    if isinstance(built, nn.Module):
        built.eval()
    license = chosen.license if isinstance(chosen, Weights) else plan.license
    origin.mark(built, origin.of(plan.target, merged.config, license))
    return built


def _filled(
    entry: Entry,
    instance: Any,
    weights: Weights | str,
    *,
    device: torch.device | None,
    dtype: torch.dtype | None,
    mesh: DeviceMesh | None,
) -> nn.Module:
    """A module built on meta, and filled."""
    from zoo.weights import fetch, open_state

    make = partial(building.build, entry, instance)
    if entry.kind not in MODULE_KINDS and not isinstance(make(), nn.Module):
        raise InputError(f"{entry.id} is a {entry.kind} without parameters to fill; load it with weights=None")
    paths = fetch(weights)
    read = weights.read if isinstance(weights, Weights) else None
    state: Mapping[str, Tensor] = call(read, paths, gives=Mapping) if read else open_state(paths)
    module = building.build_on_meta(make, limit=_limit(entry, state))
    convert = weights.convert if isinstance(weights, Weights) else entry.convert
    if convert:
        state = call(convert, state, instance, gives=Mapping)
    if mesh is None:
        return fill(module, state, device=device, dtype=dtype)
    from zoo.bridges.sharding import fill_sharded

    return fill_sharded(module, state, mesh, dtype=dtype)


def _limit(entry: Entry, state: Mapping[str, Tensor]) -> building.Limit:
    """A config that asks for far more numbers than the file holds is refused while it is built, not when all is."""
    numbers, tensors = sum(tensor.numel() for tensor in state.values()), len(state)
    error = CheckpointMismatch(
        f"The checkpoint does not fit {entry.id}: the config asks for far more than the {numbers:,} numbers in "
        f"{tensors:,} tensors that the file holds. Is it the checkpoint of another model or preset?"
    )
    size = _TIMES_NUMBERS * (numbers + _FEW_NUMBERS) * torch.float32.itemsize
    return building.Limit(size, _TIMES_TENSORS * tensors + _FEW_TENSORS, error)


def _plan(name: str | os.PathLike[str], weights: str | os.PathLike[str] | None) -> _Plan:
    if not isinstance(name, str | os.PathLike) or not os.fspath(name):
        raise InputError(f"name={shown(name)} is not a name; expected entry, entry/preset, hf://owner/repo or a folder")
    if not (weights is None or (isinstance(weights, str | os.PathLike) and os.fspath(weights))):
        raise InputError(f'weights={shown(weights)} is not "auto", None, a tag, a URI or a path')
    wanted = os.fspath(weights) if weights is not None else None
    text = os.fspath(name)
    if isinstance(name, str) and not text.startswith((".", "/", "~", "hf://", "file://")):
        try:
            return _Plan(catalogue.current().find(text), wanted, None)
        except UnknownName:
            if not os.path.exists(text):
                raise
    saved = origin.read(text)
    target = _installed(saved)
    if wanted != AUTO:
        return _Plan(target, wanted, saved.config)
    return _Plan(target, _saved_weights(target.offer.entry, saved), saved.config, saved.origin.license)


def _installed(saved: origin.Saved) -> catalogue.Target:
    """The offer that a saved object was built from, or an error naming the plugin to install."""
    facts = saved.origin
    found = catalogue.current().find_stored(facts.plugin, facts.entry, facts.distribution, f"{saved.place} holds")
    return catalogue.Target(found.offer, facts.preset)


def _saved_weights(entry: Entry, saved: origin.Saved) -> str | None:
    """Where a saved object's weights lie. A module never goes without; other kinds may have none."""
    from zoo.weights import fetch
    from zoo.weights.files import NoWeights

    if entry.kind not in MODULE_KINDS:
        try:
            fetch(saved.place)
        except NoWeights:
            return None
    return saved.place


def _merge(plan: _Plan, config: Any, overrides: Mapping[str, Any]) -> configuration.Merged:
    preset = plan.target.preset if plan.config is None else None
    return configuration.merge(plan.target.offer.entry, preset, config, overrides, saved=plan.config)


def _chosen_weights(entry: Entry, plan: _Plan) -> Weights | str | None:
    weights = plan.weights
    if weights is None or isinstance(weights, Weights):
        return weights
    if weights == AUTO:
        tag = entry.weights_for(plan.target.preset)
        return entry.weights[tag] if tag is not None else None
    for tag, known in entry.weights.items():
        if names.fold(tag) == names.fold(weights):
            return known
    if "://" in weights or os.sep in weights or weights.endswith(".safetensors") or os.path.exists(local_path(weights)):
        return weights
    tags = ", ".join(entry.weights) or "none"
    raise WeightsError(
        f"{entry.id} has no weights {shown(weights)} (its tags: {tags}), and that is neither a URI nor an existing "
        f"path.{names.suggestion(weights, entry.weights)}"
    )


def _finish_fresh(module: nn.Module, dtype: torch.dtype | None, mesh: DeviceMesh | None) -> None:
    if dtype is not None:
        # As with weights from a file: buffers outside the state dict keep their precision.
        fill(module, module.state_dict(), dtype=dtype)
    if mesh is not None:
        from zoo.bridges.sharding import shard

        shard(module, mesh)


def _device(device: torch.device | str | None) -> torch.device | None:
    """The device, tried out: better now than after a download."""
    if device is None:
        return None
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError, TypeError, ImportError) as error:
        reason = message_of(error).partition("\n")[0]
        raise InputError(f"device={shown(device)} is not a device of this machine: {reason}") from error


def _dtype(dtype: torch.dtype | str | None) -> torch.dtype | None:
    if dtype is None or isinstance(dtype, torch.dtype):
        found = dtype
    else:
        found = getattr(torch, dtype.removeprefix("torch."), None) if isinstance(dtype, str) else None
        if not isinstance(found, torch.dtype):
            raise InputError(f"dtype={shown(dtype)} is not a torch dtype; expected for example 'bfloat16'")
    if found is not None and (not found.is_floating_point or is_quantised(found)):
        raise InputError(f"dtype={dtype!r} is not a floating-point dtype that anything computes in; try 'bfloat16'")
    return found
