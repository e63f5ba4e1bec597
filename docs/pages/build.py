"""Gather the sources of the site and run Sphinx over them."""

from __future__ import annotations

import importlib
import importlib.util
import shutil
from pathlib import Path

from sphinx.application import Sphinx

from docs.pages.layout import EXTRA, ROOT, settle_repository_links

DOCS = ROOT / "docs"
SITE = ROOT / "site"
SOURCE = ROOT / "build" / "site-source"

# The table for those who read the repository; the site has a page per paper.
LEFT_OUT = {DOCS / "papers.md"}
WRITERS = ("gallery", "paper_pages", "comparison", "api")


def gather(target: Path) -> None:
    """Lay out the sources anew in ``target``: prose, then what the writers add."""
    shutil.rmtree(target, ignore_errors=True)
    (target / EXTRA).mkdir(parents=True)
    found = {*DOCS.rglob("*.md"), *DOCS.rglob("*.ipynb"), *DOCS.glob("*.png"), *DOCS.glob("*.json")}
    for path in found - LEFT_OUT:
        copy = target / path.relative_to(DOCS)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    if (ROOT / "CHANGELOG.md").is_file():
        shutil.copyfile(ROOT / "CHANGELOG.md", target / "changelog.md")
    for name in WRITERS:
        if importlib.util.find_spec(f"docs.pages.{name}") is not None:
            importlib.import_module(f"docs.pages.{name}").write(target)


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
    settle_repository_links(folder)
    return folder / "index.html"
