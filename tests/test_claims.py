"""Claims that are checked in seconds; the slow ones are for ``zoo verify``.

A claim that does not hold is no failure of the suite as long as its card says so.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from zoo import catalogue
from zoo.evidence.verify import measure

CARDS = Path(__file__).parent.parent / "model_cards"
CLAIMS = [
    pytest.param(offer, claim, id=f"{offer.entry.id}-{index}")
    for offer in catalogue.current().offers
    for index, claim in enumerate(offer.entry.claims)
    if claim.check is not None and not claim.slow
]


@pytest.mark.parametrize(("offer", "claim"), CLAIMS)
def test_claim(offer, claim):
    measurement = measure(claim)
    if not measurement.holds:
        recorded = json.loads((CARDS / offer.plugin / "measured.json").read_text())
        assert recorded[offer.entry.id][claim.statement]["holds"] is False, measurement


def test_every_claim_that_can_be_measured_has_a_figure_on_its_card():
    missing = []
    for offer in catalogue.current().offers:
        path = CARDS / offer.plugin / "measured.json"
        recorded = json.loads(path.read_text()) if path.exists() else {}
        for claim in offer.entry.claims:
            if claim.check and claim.statement not in recorded.get(offer.entry.id, {}):
                missing.append(f"{offer.entry.id}: {claim.statement}")
    assert not missing
