"""Every kind of an entry's config: what holds for the defaults has to hold for all of them.

Each field that has choices takes each of them, booleans are flipped, optional integers are given and left out. Faults
hide where two such changes meet, so pairs of changes are tried too; a greedy covering array keeps them few: a row
changes many fields at once, and the rows between them hold every pair that the schema accepts.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from omegaconf import OmegaConf
from torch import nn

from zoo import about, building, configuration
from zoo.errors import ConfigError, InputError
from zoo.facts import Entry
from zoo.testing.specimens import example_of, small_preset, stir

Changes = dict[str, Any]
Pair = frozenset[tuple[str, Any]]


@dataclass(frozen=True)
class Form:
    """One kind of config: what it changes of the small one, the config, what it builds, and an example call of that."""

    changes: Changes
    instance: Any
    module: nn.Module
    inputs: dict[str, Any]


def forms(entry: Entry, **fixed: Any) -> Iterator[Form]:
    """The forms of a module's entry, the small config with ``fixed`` first.

    Args:
        entry: of kind attention or model.
        fixed: fields that no form changes.

    Raises:
        ConfigError: the first form is refused. Another that the schema or the build refuses does not exist, and one
            that is too small for its own example (an InputError) is left out.
    """
    small = configuration.merge(entry, small_preset(entry), None, fixed)
    variants = _Variants(entry, OmegaConf.to_container(small.config), fixed)
    yield _form(entry, fixed, small.instance)
    for changes in variants.all():
        try:
            form = _form(entry, {**fixed, **changes}, variants.accept(changes))
            with torch.no_grad():
                form.module(**form.inputs)
        except (ConfigError, InputError):
            continue
        yield form


def _form(entry: Entry, changes: Changes, instance: Any) -> Form:
    torch.manual_seed(0)
    module = stir(building.build(entry, instance).eval())
    return Form(changes, instance, module, example_of(entry, instance))


def alternatives(entry: Entry, values: Mapping[str, Any]) -> dict[str, list[Any]]:
    """The fields of a config that have few values, with those that they do not have.

    Args:
        entry: whose schema.
        values: the config as a mapping, nested as the schema is.
    """
    found = {}
    for name, annotation, _, metadata in about.described(configuration.schema_of(entry)):
        value: Any = values
        for part in name.split("."):
            value = value[part]
        few: tuple[Any, ...] = ()
        if metadata.get("choices") and not annotation.startswith("list["):
            few = metadata["choices"]
        elif annotation in ("bool", "bool | None"):
            few = (False, True)
        elif annotation == "int | None" and value is None:
            few = (2,)
        if annotation.endswith(" | None"):
            few = (None, *few)
        found[name] = [choice for choice in few if choice != value]
    return found


@dataclass(frozen=True)
class _Variants:
    """Changes of a config: the values of all its fields, and those that stay."""

    entry: Entry
    values: Any
    fixed: Mapping[str, Any]

    def accept(self, changes: Changes) -> Any:
        """The config with some changes, each a value of its field; None where the schema refuses them together."""
        try:
            if any(isinstance(value, dict) for value in self.values.values()):
                overrides = {**self.fixed, **changes}
                return configuration.merge(self.entry, small_preset(self.entry), None, overrides).instance
            # Names and types hold, and merging takes ten times as long: only the schema has to agree.
            return configuration.schema_of(self.entry)(**{**self.values, **changes})
        except Exception:  # what a ``__post_init__`` raises is a refusal, whatever it is
            return None

    def all(self) -> Iterator[Changes]:
        """Single changes, then rows that hold every accepted pair of them."""
        single: dict[str, list[Any]] = {}
        for name, values in alternatives(self.entry, self.values).items():
            if name in self.fixed:
                continue
            single[name] = [value for value in values if self.accept({name: value}) is not None]
            yield from ({name: value} for value in single[name])
        yield from self._rows(single)

    def _rows(self, single: Mapping[str, list[Any]]) -> Iterator[Changes]:
        missing: dict[Pair, None] = {}
        for one, two in itertools.combinations(single, 2):
            missing |= {frozenset(((one, a), (two, b))): None for a in single[one] for b in single[two]}
        for pair in list(missing):
            if pair in missing and self.accept(dict(pair)) is not None:
                row = dict(pair)
                for name in [name for name in single if name not in row]:
                    row |= self._addition(row, name, single[name], missing)
                for held in itertools.combinations(row.items(), 2):
                    missing.pop(frozenset(held), None)
                yield row

    def _addition(self, row: Changes, name: str, values: list[Any], missing: Mapping[Pair, None]) -> Changes:
        """The value of one more field that brings a row most pairs that no row has had yet; nothing where none does."""
        gains = [sum(frozenset(((name, value), held)) in missing for held in row.items()) for value in values]
        for gain, value in sorted(zip(gains, values, strict=True), key=operator.itemgetter(0), reverse=True):
            if gain and self.accept({**row, name: value}) is not None:
                return {name: value}
        return {}
