"""Docstrings as reStructuredText: what they mean literally must not be markup.

They are prose with ``double backticks``, sections of Google's style, and equations: a_hj, |x|, a * b. To
reStructuredText the first of these is a link, the second a substitution, the third may begin emphasis. Outside of
literal blocks and backticks such marks are escaped before napoleon reads the sections.
"""

from __future__ import annotations

import re
from typing import Any

_LITERAL = re.compile(r"(``.+?``|`[^`]+`)")
_BULLET = re.compile(r"\s*[*-] ")
_SECTION = re.compile(r"\s*(Args|Arguments|Returns|Raises|Yields|Note|Example|Examples|Attributes):\s*$")


def escape(line: str) -> str:
    """A line of prose without markup but for its backticks, of which single ones become double ones."""
    bullet = _BULLET.match(line)
    begin = bullet[0] if bullet else ""
    parts = _LITERAL.split(line.removeprefix(begin))
    for index, part in enumerate(parts):
        if index % 2:
            parts[index] = part if part.startswith("``") else f"`{part}`"
        else:
            part = re.sub(r"(?<!\\)\*|(?<![\w\\])\|(?=\S)", r"\\\g<0>", part)
            parts[index] = re.sub(r"(?<=\w)_(?!\w)", r"\\_", part)
    return begin + "".join(parts)


def prepared(lines: list[str]) -> list[str]:
    """The lines of a docstring; those of literal blocks, which are indented after ``::``, as they are."""
    found: list[str] = []
    outside: int | None = None  # indentation of the line that announced a literal block
    for line in lines:
        indentation = len(line) - len(line.lstrip())
        if outside is not None and (not line.strip() or indentation > outside):
            found.append(line)
            continue
        found.append(line if _SECTION.match(line) else escape(line))
        outside = indentation if line.rstrip().endswith("::") else None
    return found


def process(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """For Sphinx' event ``autodoc-process-docstring``."""
    lines[:] = prepared(lines)
