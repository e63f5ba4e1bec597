"""The README is kept true: its list of papers is the catalogue's, and its tour prints what it shows."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import pytest

import zoo

TEXT = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", TEXT, re.DOTALL)


def _row(paper, plugin: str) -> str:
    entries = ", ".join(f"`{entry.id}`" for entry in paper.entries)
    title = f"[{paper.title}]({paper.url})" if paper.url else paper.title
    return f"| {title} | `{plugin}` | {entries} | {paper.fidelity} |"


def test_lists_every_paper() -> None:
    offers = list(zoo.entries())
    plugin_of = {offer.paper.id: offer.plugin for offer in offers}
    rows = [_row(paper, plugin_of[paper.id]) for paper in zoo.papers()]
    missing = [row for row in rows if row not in TEXT.splitlines()]
    assert not missing, "add to README.md:\n" + "\n".join(missing)
    assert f"{len(rows)} papers, {len(offers)} entries" in TEXT


def test_tour_prints_what_the_readme_shows(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    tour = next(code for language, code in BLOCKS if language == "python")
    shown = next(text for language, text in BLOCKS if language == "text")
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(tour, "README.md", "exec"), {})

    # The numbers of the last line are those of a random model.
    def stable(text: str) -> list[str]:
        return [line.rstrip() for line in text.split("tensor(")[0].splitlines()]

    assert stable(printed.getvalue()) == stable(shown)
    assert "tensor(" in printed.getvalue()


@pytest.mark.parametrize("example", [text for language, text in BLOCKS if language == "text" and ">>> " in text])
def test_errors_read_as_shown(example: str) -> None:
    for call, shown in re.findall(r">>> (.*)\n(.*)", example):
        with pytest.raises(zoo.ZooError) as caught:
            eval(call, {"zoo": zoo})
        assert f"{type(caught.value).__name__}: {caught.value}" == shown
