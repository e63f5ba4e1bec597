"""Parameters and floating-point operations of every preset, kept beside the model cards: one JSON file per paper.

Counting needs no recording, but minutes for a hundred papers, which whoever shows them all has not. ``zoo card`` writes
the files together with the cards; ``zoo card --check`` counts the parameters again and compares.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zoo import configuration
from zoo.building import count_parameters
from zoo.catalogue import Offer
from zoo.evidence import records

KIND = "sizes"
DEFAULT = "default"


@dataclass(frozen=True)
class Size:
    """What was counted of an entry in one preset.

    Args:
        parameters: None for what has none, a benchmark for instance.
        flops: operations of one call at the paper's input size, two per multiply-add; None where they are not counted.
        inputs: name -> shape of the tensors of that call.
    """

    parameters: int | None
    flops: int | None = None
    inputs: dict[str, list[int]] = field(default_factory=dict)


def presets(offer: Offer) -> list[str]:
    """``DEFAULT`` and the presets of an entry."""
    return [DEFAULT, *offer.entry.presets]


def parameters(offer: Offer, preset: str) -> int | None:
    """The number of parameters of an entry in a preset, or in its ``DEFAULT``; None for what has none."""
    return count_parameters(offer.entry, _instance(offer, preset))


def count(offer: Offer, preset: str) -> Size:
    """Count parameters and operations."""
    from zoo.counting import count_flops

    found = count_flops(offer.entry, _instance(offer, preset))
    counted = parameters(offer, preset)
    return Size(counted, found.total, found.inputs) if found else Size(counted)


def _instance(offer: Offer, preset: str) -> Any:
    return configuration.merge(offer.entry, None if preset == DEFAULT else preset).instance


def path_of(offer: Offer, cards: Path) -> Path:
    """The file that holds the sizes of an entry's paper, in a folder of cards."""
    return records.path_of(offer, KIND, cards)


def read(offer: Offer, cards: Path) -> dict[str, Size]:
    """What was recorded of an entry, by preset.

    Raises:
        InputError: the file is not one that ``record`` wrote.
    """
    return records.read(offer, KIND, cards, Size, command=f"zoo card {offer.paper.id}")


def record(offer: Offer, cards: Path) -> bool:
    """Count every preset of an entry and keep it, in place of what was recorded.

    Returns:
        Whether it differs from that.
    """
    counted = {preset: count(offer, preset) for preset in presets(offer)}
    if counted == read(offer, cards):
        return False
    records.replace(offer, KIND, cards, counted)
    return True
