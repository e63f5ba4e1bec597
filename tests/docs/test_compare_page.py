"""The comparison of drop-in layers: what the page holds without a script, and what one can do with it in a browser."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from docs.pages import comparison
from docs.pages.layout import ROOT
from docs.pages.tiles import tiles
from zoo.evidence import bench_record

if TYPE_CHECKING:
    from playwright.sync_api import Page

Visit = Callable[..., "Page"]
RECORD = bench_record.read(ROOT)
SCORES = json.loads(comparison.SCORES.read_text(encoding="utf-8"))
LAYERS = comparison.layers(tiles(), RECORD, SCORES)
# Some with everything that the page can show.
FULL = [layer.tile.id for layer in LAYERS if layer.costs and layer.scores and layer.tile.offer.entry.traits]
ADDRESS = "compare-page.html"


def test_every_layer_with_traits_or_figures_has_a_row() -> None:
    names = {layer.tile.id for layer in LAYERS}
    assert names >= {tile.id for tile in tiles() if tile.offer.entry.traits}
    assert names >= set(RECORD.layers)
    assert len(FULL) >= comparison.MOST
    page = comparison.html(LAYERS, RECORD, SCORES)
    assert re.findall(r'<tr data-layer="([^"]+)">', page) == [layer.tile.id for layer in LAYERS]
    assert all(escaped in page for escaped in {series.machine for series in RECORD.layers.values()})


def test_cells_are_what_was_recorded() -> None:
    layer = next(layer for layer in LAYERS if layer.tile.id == FULL[0])
    row = dict(zip(comparison.columns(), comparison.cells(layer), strict=True))
    one = next(one for one in RECORD.layers[FULL[0]].passes if one.length == 2048)
    assert row["layer"] == FULL[0]
    assert row["time at 2,048"] == f"{one.seconds / one.dense_seconds:.2f}"
    assert one.peak_bytes
    assert one.dense_bytes
    assert row["memory at 2,048"] == f"{one.peak_bytes / one.dense_bytes:.2f}"
    scored = next(found for found in SCORES["layers"] if found["layer"].partition(" (")[0] == FULL[0])
    assert row["induction 32"] == f"{scored['tasks']['induction']['scores']['32']['mean']:.2f}"
    assert layer.tile.offer.entry.traits
    assert row["decoding needs"] == layer.tile.offer.entry.traits.decoding


def test_a_layer_that_was_not_measured_has_a_row_of_its_facts() -> None:
    layer = comparison.Layer(next(layer for layer in LAYERS if layer.tile.id == FULL[0]).tile, None, None)
    row = dict(zip(comparison.columns(), comparison.cells(layer), strict=True))
    assert row["causal"]
    assert {row[name] for name in comparison.columns()[6:]} == {""}
    page = comparison.html([layer], bench_record.Record(), SCORES)
    assert "Time and memory</b> of" not in page, "no machine is named for what was not measured"
    data = json.loads(re.search(r'id="data">(.*?)</script>', page, re.DOTALL)[1])  # type: ignore[index]
    assert data["layers"][FULL[0]]["passes"] == []


def _seen(page: Page) -> list[str]:
    return page.eval_on_selector_all("#layers tbody tr:not([hidden])", "rows => rows.map(row => row.dataset.layer)")


def test_without_a_script_the_whole_table_is_there(visit: Visit) -> None:
    page = visit(ADDRESS, java_script_enabled=False)
    assert page.locator("#layers tbody tr:visible").count() == len(LAYERS)
    assert page.locator("#choose:visible, #plots:visible, #csv:visible").count() == 0


def test_an_address_is_a_view(visit: Visit) -> None:
    page = visit(f"{ADDRESS}#layers={','.join(FULL[:2])}&show=absolute")
    assert sorted(_seen(page)) == sorted(FULL[:2])
    assert page.locator("#plots figure").count() == 2 + len(comparison.LEVELS)
    lines = "nodes => nodes.map(node => node.dataset.series)"
    shown = page.eval_on_selector_all("#plots figure:nth-of-type(1) .series", lines)
    assert shown[:2] == FULL[:2]
    assert shown[2].startswith("standard attention")
    title = page.locator("#plots figure:nth-of-type(1) .series .point title").first.text_content()
    first = RECORD.layers[FULL[0]].passes[0]
    assert title is not None
    assert title.startswith(f"{FULL[0]}, {first.length}: ")
    assert title.endswith((" s", " ms", " µs"))
    page.reload()
    assert sorted(_seen(page)) == sorted(FULL[:2])
    assert page.locator("[name=show]").input_value() == "absolute"


def test_choosing_fills_the_address_and_the_back_button_undoes_it(visit: Visit) -> None:
    page = visit(ADDRESS)
    assert len(_seen(page)) == len(LAYERS)
    page.get_by_label(FULL[0], exact=True).check()
    page.get_by_label(FULL[1], exact=True).check()
    assert page.url.endswith(f"#layers={FULL[0]},{FULL[1]}")
    assert sorted(_seen(page)) == sorted(FULL[:2])
    page.go_back()
    assert _seen(page) == [FULL[0]]
    assert not page.get_by_label(FULL[1], exact=True).is_checked()
    page.get_by_role("button", name="Choose none").click()
    assert "#" not in page.url
    assert page.locator("#plots").is_hidden()


def test_the_keyboard_chooses(visit: Visit) -> None:
    page = visit(ADDRESS)
    page.locator("[name=layer]").first.focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    assert _seen(page) == [LAYERS[1].tile.id]
    page.locator("[name=show]").focus()
    page.keyboard.press("ArrowDown")
    assert page.url.endswith("&show=absolute")


def test_there_are_six_at_most(visit: Visit) -> None:
    page = visit(f"{ADDRESS}#layers={','.join([*FULL[:7], 'no-such-layer'])}")
    assert sorted(_seen(page)) == sorted(FULL[:6])
    seventh = page.get_by_label(FULL[6], exact=True)
    assert seventh.is_disabled()
    page.get_by_label(FULL[0], exact=True).uncheck()
    assert seventh.is_enabled()
    colours = page.eval_on_selector_all(
        "#plots figure:nth-of-type(1) .series", "nodes => nodes.map(node => getComputedStyle(node).stroke)"
    )
    assert len(set(colours)) == len(colours) == 5


def test_the_table_is_copied_as_csv(visit: Visit) -> None:
    page = visit(f"{ADDRESS}#layers={','.join(FULL[:3])}")
    page.evaluate("window.zooCopy = async text => { window.copied = text; }")
    page.get_by_role("button", name="Copy the table as CSV").click()
    page.get_by_role("button", name="Copied").wait_for()
    head, *rows = csv.reader(io.StringIO(page.evaluate("window.copied")))
    assert head == comparison.columns()
    assert rows == [comparison.cells(layer) for layer in LAYERS if layer.tile.id in FULL[:3]]


@pytest.mark.parametrize("width", [390, 1440])
def test_it_fits_the_screen_and_has_no_serious_fault(visit: Visit, width: int) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="pip install attention-zoo[browser]")
    for scheme in ("light", "dark"):
        page = visit(
            f"{ADDRESS}#layers={','.join(FULL[:6])}", viewport={"width": width, "height": 844}, color_scheme=scheme
        )
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        found = axe.Axe().run(page, options={"preload": False}).response["violations"]
        assert [fault for fault in found if fault["impact"] in ("serious", "critical")] == []
