"""What the writers of pages share: where files lie, and how HTML stands in Markdown."""

from __future__ import annotations

# Folder of the sources whose content stands at the top of the site as it is.
EXTRA = "_extra"


def raw(html: str) -> str:
    """A block of Markdown that is passed on as HTML."""
    return f"````{{raw}} html\n{html.strip()}\n````\n"
