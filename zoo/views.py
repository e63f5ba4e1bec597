"""Looking at the catalogue: ``zoo.entries``, ``zoo.papers``, ``zoo.config``.

The results behave as tuples in code and render as tables in a terminal and in a notebook.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo import catalogue, names
from zoo.errors import InputError, UnknownName, shown
from zoo.facts import KINDS, Paper

if TYPE_CHECKING:
    from omegaconf import DictConfig


_TRAITS = ("causal", "time", "memory", "decoding")


class Listing(tuple[catalogue.Offer, ...]):
    """Entries of the catalogue; a tuple of offers that renders as a table."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns; of drop-in layers alone they say what one is chosen by."""
        return ("entry", *(_TRAITS if self._are_layers else ("kind",)), "plugin", "year", "fidelity", "summary")

    @property
    def _are_layers(self) -> bool:
        return bool(self) and all(offer.entry.kind == "attention" for offer in self)

    def rows(self) -> list[tuple[str, ...]]:
        """The cells, as text, under ``columns``."""
        layers = self._are_layers
        return [
            (
                offer.entry.id,
                *((getattr(offer.entry.traits, name, "?") for name in _TRAITS) if layers else (offer.entry.kind,)),
                offer.plugin,
                str(offer.paper.year),
                offer.paper.fidelity,
                offer.entry.summary,
            )
            for offer in self
        ]

    def __str__(self) -> str:
        return plain_table(self.columns, self.rows())

    __repr__ = __str__

    def __getitem__(self, index: Any) -> Any:
        """One offer, or a shorter listing."""
        found = super().__getitem__(index)
        return Listing(found) if isinstance(index, slice) else found

    def _repr_html_(self) -> str:
        return html_table(self.columns, self.rows())


class Papers(tuple[Paper, ...]):
    """Papers of the catalogue; a tuple that renders as a table."""

    columns = ("paper", "year", "arxiv", "fidelity", "title")

    def rows(self) -> list[tuple[str, ...]]:
        """The cells, as text, under ``columns``."""
        return [(paper.id, str(paper.year), paper.arxiv or "", paper.fidelity, paper.title) for paper in self]

    def __str__(self) -> str:
        return plain_table(self.columns, self.rows())

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return html_table(self.columns, self.rows())


def plain_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns aligned with blanks; the last one is not padded."""
    widths = [max(len(row[index]) for row in [columns, *rows]) for index in range(len(columns) - 1)]
    lines = [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]])
        for row in [columns, *rows]
    ]
    return "\n".join(lines)


def html_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A plain HTML table, every cell escaped."""
    import html

    head = "".join(f"<th>{html.escape(column)}</th>" for column in columns)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def entries(
    kind: str | None = None, plugin: str | None = None, tag: str | None = None, search: str | None = None
) -> Listing:
    """The entries that installed plugins offer.

    Args:
        kind: one of ``zoo.facts.KINDS``.
        plugin: name of a plugin.
        tag: a tag every result carries.
        search: words, all of which stand in the id, the aliases, the summary, the tags or the paper's title.

    Raises:
        UnknownName: there is no such kind, plugin or tag; the message has the nearest.
        InputError: what is asked for is no text.
    """
    _require_kind(kind)
    for what, given in (("plugin", plugin), ("tag", tag), ("search", search)):
        if not isinstance(given, str | None):
            raise InputError(f"{what}={shown(given)} is no text")
    if plugin is not None:
        plugin = catalogue.current().plugin(plugin).name
    if tag is not None and names.fold(tag) not in map(names.fold, tags()):
        raise UnknownName(f"no entry carries the tag {shown(tag)}.{names.suggestion(tag, tags())} All tags: zoo tags")
    words = [word.lower() for word in (search or "").split()]
    return Listing(
        offer
        for offer in catalogue.current().offers
        if kind in (None, offer.entry.kind)
        and plugin in (None, offer.plugin)
        and (tag is None or names.fold(tag) in map(names.fold, offer.entry.tags))
        and all(word in _text(offer) for word in words)
    )


def tags(kind: str | None = None) -> dict[str, int]:
    """The tags that installed entries (of a kind) carry, in alphabetical order, and how many carry each."""
    _require_kind(kind)
    offers = catalogue.current().offers
    counts = Counter(tag for offer in offers if kind in (None, offer.entry.kind) for tag in offer.entry.tags)
    return dict(sorted(counts.items()))


def _require_kind(kind: str | None) -> None:
    if kind is not None and not (isinstance(kind, str) and kind in KINDS):
        raise UnknownName(f"{shown(kind)} is not a kind of entry; there are: {', '.join(KINDS)}")


def _text(offer: catalogue.Offer) -> str:
    entry, paper = offer.entry, offer.paper
    parts: Iterable[str] = (entry.id, *entry.aliases, entry.summary, *entry.tags, paper.title, paper.id)
    return " ".join(parts).lower()


def papers() -> Papers:
    """The papers that installed plugins offer."""
    return Papers(paper for plugin in catalogue.current().plugins for paper in plugin.papers)


def config(
    name: str, config: Mapping[str, Any] | DictConfig | str | Path | None = None, **overrides: Any
) -> DictConfig:
    """The merged config of a name, as ``zoo.load`` would build it."""
    from zoo import configuration

    target = catalogue.current().find(name)
    return configuration.merge(target.offer.entry, target.preset, config, overrides).config
