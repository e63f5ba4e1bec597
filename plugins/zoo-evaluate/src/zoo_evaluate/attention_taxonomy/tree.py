"""The terms as a tree: what the entry is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from zoo import names
from zoo.errors import InputError
from zoo_evaluate.attention_taxonomy.config import TaxonomyConfig
from zoo_evaluate.attention_taxonomy.terms import FIELDS, OURS


@dataclass(frozen=True)
class Term:
    """A node of the tree."""

    name: str
    children: tuple[Term, ...] = ()
    ours: bool = False

    def find(self, name: str) -> Term:
        """The node of a name below this one.

        Raises:
            InputError: there is none; with the nearest.
        """
        folded = names.fold(name)
        for node in self.walk():
            if names.fold(node.name) == folded:
                return node
        known = [node.name for node in self.walk()]
        raise InputError(f"no term {name!r}.{names.suggestion(name, known)}")

    def walk(self) -> Iterable[Term]:
        """This node and all below it."""
        yield self
        for child in self.children:
            yield from child.walk()

    def render(self, depth: int = 0) -> str:
        """An indented Markdown list."""
        mark = " (the zoo's addition)" if self.ours else ""
        return "\n".join([f"{'  ' * depth}- {self.name}{mark}", *(child.render(depth + 1) for child in self.children)])

    __str__ = render


def taxonomy(config: TaxonomyConfig) -> Term:
    """The tree: fields, and the values of each."""
    fields = tuple(Term(name, tuple(Term(value) for value in values), name in OURS) for name, values in FIELDS.items())
    return Term("attention", fields)
