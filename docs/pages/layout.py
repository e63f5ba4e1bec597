"""What the writers of pages share: where files lie, HTML in Markdown, and links to files of the repository."""

from __future__ import annotations

import os
import re
from html import escape
from pathlib import Path

from docs import conf

ROOT = Path(__file__).parent.parent.parent
# Folder of the sources whose content stands at the top of the site as it is.
EXTRA = "_extra"
# Before a path from the top of the repository: a link to that file, settled when the site is built.
REPOSITORY = "repo:"
# Before a path from the top of the site, likewise.
TOP = "site:"


def raw(html: str) -> str:
    """A block of Markdown that is passed on as HTML."""
    return f"````{{raw}} html\n{html.strip()}\n````\n"


def heading(text: str, level: int = 1) -> str:
    """A heading in Markdown, of any text."""
    escaped = re.sub(r"([\\`*_{}\[\]<>#$])", r"\\\1", text)
    return f"{'#' * level} {escaped}\n"


def code_link(path: str, text: str | None = None) -> str:
    """A link to a file or folder of the repository, by default under its path."""
    shown = text if text is not None else f"<code>{escape(path)}</code>"
    return f'<a href="{REPOSITORY}{escape(path)}">{shown}</a>'


def copied(code: str, *, many: bool = False) -> str:
    """Code with a button that copies it; ``many`` lines of it stand in a block."""
    element = (
        f'<pre tabindex="0">{escape(code, quote=False)}</pre>' if many else f"<code>{escape(code, quote=False)}</code>"
    )
    button = '<button type="button" class="copy" hidden>Copy</button>'
    return f'<div class="line{" block" if many else ""}">{element}{button}</div>'


def scrolling(table: str, label: str) -> str:
    """A table that scrolls by itself where it is wider than the page, also by keyboard."""
    return f'<div class="scroll" role="group" tabindex="0" aria-label="{escape(label)}">{table}</div>'


def settle_links(folder: Path) -> None:
    """Let links to the repository lead to where ``docs/conf.py`` says that it can be read, else to the clone itself."""
    for page in folder.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        base = conf.repository or Path(os.path.relpath(ROOT, page.parent)).as_posix()
        top = Path(os.path.relpath(folder, page.parent)).as_posix()
        settled = text.replace(f'href="{REPOSITORY}', f'href="{base.rstrip("/")}/').replace(
            f'href="{TOP}', f'href="{top}/'
        )
        if settled != text:
            page.write_text(settled, encoding="utf-8")
