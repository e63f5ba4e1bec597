"""Measured figures of claims, kept beside the model cards: one JSON file per paper.

``model_cards/PLUGIN/measured/PAPER.json`` maps an entry's id and a claim's key (the name of its check) to the
measurement. ``zoo verify --record`` writes it, cards and the tests of a plugin read it; nothing in it is typed by hand.
"""

from __future__ import annotations

from pathlib import Path

from zoo.catalogue import Offer
from zoo.evidence import records
from zoo.facts import Claim, Measurement

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
