"""The picture on a card: drawn by a command, captioned by its docstring, missed where it is not there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from PIL import Image

import zoo
from zoo.evidence import card, papers


def draw_red(path: Path) -> None:
    """A red picture, drawn
    for this test.

    More that is no caption.
    """
    Image.new("RGB", (2, 2), "red").save(path)


def test_a_picture_is_drawn_shown_and_missed(tmp_path):
    offer = next(offer for offer in zoo.entries() if offer.entry.picture is None and offer.entry.kind == "attention")
    assert card.draw(offer, tmp_path) is None
    drawn = replace(offer, entry=replace(offer.entry, picture=f"{__name__}:draw_red"))
    path = tmp_path / offer.plugin / "pictures" / f"{offer.entry.id}.png"
    card.write(drawn, tmp_path)
    assert card.write(drawn, tmp_path, check=True) == path
    assert card.draw(drawn, tmp_path) == path
    assert path.is_file()
    assert card.write(drawn, tmp_path, check=True) is None
    text = (tmp_path / offer.plugin / f"{offer.entry.id}.md").read_text()
    assert f"![A red picture, drawn for this test.](pictures/{offer.entry.id}.png)" in text
    assert "no caption" not in text


def test_every_entry_of_ours_shows_what_it_does():
    """One that has no picture of its own is a drop-in layer whose cost was recorded."""
    root = Path(__file__).parent.parent.parent
    ours = [offer for plugin in papers.plugins_below(root) for offer in zoo.entries(plugin=plugin.name)]
    assert len(ours) > 100
    bare = [offer.entry.id for offer in ours if not card.picture_path(offer, root / card.FOLDER).is_file()]
    assert not bare, "draw them: zoo card NAME --pictures"
