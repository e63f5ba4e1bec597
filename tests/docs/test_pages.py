"""What lies in the built site: links, weight, and that its pages say what the cards and the records say."""

from __future__ import annotations

import re
from functools import cache
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from zoo.evidence.papers import offers_below

from .conftest import Site

ROOT = Path(__file__).parent.parent.parent
OFFERS = offers_below(ROOT)


class _Links(HTMLParser):
    """The addresses that a page links to or loads, and its anchors."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.anchors: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if given.get("id"):
            self.anchors.append(str(given["id"]))
        if tag == "a" and given.get("href"):
            self.links.append(str(given["href"]))
        elif tag in ("link", "script", "img", "source", "iframe", "object"):
            self.loads += [str(given[name]) for name in ("href", "src", "data", "srcset") if given.get(name)]


@cache
def read(page: Path) -> _Links:
    found = _Links()
    found.feed(page.read_text(encoding="utf-8"))
    return found


def test_it_is_built_in_less_than_two_minutes(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        print(f"\nbuilt the site of {len({offer.paper.id for offer in OFFERS})} papers in {site.seconds:.0f} s")
    # Of the processor, whoever else uses it.
    assert site.seconds < 120


def test_the_gallery_weighs_less_than_a_megabyte(site: Site) -> None:
    assert (site.folder / "gallery.html").stat().st_size < 1_000_000


def test_no_internal_link_is_broken(site: Site) -> None:
    broken = []
    for page in site.pages:
        for link in {*read(page).links, *read(page).loads}:
            parts = urlsplit(link)
            if parts.scheme or link.startswith("//"):
                continue
            path = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            if not path.exists():
                broken.append((page.name, link))
            # The gallery's fragments are filters.
            elif parts.fragment and path.suffix == ".html" and "=" not in parts.fragment:
                anchors = read(path).anchors
                if unquote(parts.fragment) not in anchors:
                    broken.append((page.name, link))
    assert not broken


def test_links_into_the_gallery_name_filters_that_exist(site: Site) -> None:
    gallery = (site.folder / "gallery.html").read_text(encoding="utf-8")
    wanted = {
        tuple(part.split("=", 1))
        for page in site.pages
        for link in read(page).links
        if "gallery.html#" in link and "=" in link
        for part in urlsplit(link).fragment.split("&")
    }
    assert wanted
    for facet, value in wanted:
        select = re.search(rf'<select id="[a-z-]*" name="{facet}">.*?</select>', gallery, re.DOTALL)
        assert select is not None
        assert f'value="{unquote(value)}"' in select.group(), (facet, value)


def test_nothing_is_loaded_from_elsewhere(site: Site) -> None:
    loads = {load for page in site.pages for load in read(page).loads}
    assert loads
    assert not [load for load in loads if urlsplit(load).scheme not in ("", "data") or load.startswith("//")]
    for sheet in site.folder.rglob("*.css"):
        text = sheet.read_text(encoding="utf-8")
        assert not re.findall(r"@import[^;]*|url\(\s*['\"]?(?:https?:)?//[^)]*", text), sheet


def test_an_anchor_stands_once_on_a_page(site: Site) -> None:
    twice = {
        page.name: sorted({name for name in anchors if anchors.count(name) > 1})
        for page in site.pages
        if len(anchors := read(page).anchors) != len(set(anchors))
    }
    assert not twice


def test_every_entry_has_a_tile_with_the_line_of_its_card(site: Site) -> None:
    gallery = (site.folder / "gallery.html").read_text(encoding="utf-8")
    tiles = dict(re.findall(r'<li class="tile" id="([^"]+)"(.*?)Copy</button>', gallery, re.DOTALL))
    assert set(tiles) == {offer.entry.id for offer in OFFERS}
    for offer in OFFERS:
        line = unescape(re.findall(r"<code>(.*?)</code>", tiles[offer.entry.id])[-1])
        card = (ROOT / "model_cards" / offer.plugin / f"{offer.entry.id}.md").read_text(encoding="utf-8")
        assert f"\nloaded = {line}\n" in card


def test_a_picture_that_was_drawn_is_shown_with_its_caption(site: Site) -> None:
    gallery = (site.folder / "gallery.html").read_text(encoding="utf-8")
    pictured = {offer.entry.id for offer in OFFERS if offer.entry.picture}
    assert pictured
    for offer in OFFERS:
        card = (ROOT / "model_cards" / offer.plugin / f"{offer.entry.id}.md").read_text(encoding="utf-8")
        picture = re.search(r"^!\[(.*)\]\(pictures/", card, re.MULTILINE)
        shown = re.search(rf'<img src="thumbnails/{offer.plugin}/{offer.entry.id}\.webp"[^>]*>', gallery)
        assert bool(picture) == bool(shown), offer.entry.id
        if picture and shown:
            assert unescape(re.findall(r'alt="([^"]*)"', shown.group())[0]) == picture.group(1)
            assert re.search(r'width="\d+" height="\d+" loading="lazy"', shown.group())


def test_a_page_of_a_paper_shows_every_claim_with_both_figures(site: Site) -> None:
    from zoo.evidence import figures

    for offer in OFFERS:
        page = unescape((site.folder / "papers" / f"{offer.paper.id}.html").read_text(encoding="utf-8"))
        for outcome in figures.outcomes(offer.entry, figures.read(offer, ROOT / "model_cards")):
            assert outcome.claim.figure in page
            assert (outcome.measurement.measured if outcome.measurement else outcome.claim.needs) in page
        for note in (*offer.paper.differences, *offer.entry.differences, *offer.paper.ours, *offer.entry.ours):
            plain = re.sub(r"[`*]", "", note)
            assert " ".join(plain.split()) in re.sub(r"[`*]", "", re.sub(r"</?(?:code|a|strong)[^>]*>", "", page)), note


def test_the_sizes_of_every_preset_are_recorded_and_those_of_the_card() -> None:
    from zoo.evidence import sizes

    for offer in OFFERS:
        recorded = sizes.read(offer, ROOT / "model_cards")
        assert set(recorded) == set(sizes.presets(offer)), f"run: zoo card {offer.paper.id}"
        card = (ROOT / "model_cards" / offer.plugin / f"{offer.entry.id}.md").read_text(encoding="utf-8")
        rows = dict(re.findall(r"^\| `([^`|]+)` \| ([\d,]+|-) \|", card.partition("## Presets")[2], re.MULTILINE))
        for preset, size in recorded.items():
            assert rows[preset] == ("-" if size.parameters is None else f"{size.parameters:,}"), (
                offer.entry.id,
                preset,
            )


def test_links_to_code_lead_into_the_repository(site: Site) -> None:
    page = site.folder / "papers" / "moba.html"
    links = [link for link in read(page).links if "plugins/zoo-sequence" in link]
    assert any(link.endswith("moba/definition.py") for link in links)
    assert not [link for each in site.pages for link in read(each).links if link.startswith(("repo:", "site:"))]
