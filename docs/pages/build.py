"""Gather the sources of the site and run Sphinx over them."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from sphinx.application import Sphinx

from docs.pages import api, comparison, gallery, paper_pages
from docs.pages.layout import EXTRA, REPOSITORY, ROOT, TOP, settle_links
from docs.pages.tiles import CARDS, tiles

DOCS = ROOT / "docs"
SITE = ROOT / "site"
SOURCE = ROOT / "build" / "site-source"

# The table for those who read the repository; the site has a page per paper.
LEFT_OUT = {DOCS / "papers.md"}
_LINK = re.compile(r"\]\((\.\./[^)\s]+)\)")


def gather(target: Path) -> None:
    """Lay out the sources anew in ``target``: prose, then what the writers add."""
    shutil.rmtree(target, ignore_errors=True)
    (target / EXTRA).mkdir(parents=True)
    found = {*DOCS.rglob("*.md"), *DOCS.rglob("*.ipynb"), *DOCS.glob("*.png"), *DOCS.glob("*.json")}
    for path in found - LEFT_OUT:
        copy = target / path.relative_to(DOCS)
        copy.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".md":
            copy.write_text(prose(path), encoding="utf-8")
        else:
            shutil.copyfile(path, copy)
    shutil.copyfile(ROOT / "CHANGELOG.md", target / "changelog.md")
    for writer in (gallery, paper_pages, comparison, api):
        writer.write(target)


def prose(path: Path) -> str:
    """A page of Markdown; what leads out of ``docs`` leads to files of the repository, and to pages for cards."""
    pages = {CARDS / tile.offer.plugin / f"{tile.id}.md": tile.page for tile in tiles()}

    def settled(link: re.Match[str]) -> str:
        target = (path.parent / link[1]).resolve()
        if target.is_relative_to(DOCS) or not target.is_relative_to(ROOT):
            return link[0]
        return (
            f"]({TOP}{pages[target]})" if target in pages else f"]({REPOSITORY}{target.relative_to(ROOT).as_posix()})"
        )

    return _LINK.sub(settled, path.read_text(encoding="utf-8"))


def build(folder: Path = SITE, source: Path = SOURCE) -> Path:
    """Build the site into ``folder``, from sources laid out in ``source``.

    Returns:
        The page to open.
    """
    gather(source)
    shutil.rmtree(folder, ignore_errors=True)
    app = Sphinx(
        srcdir=source,
        confdir=DOCS,
        outdir=folder,
        doctreedir=source.parent / f"{source.name}-doctrees",
        buildername="html",
        freshenv=True,
        status=None,
        confoverrides={"html_extra_path": [str(source / EXTRA)]},
    )
    app.build()
    if app.statuscode:
        raise SystemExit(f"Sphinx ended with status {app.statuscode}")
    settle_links(folder)
    return folder / "index.html"
