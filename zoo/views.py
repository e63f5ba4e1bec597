"""Looking at the catalogue: ``zoo.entries``, ``zoo.papers``, ``zoo.info``, ``zoo.config``.

The results behave as tuples and dataclasses in code and render as tables in a terminal and in a notebook.
"""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo import catalogue, names
from zoo.errors import UnknownName
from zoo.facts import KINDS, Claim, Paper, Weights

if TYPE_CHECKING:
    from omegaconf import DictConfig


class Listing(tuple[catalogue.Offer, ...]):
    """Entries of the catalogue; a tuple of offers that renders as a table."""

    columns = ("entry", "kind", "plugin", "year", "fidelity", "summary")

    def rows(self) -> list[tuple[str, ...]]:
        """The cells, as text, under ``columns``."""
        return [
            (
                offer.entry.id,
                offer.entry.kind,
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
    """
    _require_kind(kind)
    if plugin is not None:
        plugin = catalogue.current().plugin(plugin).name
    if tag is not None and names.fold(tag) not in map(names.fold, tags()):
        raise UnknownName(f"no entry carries the tag {tag!r}.{names.suggestion(tag, tags())} All of them: zoo tags")
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
    if kind is not None and kind not in KINDS:
        raise UnknownName(f"{kind!r} is not a kind of entry; there are: {', '.join(KINDS)}")


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


@dataclass(frozen=True)
class Info:
    """Everything known about one entry and preset; renders in a terminal and a notebook."""

    target: catalogue.Target
    config: DictConfig
    instance: Any

    @cached_property
    def parameters(self) -> int | None:
        """Number of parameters of this configuration, counted on the meta device."""
        if self.target.offer.entry.kind in ("benchmark", "taxonomy"):
            return None
        from zoo.building import count_parameters

        return count_parameters(self.target.offer.entry, self.instance)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        from omegaconf import OmegaConf

        offer = self.target.offer
        paper, entry = offer.paper, offer.entry
        return {
            "id": entry.id,
            "aliases": list(entry.aliases),
            "preset": self.target.preset,
            "plugin": offer.plugin,
            "kind": entry.kind,
            "summary": entry.summary,
            "tags": list(entry.tags),
            "fidelity": paper.fidelity,
            "paper": {
                "id": paper.id,
                "title": paper.title,
                "year": paper.year,
                "arxiv": paper.arxiv,
                "repo": paper.repo,
                "commit": paper.commit,
                "license": paper.license,
                "differences": list(paper.differences),
                "ours": list(paper.ours),
            },
            "differences": list(entry.differences),
            "ours": list(entry.ours),
            "parameters": self.parameters,
            "config": OmegaConf.to_container(self.config, resolve=True, enum_to_str=True),
            "presets": {name: dict(preset) for name, preset in entry.presets.items()},
            "weights": {tag: _weights(weights) for tag, weights in entry.weights.items()},
            "claims": [_claim(claim) for claim in entry.claims],
            "functional": entry.functional is not None,
        }

    def __str__(self) -> str:
        facts = self.to_dict()
        paper = self.target.offer.paper
        count = self.parameters
        lines = [
            f"{facts['plugin']}:{facts['id']}" + (f"/{facts['preset']}" if facts["preset"] else ""),
            f"  {facts['summary']}",
            *([f"  also        {', '.join(facts['aliases'])}"] if facts["aliases"] else []),
            f"  kind        {facts['kind']}",
            f"  paper       {paper.title} ({paper.year})" + (f", {paper.url}" if paper.url else ""),
            f"  fidelity    {facts['fidelity']}",
            f"  parameters  {'none' if count is None else f'{count:,}'}",
            f"  presets     {', '.join(facts['presets']) or 'none'}",
            f"  weights     {', '.join(facts['weights']) or 'none'}",
            f"  tags        {', '.join(facts['tags']) or 'none'}",
            "  config",
        ]
        lines += [f"    {key} = {value!r}" for key, value in facts["config"].items()]
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"


def _weights(weights: Weights) -> dict[str, Any]:
    return {
        key: getattr(weights, key)
        for key in ("uri", "sha256", "size", "preset", "default", "license", "metric", "command", "note")
    }


def _claim(claim: Claim) -> dict[str, Any]:
    return {
        "statement": claim.statement,
        "figure": claim.figure,
        "checked": claim.check is not None,
        "needs": claim.needs,
    }


def info(name: str, config: Mapping[str, Any] | DictConfig | str | Path | None = None, **overrides: Any) -> Info:
    """What is known about an entry, for one preset and any config overrides."""
    from zoo import configuration

    target = catalogue.current().find(name)
    merged = configuration.merge(target.offer.entry, target.preset, config, overrides)
    return Info(target, merged.config, merged.instance)
