"""A page per paper, ``papers/ID.md``, and the list of them, ``papers.md``.

They say what the model cards say, from the same facts and records, for somebody who reads and chooses.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from html import escape
from itertools import groupby
from pathlib import Path

from docs.pages import entry_section, equations, evidence_section
from docs.pages.layout import EXTRA, REPOSITORY, ROOT, code_link, copied, heading, raw
from docs.pages.tiles import Tile, tiles
from zoo import about
from zoo.evidence import card
from zoo.facts import Paper


def write(target: Path) -> None:
    """Add the pages and their pictures."""
    by_paper = {
        paper: sorted(group, key=lambda tile: tile.offer.paper.entries.index(tile.offer.entry))
        for paper, group in groupby(
            sorted(tiles(), key=lambda tile: tile.offer.paper.id), key=lambda tile: tile.offer.paper.id
        )
    }
    (target / "papers").mkdir()
    for paper, group in by_paper.items():
        for tile in group:
            _copy_picture(tile, target)
        (target / "papers" / f"{paper}.md").write_text(page(group), encoding="utf-8")
    (target / "papers.md").write_text(index(list(by_paper.values())), encoding="utf-8")


def _copy_picture(tile: Tile, target: Path) -> None:
    if tile.picture is not None:
        path = target / EXTRA / entry_section.picture_name(tile)
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(tile.picture, path)


def index(papers: Sequence[Sequence[Tile]]) -> str:
    """The list of papers, by plugin, the latest first."""
    plugins: dict[str, list[Sequence[Tile]]] = {}
    for group in papers:
        plugins.setdefault(group[0].offer.plugin, []).append(group)
    parts = [
        heading("Papers"),
        raw(
            f'<p class="lead">{len(papers)} papers. Each is a package of code whose docstring teaches the mechanism, '
            'with what the paper promises beside what was measured here. <a href="gallery.html">The gallery</a> shows '
            "their entries as pictures, with search and filters.</p>"
        ),
    ]
    for plugin, groups in sorted(plugins.items()):
        rows = "".join(_row(group) for group in sorted(groups, key=_latest_first))
        parts += [heading(plugin, 2), raw(f'<ul class="papers">{rows}</ul>')]
    return "\n".join(parts)


def _latest_first(group: Sequence[Tile]) -> tuple[int, str]:
    paper = group[0].offer.paper
    return -paper.year, paper.title


def _row(group: Sequence[Tile]) -> str:
    paper = group[0].offer.paper
    entries = ", ".join(tile.id for tile in group)
    return (
        f'<li><a href="papers/{paper.id}.html">{escape(paper.title)}</a>'
        f'<p>{paper.year} · {paper.fidelity} · <span class="ids">{entries}</span></p></li>'
    )


def page(group: Sequence[Tile]) -> str:
    """The page of one paper, in Markdown."""
    paper = group[0].offer.paper
    parts = [
        "---\norphan: true\n---",
        heading(paper.title),
        raw(f"{_crumbs(group[0])}{_facts(group[0])}{entry_section.figure(group[0])}"),
        heading("What it computes", 2),
        raw(_explanation(group[0])),
        heading("Entries", 2),
        *(
            part
            for tile in group
            for part in (heading(tile.id, 3), raw(entry_section.html(tile, first=tile is group[0])))
        ),
        *evidence_section.claims(group),
        *evidence_section.notes(
            "Where code and paper differ",
            paper.differences,
            [(tile.id, tile.offer.entry.differences) for tile in group],
        ),
        *evidence_section.notes("What is ours", paper.ours, [(tile.id, tile.offer.entry.ours) for tile in group]),
        heading("Cite", 2),
        raw(copied(bibtex(paper), many=True)),
    ]
    return "\n\n".join(parts) + "\n"


def _crumbs(tile: Tile) -> str:
    plugin, tiles_of_plugin = tile.offer.plugin, f"../gallery.html#plugin={tile.offer.plugin}"
    return (
        '<p class="crumbs"><a href="../papers.html">Papers</a> / '
        f'<a href="../papers.html#{plugin}">{plugin}</a> · <a href="{tiles_of_plugin}">{plugin} in the gallery</a></p>'
    )


def _facts(tile: Tile) -> str:
    paper = tile.offer.paper
    folder = Path(about.file_below(paper.entries[0].build, ROOT)).parent.as_posix()
    facts = {"Year": str(paper.year)}
    if paper.url:
        facts["Paper"] = f'<a href="{paper.url}">arXiv {paper.arxiv}</a>'
    if paper.repo:
        place = f"https://github.com/{paper.repo}" + (f"/tree/{paper.commit}" if paper.commit else "")
        licence = f", {paper.license.removeprefix('LicenseRef-')}" if paper.license else ""
        facts["Authors' code"] = f'<a href="{place}">{escape(paper.repo)}</a>{licence}'
    facts["Code here"] = code_link(folder, f"<code>{Path(folder).name}/</code>")
    facts["Fidelity"] = f"<b>{paper.fidelity}</b>, {escape(card.FIDELITIES[paper.fidelity])}"
    rows = "".join(f"<div><dt>{name}</dt><dd>{text}</dd></div>" for name, text in facts.items())
    return f'<dl class="simple about">{rows}</dl>'


def _explanation(tile: Tile) -> str:
    entry = tile.offer.entry
    package = about.file_of(entry.build).parent

    def link(name: str) -> str | None:
        path = package / f"{name}.py"
        return f"{REPOSITORY}{path.relative_to(ROOT).as_posix()}" if path.is_file() else None

    return f'<div class="explanation">{equations.html(card.docstring(entry), link)}</div>'


def bibtex(paper: Paper) -> str:
    """A reference; the facts name no authors, whom arXiv's page lists."""
    fields = {"title": f"{{{paper.title}}}", "year": str(paper.year)}
    if paper.arxiv:
        fields |= {"eprint": paper.arxiv, "archivePrefix": "arXiv", "url": str(paper.url)}
    width = max(map(len, fields))
    rows = "\n".join(f"  {name:<{width}} = {{{text}}}," for name, text in fields.items())
    return f"@misc{{{paper.id},\n{rows}\n}}"
