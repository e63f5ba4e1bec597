"""The config that builds an object as it is now.

``layer.mode = "full"`` after loading belongs into the saved config. Which field a changed attribute mirrors is not
written down anywhere, so it is tried: the fields of the same name get the new values, those of the object's own
properties too, and the object that this config builds must be like the one at hand in everything.
"""

from __future__ import annotations

import copy
import enum
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from torch import nn

from zoo import building, catalogue, configuration
from zoo.bridges import changes
from zoo.bridges.drawing import OwnNumbers
from zoo.errors import ConfigError, InputError
from zoo.facts import MODULE_KINDS
from zoo.origin import Origin

_SHOWN = 8
_WAYS_OUT = (
    (
        "peft.",
        "Merge the adapters first: zoo.save(model.merge_and_unload(), ...), or keep them apart by peft's own save",
    ),
    ("Parametrized", "Run torch.nn.utils.parametrize.remove_parametrizations(module, name) first"),
    ("_mask is a buffer", "Run torch.nn.utils.prune.remove(module, name) first; it keeps the pruned values"),
    ("weight_g is a parameter", "Run torch.nn.utils.remove_weight_norm(module, name) first"),
    ("weight_u is a buffer", "Run torch.nn.utils.remove_spectral_norm(module, name) first"),
    ("torch.ao.", "Save before quantising, and quantise what zoo.load gives back"),
    ("torchao.", "Save before quantising, and quantise what zoo.load gives back"),
    ("bitsandbytes.", "Save before quantising, and quantise what zoo.load gives back"),
)


def as_it_is(obj: Any, facts: Origin) -> tuple[Origin, Any]:
    """The origin whose config builds the object, and that fresh build (a module has its parameters on meta).

    Forward hooks, which no config builds and many tools hang in, are only warned of.

    Raises:
        InputError: no config builds it (the message lists what differs and what to do), or it has no values.
    """
    if isinstance(obj, nn.Module):
        _require_values(obj)
    built = _build(facts)
    found = list(changes.changes(obj, built))
    if found:
        config = _following(facts.config, [*found, *changes.in_properties(facts.config, obj, built)])
        facts, built = replace(facts, config=config), _rebuilt(config, facts)
        if built is None or any(changes.changes(obj, built)):
            raise InputError(_report(obj, facts, found))
    if isinstance(obj, nn.Module) and (hooked := list(changes.hooks(obj, built))):
        warnings.warn(f"forward hooks are not saved, whatever they do: {', '.join(hooked)}", stacklevel=2)
    return facts, built


def _require_values(module: nn.Module) -> None:
    for name, tensor in changes.tensors(module).items():
        if tensor.is_meta:
            raise InputError(f"{name} is on the meta device and has no values to save")


def _rebuilt(config: dict[str, Any], facts: Origin) -> Any:
    """What a changed config builds; None where it is the same, or no config of the entry."""
    if config == facts.config:
        return None
    try:
        return _build(replace(facts, config=config))
    except ConfigError:
        return None


def _build(facts: Origin) -> Any:
    entry = catalogue.current().find(f"{facts.plugin}:{facts.entry}").offer.entry
    instance = configuration.merge(entry, None, saved=facts.config).instance
    # A build may draw random numbers, and saving must not move the caller's generator.
    with OwnNumbers():
        if entry.kind in MODULE_KINDS:
            return building.build_on_meta(lambda: building.build(entry, instance))
        return building.build(entry, instance)


def _following(config: Mapping[str, Any], found: list[changes.Change]) -> dict[str, Any]:
    """The config with every plain value that changed in the fields that bear its name."""
    following = copy.deepcopy(dict(config))
    for change in found:
        if change.value is not changes.NOT_PLAIN:
            for table, field in _fields_for(change.path, following):
                table[field] = change.value.name if isinstance(change.value, enum.Enum) else change.value
    return following


def _fields_for(path: str, config: dict[str, Any]) -> list[tuple[dict[str, Any], str]]:
    """The fields of the innermost name on a path that the config knows: of "dropout.p", those called dropout."""
    leaves = list(_leaves(config))
    for name in reversed(path.split(".")):
        if same := [(table, field) for table, field in leaves if field == name]:
            return same
    return []


def _leaves(config: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str]]:
    for name, value in config.items():
        if isinstance(value, dict):
            yield from _leaves(value)
        else:
            yield config, name


def _report(obj: Any, facts: Origin, found: list[changes.Change]) -> str:
    shown = "; ".join(str(change) for change in found[:_SHOWN])
    more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    way_out = next((way for mark, way in _WAYS_OUT if mark in shown), None) or (
        f"Restore it, or load {facts.entry} with the config that builds it so and copy the weights"
    )
    return (
        f"this {type(obj).__name__} is not what its config builds, so zoo.load could not give it back: {shown}{more}. "
        f"{way_out}."
    )
