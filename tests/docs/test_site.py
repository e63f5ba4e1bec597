"""The site in a real browser: search, filters, addresses, keyboard, copying, narrow screens, accessibility."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import zoo
from zoo.evidence.papers import offers_below

from .conftest import DESK, PHONE, Site

ROOT = Path(__file__).parent.parent.parent
OFFERS = offers_below(ROOT)
Visiting = Callable[..., Any]

# One page of each kind, and the papers with the widest equations, tables and titles.
PAGES = [
    *("index.html", "gallery.html", "papers.html", "search.html", "compare-page.html", "api/index.html"),
    *("guides/index.html", "guides/choose-an-attention.html"),
    *(f"papers/{name}.html" for name in ("moba", "yolo9tr", "attention-reference-frames", "fast-attention")),
    *(f"papers/{name}.html" for name in ("pavlovian-attention", "visual-attention-sink", "circuit-reuse", "athena")),
]


def shown(page: Any) -> list[str]:
    """The names of the tiles that can be seen."""
    return page.eval_on_selector_all(".tile", "tiles => tiles.filter(t => t.offsetHeight > 0).map(t => t.id)")


def test_search_finds_by_title_name_and_tag(visit: Visiting) -> None:
    page = visit("gallery.html")
    assert len(shown(page)) == len(OFFERS)
    page.get_by_label("Search entries", exact=True).fill("mixture BLOCK attention")
    assert shown(page) == ["moba", "moba-lm"]
    assert page.locator("#count").inner_text() == f"2 of {len(OFFERS)} entries"
    assert page.locator("#count").get_attribute("aria-live") == "polite"
    page.get_by_label("Search entries", exact=True).fill("no such thing at all")
    assert shown(page) == []
    page.get_by_role("button", name="Clear all filters").click()
    assert len(shown(page)) == len(OFFERS)


def test_filters_narrow_as_the_catalogue_does_and_survive_a_reload(visit: Visiting) -> None:
    page = visit("gallery.html")
    expected = {offer.entry.id for offer in OFFERS}
    for label, value, keeps in (
        ("Kind", "attention", lambda offer: offer.entry.kind == "attention"),
        ("Plugin", "sequence", lambda offer: offer.plugin == "sequence"),
        ("Tag", "softmax", lambda offer: "softmax" in offer.entry.tags),
        ("Fidelity", "reference", lambda offer: offer.paper.fidelity == "reference"),
        ("Year", "2024", lambda offer: offer.paper.year == 2024),
    ):
        narrowed = expected & {offer.entry.id for offer in OFFERS if keeps(offer)}
        option = page.get_by_label(label, exact=True).locator(f'option[value="{value}"]')
        assert option.inner_text() == f"{value} ({len(narrowed)})"
        page.get_by_label(label, exact=True).select_option(value)
        assert set(shown(page)) == narrowed
        assert 0 < len(narrowed) <= len(expected)
        expected = narrowed
    assert len(expected) < 10
    address = page.url
    page.reload()
    assert set(shown(page)) == expected
    assert page.get_by_label("Tag", exact=True).input_value() == "softmax"
    # The address can be sent to somebody.
    other = visit(f"gallery.html#{address.partition('#')[2]}")
    assert set(shown(other)) == expected


def test_the_back_button_undoes_a_filter_and_returns_from_a_paper(visit: Visiting) -> None:
    page = visit("gallery.html")
    page.get_by_label("Kind", exact=True).select_option("probe")
    probes = shown(page)
    page.get_by_label("Search entries", exact=True).press_sequentially("heads")
    some = shown(page)
    assert 0 < len(some) < len(probes) < len(OFFERS)
    page.get_by_role("link", name=some[0], exact=True).click()
    page.wait_for_url("**/papers/*.html*")
    page.go_back()
    page.wait_for_selector("#filters:visible")
    assert shown(page) == some
    # The word is one step of the history, not five.
    page.go_back()
    assert shown(page) == probes
    assert page.get_by_label("Search entries", exact=True).input_value() == ""
    page.go_back()
    assert len(shown(page)) == len(OFFERS)
    page.go_forward()
    assert shown(page) == probes


def test_an_unknown_value_in_the_address_filters_nothing(visit: Visiting) -> None:
    page = visit("gallery.html#kind=nonsense&colour=red&year=1066")
    assert len(shown(page)) == len(OFFERS)


def test_the_copied_line_is_the_one_of_the_card(visit: Visiting) -> None:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is missing")
    page = visit("gallery.html")
    offer = zoo.entries(search="moba")[0]
    tile = page.locator(f"#{offer.entry.id}")
    tile.get_by_role("button").click()
    sync_api.expect(tile.get_by_role("button")).to_have_text("Copied")
    page.get_by_label("Search entries", exact=True).press("Control+V")
    pasted = page.get_by_label("Search entries", exact=True).input_value()
    assert f"loaded = {pasted}\n" in (ROOT / "model_cards" / offer.plugin / f"{offer.entry.id}.md").read_text("utf-8")


def test_everything_is_reached_by_keyboard_and_the_focus_is_seen(visit: Visiting) -> None:
    page = visit("gallery.html#q=moba-lm")
    page.get_by_label("Search entries", exact=True).focus()
    reached = []
    for _ in range(10):
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate(
                "() => { const e = document.activeElement, s = getComputedStyle(e);"
                "return [e.name || e.textContent.trim(), s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) > 1] }"
            )
        )
    names = [name for name, _ in reached]
    assert names[:6] == ["kind", "plugin", "tag", "year", "fidelity", "Clear"]
    assert names[6:8] == ["moba-lm", "Copy"]
    assert all(seen for _, seen in reached), reached
    # Back to the button, and press it.
    while page.evaluate("document.activeElement.textContent") != "Copy":
        page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    page.wait_for_function("document.activeElement.textContent === 'Copied'")


def test_the_drawer_of_a_phone_opens_by_keyboard(visit: Visiting) -> None:
    page = visit("gallery.html", viewport=PHONE)
    page.locator("#__navigation").focus()
    page.keyboard.press("Space")
    page.wait_for_function("document.querySelector('.sidebar-drawer').getBoundingClientRect().left === 0")
    assert page.get_by_role("link", name="Papers", exact=True).is_visible()


def test_without_a_script_the_whole_list_is_there(visit: Visiting) -> None:
    page = visit("gallery.html", java_script_enabled=False)
    assert page.locator(".tile:visible").count() == len(OFFERS)
    assert page.locator("#filters:visible, button.copy:visible, #none:visible").count() == 0
    assert page.locator(".tile .line code:visible").count() == len(OFFERS)


def test_pictures_load_as_they_come_into_view(visit: Visiting) -> None:
    page = visit("gallery.html")
    page.wait_for_load_state("networkidle")
    loaded = "images => images.filter(image => image.complete && image.naturalWidth > 0).length"
    total = page.locator(".tile img").count()
    assert total > 10
    first = page.eval_on_selector_all(".tile img", loaded)
    assert first < total
    page.locator(".tile img").last.scroll_into_view_if_needed()
    page.wait_for_function("[...document.querySelectorAll('.tile img')].at(-1).naturalWidth > 0")


@pytest.mark.parametrize("size", [PHONE, DESK], ids=["390", "1440"])
def test_no_page_is_wider_than_the_screen(visit: Visiting, site: Site, size: dict[str, int]) -> None:
    page = visit("index.html", viewport=size)
    wide = []
    for path in site.pages:
        page.goto(path.as_uri(), wait_until="domcontentloaded")
        over = page.evaluate(
            "[document.documentElement, document.querySelector('.content')].map(e => e.scrollWidth - e.clientWidth)"
        )
        if max(over) > 0:
            wide.append((path.relative_to(site.folder).as_posix(), over))
    assert not wide


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_fault(visit: Visiting, site: Site, scheme: str) -> None:
    # Without preload: axe would fetch style sheets, which a page opened as a file may not.
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is missing")
    page = visit("index.html", color_scheme=scheme)
    found = []
    # Tiles are all alike: those of one kind stand for them.
    for name in (f"{name}#kind=attention" if name == "gallery.html" else name for name in PAGES):
        page.goto(site.address(name))
        for violation in axe.Axe().run(page, options={"preload": False}).response["violations"]:
            if violation["impact"] in ("serious", "critical"):
                nodes = [node["html"][:120] for node in violation["nodes"][:3]]
                found.append((name, violation["id"], nodes))
    assert not found


def test_the_search_of_the_site_finds_a_paper(visit: Visiting) -> None:
    page = visit("index.html")
    page.locator(".sidebar-search").fill("pavlovian")
    page.keyboard.press("Enter")
    page.wait_for_selector("#search-results li a")
    hits = page.eval_on_selector_all("#search-results li a", "links => links.map(link => link.getAttribute('href'))")
    assert any(re.match(r"papers/pavlovian-attention\.html", hit) for hit in hits)


def test_equations_are_drawn_as_mathematics(visit: Visiting) -> None:
    page = visit("papers/pavlovian-attention.html")
    assert page.locator(".equations math").count() > 5
    # Scripts are set smaller and lower than what they belong to.
    base, script = page.eval_on_selector(
        ".equations msub",
        "e => [...e.children].map(c => { const r = c.getBoundingClientRect(); return [r.bottom, r.height] })",
    )
    assert script[0] > base[0] - script[1]
    assert script[1] < base[1]
