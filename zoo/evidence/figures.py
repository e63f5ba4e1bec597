"""Measured figures of claims, kept beside the model cards: one JSON file per paper.

``model_cards/PLUGIN/measured/PAPER.json`` maps an entry's id and a claim's key (the name of its check) to the
measurement. ``zoo verify --record`` writes it, cards and the tests of a plugin read it; nothing in it is typed by hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from zoo.catalogue import Offer
from zoo.evidence import records
from zoo.facts import Claim, Entry, Measurement

KIND = "measured"


def path_of(offer: Offer, cards: Path) -> Path:
    """The file that holds the figures of an entry's paper, in a folder of cards."""
    return records.path_of(offer, KIND, cards)


def read(offer: Offer, cards: Path) -> dict[str, Measurement]:
    """The recorded figures of an entry, by the key of the claim; none where nothing was recorded.

    Raises:
        InputError: the file is not one that ``record`` wrote.
    """
    return records.read(offer, KIND, cards, Measurement, command=f"zoo verify {offer.paper.id} --record")


def record(offer: Offer, claim: Claim, measurement: Measurement, cards: Path) -> None:
    """Keep a measured figure; those of the paper's other claims stay."""
    assert claim.key is not None
    records.write(offer, KIND, cards, claim.key, measurement)


@dataclass(frozen=True)
class Outcome:
    """A claim, and what became of it here.

    Args:
        claim: what the paper promises.
        measurement: what was recorded; None where nothing was.
    """

    claim: Claim
    measurement: Measurement | None

    @property
    def status(self) -> Literal["holds", "not reproduced", "not measurable", "not recorded"]:
        """ "not measurable": it needs what is not to be had here; "not recorded": its check was not run yet."""
        if self.claim.check is None:
            return "not measurable"
        if self.measurement is None:
            return "not recorded"
        return "holds" if self.measurement.holds else "not reproduced"


def outcomes(entry: Entry, measured: Mapping[str, Measurement]) -> list[Outcome]:
    """The claims of an entry with their recorded figures, as ``read`` returns them."""
    return [Outcome(claim, measured.get(claim.key or "")) for claim in entry.claims]
