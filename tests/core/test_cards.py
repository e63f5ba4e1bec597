"""Cards say of an entry what concerns that entry."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import zoo
from zoo import about, catalogue, configuration
from zoo.catalogue import Offer
from zoo.evidence import card, figures, real_models
from zoo.facts import Paper

PAPERS = {(offer.plugin, offer.paper.id): offer.paper for offer in zoo.entries()}
CASES = [pytest.param(paper, id=paper.id) for paper in PAPERS.values()]


def fields_of(offer: Offer) -> set[str]:
    """The options of an entry, nested ones by their last name."""
    schema = configuration.schema_of(offer.entry)
    return {name.rpartition(".")[2] for name, *_ in about.described(schema)}


def mentioned(note: str) -> set[str]:
    """Words of a note that are written as names of options are: with underscores, before "=", or in backticks."""
    return {
        *re.findall(r"\b[a-z]+(?:_[a-z0-9]+)+\b", note),
        *re.findall(r"\b([a-z][a-z0-9_]*)=", note),
        *re.findall(r"`([a-z][a-z0-9_.]*)`", note),
    }


def misplaced(offers: list[Offer]) -> Iterator[str]:
    """Notes on an option that stand with an entry that lacks it, though another entry of the paper has it."""
    options = {offer.entry.id: fields_of(offer) for offer in offers}
    somewhere = set().union(*options.values())
    for offer in offers:
        paper, entry = offer.paper, offer.entry
        for note in (*paper.differences, *paper.ours, *entry.differences, *entry.ours):
            lacking = (mentioned(note) & somewhere) - options[entry.id]
            if lacking:
                yield f"{entry.id} has no option {', '.join(sorted(lacking))}: {note}"


@pytest.mark.parametrize("paper", CASES)
def test_a_note_on_an_option_stands_with_the_entries_that_have_it(paper: Paper) -> None:
    offers = [offer for offer in catalogue.current().offers if offer.paper is paper]
    assert not (found := list(misplaced(offers))), "\n".join(found)


def test_a_note_in_the_wrong_place_is_found(install) -> None:
    install(
        "notes",
        catalogue="""
            from zoo import Entry, Paper
            def zoo_papers():
                ours = ("our block_size is 4", "block_size=3, size")
                yield Paper(id="notes", title="T", year=2020, ours=ours, entries=(
                    Entry(id="notes", kind="model", summary="s", build="PKG.code:build", config="PKG.code:Wide"),
                    Entry(id="notes-small", kind="model", summary="s", build="PKG.code:build", config="PKG.code:Small",
                          ours=("`size` is ours",)),
                ))
        """,
        code="""
            from dataclasses import dataclass
            @dataclass
            class Wide:
                block_size: int = 1
            @dataclass
            class Small:
                size: int = 1
            build = None
        """,
    )
    offers = [offer for offer in catalogue.current().offers if offer.plugin == "notes"]
    assert list(misplaced(offers)) == [
        "notes-small has no option block_size: our block_size is 4",
        "notes-small has no option block_size: block_size=3, size",
    ]


def test_a_card_and_info_name_the_file_of_the_code(acme) -> None:
    offer = zoo.entries(plugin="acme", kind="model")[0]
    assert "code in `pkg_zoo_acme/layers.py`" in card.render(offer, {}, Path("/nowhere"))
    below = card.render(offer, {}, acme.parent.parent)
    assert "code in `site/pkg_zoo_acme/layers.py`" in below
    info = zoo.info("layered")
    assert "code        pkg_zoo_acme/layers.py" in str(info)
    assert info.to_dict()["code"] == "pkg_zoo_acme/layers.py"


def test_info_tells_what_every_field_means(acme) -> None:
    text = str(zoo.info("layered/wide"))
    assert re.search(r"dim = 16 +model width; unit: features; at least 1\n", text)
    assert re.search(r"mode = 'soft' +kind; one of soft, hard\n", text)
    assert re.search(r"rate = 0.1 +rate; from 0.0 to 1.0\n", text)
    assert re.search(r"inner.width = 3 +width of the inner part; at least 1$", text)
    assert zoo.info("layered").to_dict()["fields"]["mode"]["choices"] == ("soft", "hard")


def test_the_page_of_real_models_has_every_claim_that_opens_one_and_what_was_found(install, tmp_path) -> None:
    install(
        "real",
        catalogue="""
            from zoo import Claim, Entry, Paper, hookimpl

            @hookimpl
            def zoo_papers():
                yield Paper(id="looked", title="Looked at", year=2020, code="PKG", entries=(Entry(
                    id="looked", kind="probe", summary="a probe", build="p:P", config="p:C",
                    claims=(Claim("heads | sink", figure="30%", check="claims:check_sinks", real=True),
                            Claim("heads copy", figure="all", check="claims:check_copies", real=True),
                            Claim("sums are one", check="claims:check_sums")),
                ),))
        """,
    )
    offer = catalogue.current().find("looked").offer
    figures.record(offer, offer.entry.claims[0], zoo.Measurement("57% of heads", False, "SmolLM2"), tmp_path)
    page = real_models.page([offer], tmp_path)
    link = "[looked](../model_cards/real/looked.md)"
    assert page.endswith(
        f"| {link} | heads \\| sink | 30% | 57% of heads (SmolLM2) | not reproduced |\n"
        f"| {link} | heads copy | all | not measured yet | not recorded |\n"
    )
    assert "sums are one" not in page
    assert "## real" in page


def test_a_card_says_what_raw_input_becomes() -> None:
    """The text of ``preprocess``, without its errors; entries without one have no such section."""
    offers = {offer.entry.id: offer for offer in zoo.entries(plugin="vision")}
    shown = card.render(offers["triplet-attention-resnet"], {}, Path("/nowhere"))
    section = shown.partition("## Raw input")[2].partition("##")[0]
    assert "7/8 of the shorter side, brought to 224 x 224, by ImageNet's statistics" in section
    assert "`network_type`" in section
    assert "Raw input" not in card.render(offers["triplet-attention"], {}, Path("/nowhere"))
    dila = next(offer for offer in zoo.entries(plugin="seq2seq") if offer.entry.id == "dila")
    assert "Raises:" not in card.render(dila, {}, Path("/nowhere")).partition("## Raw input")[2].partition("\n## ")[0]
