"""Stages, groups and classes, methods and benchmarks as a tree: what the entry is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from zoo import names
from zoo.errors import InputError
from zoo_interpret.attention_heads_survey.classes import CLASSES, STAGES, HeadClass
from zoo_interpret.attention_heads_survey.config import TaxonomyConfig
from zoo_interpret.attention_heads_survey.terms import BENCHMARKS, METHODS


@dataclass(frozen=True)
class Term:
    """A node of the tree; ``record`` holds the facts where it is a class of heads."""

    name: str
    children: tuple[Term, ...] = ()
    record: HeadClass | None = None

    def find(self, name: str) -> Term:
        """The node of a name, or of a tag, below this one.

        Raises:
            InputError: there is none; with the nearest.
        """
        folded = names.fold(name)
        for node in self.walk():
            if folded in (names.fold(node.name), names.fold(node.record.tag) if node.record else None):
                return node
        raise InputError(f"no term {name!r}.{names.suggestion(name, [node.name for node in self.walk()])}")

    def walk(self) -> Iterable[Term]:
        """This node and all below it."""
        yield self
        for child in self.children:
            yield from child.walk()

    def to_dict(self) -> dict[str, Any]:
        """The tree, ready for JSON."""
        record = {} if self.record is None else {"record": self.record.to_dict()}
        children = {"children": [child.to_dict() for child in self.children]} if self.children else {}
        return {"name": self.name, **record, **children}

    def render(self, depth: int = 0) -> str:
        """An indented Markdown list; classes with their models and depth."""
        facts = ""
        if self.record is not None:
            parts = [", ".join(part) for part in (self.record.models, self.record.depth) if part]
            facts = f" ({'; '.join(parts)})" if parts else ""
        return "\n".join([f"{'  ' * depth}- {self.name}{facts}", *(child.render(depth + 1) for child in self.children)])

    __str__ = render


def taxonomy(config: TaxonomyConfig) -> Term:
    """The whole survey."""
    return Term("attention heads", (_stages(), _methods(), _benchmarks()))


def _stages() -> Term:
    found = []
    for stage, groups in STAGES.items():
        inside = [
            Term(group, tuple(Term(each.name, record=each) for each in CLASSES if each.group == group))
            for group in groups
        ]
        found.append(Term(stage, tuple(inside)))
    return Term("stages", tuple(found))


def _methods() -> Term:
    kinds = [
        Term(kind, tuple(Term(group, tuple(map(Term, names))) for group, names in groups.items()))
        for kind, groups in METHODS.items()
    ]
    return Term("methods", tuple(kinds))


def _benchmarks() -> Term:
    return Term("benchmarks", tuple(Term(kind, tuple(map(Term, names))) for kind, names in BENCHMARKS.items()))
