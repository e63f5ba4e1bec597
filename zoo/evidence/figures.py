"""Measured figures of claims, kept beside the model cards: one JSON file per paper.

``model_cards/PLUGIN/measured/PAPER.json`` maps an entry's id and a claim's key (the name of its check) to the
measurement. ``zoo verify --record`` writes it, cards and the tests of a plugin read it; nothing in it is typed by hand.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from zoo.catalogue import Offer
from zoo.errors import InputError
from zoo.facts import Claim, Measurement


def path_of(offer: Offer, cards: Path) -> Path:
    """The file that holds the figures of an entry's paper, in a folder of cards."""
    return cards / offer.plugin / "measured" / f"{offer.paper.id}.json"


def read(offer: Offer, cards: Path) -> dict[str, Measurement]:
    """The recorded figures of an entry, by the key of the claim; none where nothing was recorded.

    Raises:
        InputError: the file is not one that ``record`` wrote.
    """
    path = path_of(offer, cards)
    try:
        return {key: Measurement(**found) for key, found in _read(path).get(offer.entry.id, {}).items()}
    except (AttributeError, TypeError, ValueError) as error:
        raise InputError(
            f"{path} is no file of measured figures ({error}); run: zoo verify {offer.paper.id} --record"
        ) from error


def record(offer: Offer, claim: Claim, measurement: Measurement, cards: Path) -> None:
    """Keep a measured figure; those of the paper's other claims stay."""
    assert claim.key is not None
    path = path_of(offer, cards)
    known = _read(path)
    known.setdefault(offer.entry.id, {})[claim.key] = asdict(measurement)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(known, indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")


def _read(path: Path) -> dict[str, dict[str, dict]]:
    if not path.is_file():
        return {}
    content: dict[str, dict[str, dict]] = json.loads(path.read_text(encoding="utf-8"))
    return content
