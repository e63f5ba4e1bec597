"""A note about an option stands only on the cards of entries that have the option."""

from __future__ import annotations

import re
from dataclasses import fields

import pytest

from zoo import catalogue
from zoo.configuration import schema_of

OFFERS = catalogue.current().offers

# Papers whose notes are being given to their entries; this set only ever shrinks.
NOT_YET = {"bert-look", "moh", "skim-attention", "triplet-attention"}


def named_options(text: str, options: set[str]) -> set[str]:
    """Options that a note names as ``name=value``, or by a name of several words."""
    return {
        option
        for option in options
        if re.search(rf"\b{option}=", text) or ("_" in option and re.search(rf"\b{option}\b", text))
    }


def test_options_are_found_in_texts():
    options = {"normalize", "rope", "full_residual"}
    assert named_options("Scores are scaled (normalize=scale), rope or not.", options) == {"normalize"}
    assert named_options("Without full_residual.", options) == {"full_residual"}


@pytest.mark.parametrize("offer", OFFERS, ids=lambda offer: offer.entry.id)
def test_notes_name_options_of_the_entry_alone(offer):
    if offer.paper.id in NOT_YET:
        pytest.skip("notes still stand on all cards of the paper")
    own = {item.name for item in fields(schema_of(offer.entry))}
    paper = [each for each in OFFERS if each.paper is offer.paper]
    all_of_paper = {item.name for each in paper for item in fields(schema_of(each.entry))}
    notes = (*offer.paper.differences, *offer.entry.differences, *offer.paper.ours, *offer.entry.ours)
    for note in notes:
        assert named_options(note, all_of_paper) <= own, note
