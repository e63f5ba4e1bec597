"""Records of models: a value on every axis, checked against the terms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from zoo import catalogue, names
from zoo.errors import InputError
from zoo_evaluate.attention_taxonomy.terms import AXES, FIELDS, LISTED


@dataclass(frozen=True)
class Record:
    """Where one model stands. A tuple of several values is an explicit "mixed"; defaults are never inferred."""

    id: str
    sequences: tuple[str, ...]
    abstraction: tuple[str, ...]
    positions: tuple[str, ...]
    representations: tuple[str, ...]
    alignment: tuple[str, ...] = ()
    distribution: tuple[str, ...] = ()
    architecture: tuple[str, ...] = ()
    application: tuple[str, ...] = ()
    others: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    notes: str = ""
    source: str = ""

    def value(self, name: str) -> tuple[str, ...]:
        """Values of a field."""
        found: tuple[str, ...] = self.others[name] if name in self.others else getattr(self, name, ())
        return found

    def to_dict(self) -> dict[str, Any]:
        """Plain values; single ones are not wrapped in a list."""
        plain: dict[str, Any] = {"id": self.id}
        for name in FIELDS:
            values = self.value(name)
            if values:
                plain[name] = values[0] if len(values) == 1 else list(values)
        return plain | {key: text for key, text in (("notes", self.notes), ("source", self.source)) if text}


def record(id: str, **facts: str | Sequence[str]) -> Record:
    """A validated record.

    Args:
        id: the model's name.
        facts: fields of ``FIELDS`` (a value, or a list where ``LISTED``), ``notes`` and ``source``.

    Raises:
        InputError: a missing axis, an unknown field or value (with the nearest), a list where one value is due.
    """
    texts = {name: str(facts.pop(name, "")) for name in ("notes", "source")}
    values: dict[str, tuple[str, ...]] = {}
    require_fields(*facts)
    for name, given in facts.items():
        listed = (given,) if isinstance(given, str) else tuple(given)
        for value in listed:
            if value not in FIELDS[name]:
                raise InputError(
                    f"{id}: {name}={value!r} is not one of {', '.join(FIELDS[name])}."
                    f"{names.suggestion(value, FIELDS[name])}"
                )
        if len(listed) != 1 and name not in LISTED:
            raise InputError(f"{id}: {name} takes exactly one value, not {list(listed)}")
        values[name] = listed
    missing = [axis for axis in AXES if not values.get(axis)]
    if missing:
        raise InputError(f"{id}: no value on the axis {', '.join(missing)}; every record states one on each")
    direct = {name: value for name, value in values.items() if name in Record.__dataclass_fields__}
    others = {name: value for name, value in values.items() if name not in Record.__dataclass_fields__}
    return Record(id, **direct, others=others, **texts)  # type: ignore[arg-type]


def from_dict(plain: Mapping[str, Any]) -> Record:
    """A validated record of ``Record.to_dict``."""
    facts = dict(plain)
    return record(facts.pop("id"), **facts)


def classify(offer: catalogue.Offer) -> Record:
    """The record of a catalogue entry, from its tags and its paper's fidelity.

    Raises:
        InputError: the tags miss an axis, or say two things where one is due.
    """
    tags = [names.fold(tag) for tag in offer.entry.tags]
    terms = {name: [term for term in known if term in tags] for name, known in FIELDS.items()}
    facts = {name: found for name, found in terms.items() if found} | {"evidence": [offer.paper.fidelity]}
    source = offer.paper.url or offer.paper.title
    return record(offer.entry.id, notes=offer.entry.summary, source=source, **facts)


def classified(kind: str = "attention") -> list[Record]:
    """Records of all catalogue entries of a kind."""
    return [classify(offer) for offer in catalogue.current().offers if offer.entry.kind == kind]


def require_fields(*wanted: str) -> None:
    """Raise InputError, with the nearest field, where a name is no field."""
    for name in wanted:
        if name not in FIELDS:
            raise InputError(f"no field {name!r}.{names.suggestion(name, FIELDS)}")
