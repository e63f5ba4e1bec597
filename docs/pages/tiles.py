"""The facts of an entry that its tile in the gallery shows, and that a page of its paper shares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

from docutils.nodes import make_id

from docs.pages.layout import ROOT
from zoo.catalogue import Offer
from zoo.evidence import card, figures, sizes
from zoo.evidence.cost_pictures import short
from zoo.evidence.figures import Outcome
from zoo.evidence.papers import offers_below
from zoo.evidence.sizes import Size

CARDS = ROOT / card.FOLDER

# What a kind is, in the words of the README.
KINDS = {
    "attention": "a drop-in attention layer",
    "model": "a whole network",
    "method": "a training technique or an intervention",
    "probe": "an analysis of a model",
    "benchmark": "a task, a metric, a protocol",
    "taxonomy": "a survey's classification",
}


@dataclass(frozen=True)
class Tile:
    """An entry as the site shows it.

    Args:
        offer: the entry, its paper, its plugin.
        outcomes: its claims with what was measured.
        sizes: preset -> parameters and operations, as ``zoo card`` recorded them.
    """

    offer: Offer
    outcomes: Sequence[Outcome]
    sizes: dict[str, Size]

    @property
    def id(self) -> str:
        """The entry's name."""
        return self.offer.entry.id

    @property
    def page(self) -> str:
        """Where it is explained: its place on the page of its paper, from the top of the site."""
        page = f"papers/{self.offer.paper.id}.html"
        return page if self.offer.entry is self.offer.paper.entries[0] else f"{page}#{make_id(self.id)}"

    @property
    def picture(self) -> Path | None:
        """Its picture, where one was drawn."""
        path = card.picture_path(self.offer, CARDS)
        return path if self.caption and path.is_file() else None

    @cached_property
    def caption(self) -> str:
        """What is seen on the picture; empty where it has none."""
        return card.caption(self.offer, ROOT)

    @property
    def held(self) -> int:
        """Claims that were measured and hold."""
        return sum(outcome.status == "holds" for outcome in self.outcomes)

    @property
    def measured(self) -> int:
        """Claims that were measured."""
        return sum(outcome.measurement is not None for outcome in self.outcomes)

    @property
    def not_measurable(self) -> int:
        """Claims that nothing here can measure."""
        return sum(outcome.status == "not measurable" for outcome in self.outcomes)

    @property
    def parameters(self) -> str:
        """How many, from the smallest to the largest preset: "3,072 to 41.9 M"; empty for what has none."""
        counts = sorted({size.parameters for size in self.sizes.values() if size.parameters is not None})
        shown = list(dict.fromkeys(rounded(count) for count in (counts[:1] + counts[-1:])))
        return " to ".join(shown)


def rounded(count: int, billion: str = "B") -> str:
    """A count to read at a glance: "3,072", "49.9 M", "8.03 B"."""
    return f"{count:,}" if count < 100_000 else short(count).replace("G", billion)


def claims_text(tile: Tile) -> str:
    """For instance "8 of 9 measured claims hold, 2 not measurable here"."""
    parts = []
    if tile.measured:
        noun = "claim" if tile.measured == 1 else "claims"
        verb = "holds" if tile.measured == 1 else "hold"
        parts.append(f"{tile.held} of {tile.measured} measured {noun} {verb}")
    if waiting := len(tile.outcomes) - tile.measured - tile.not_measurable:
        parts.append(f"{waiting} not measured yet")
    if tile.not_measurable:
        noun = "" if tile.measured else "claim " if tile.not_measurable == 1 else "claims "
        parts.append(f"{tile.not_measurable} {noun}not measurable here")
    return ", ".join(parts)


@cache
def tiles() -> tuple[Tile, ...]:
    """Every entry of the plugins of this repository, by name."""
    found = [
        Tile(offer, figures.outcomes(offer.entry, figures.read(offer, CARDS)), sizes.read(offer, CARDS))
        for offer in offers_below(ROOT)
    ]
    return tuple(sorted(found, key=lambda tile: tile.id))
