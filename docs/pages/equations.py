"""The docstring of a paper as HTML: paragraphs, lists, and indented blocks with their equations typeset.

A block is a table in ASCII: two spaces or more end a cell, and cells of several lines that begin in one column of text
stand in one column of the page. A block that cannot be read stands as it was written.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Callable, Iterator
from html import escape

from docs.pages import expressions

# How a name of a module, in two backticks, is shown; by default as code.
Link = Callable[[str], str | None]

_ARXIV = re.compile(r"\barXiv (\d{4}\.\d{4,5})\b")
_CODE = re.compile(r"``(.+?)``|`(.+?)`")
_STRONG = re.compile(r"\*\*(\S.*?)\*\*")
_CELL = re.compile(r"\S+(?: \S+)*")
_GAP = '<span class="gap"></span> '
_ITEM = re.compile(r"(?:[*-]|\d+\.) +")


def html(docstring: str, link: Link = lambda name: None) -> str:
    """A dedented docstring as HTML.

    Args:
        docstring: paragraphs, lists and blocks that are indented by four spaces, parted by empty lines.
        link: address of what a name in double backticks means, or None.
    """
    return "\n".join(_part(part, link) for part in _parts(docstring))


def _parts(docstring: str) -> Iterator[str]:
    """Paragraphs and blocks; blocks with nothing but empty lines between them are one."""
    block: list[str] = []
    for part in re.split(r"\n[ \t]*\n", docstring.strip("\n")):
        # A block may follow on its introduction without an empty line.
        for indented, lines in itertools.groupby(part.split("\n"), lambda line: line.startswith("    ")):
            piece = "\n".join(lines)
            if indented and not _ITEM.match(piece.lstrip()):
                block.append(piece)
                continue
            if block:
                yield "\n".join(block)
                block = []
            if piece.strip():
                yield piece
    if block:
        yield "\n".join(block)


def _part(part: str, link: Link) -> str:
    if part[0] == " ":
        return block_html(part, link)
    if _ITEM.match(part):
        items = re.split(r"(?m)^(?=(?:[*-]|\d+\.) )", part)
        shown = "".join(f"<li>{prose(_ITEM.sub('', item, count=1), link)}</li>" for item in items if item.strip())
        return f"<ul>{shown}</ul>" if part[0] in "*-" else f"<ol>{shown}</ol>"
    kind = ' class="source"' if part.startswith("Source: ") else ""
    return f"<p{kind}>{prose(part, link)}</p>"


def prose(text: str, link: Link = lambda name: None) -> str:
    """A paragraph: names in backticks as code, what is starred strong, numbers of arXiv as links."""

    def code(found: re.Match[str]) -> str:
        name = found.group(1) or found.group(2)
        address = link(name)
        return f'<a href="{address}"><code>{name}</code></a>' if address else f"<code>{name}</code>"

    joined = escape(" ".join(text.split()), quote=False)
    coded = _STRONG.sub(r"<strong>\1</strong>", _CODE.sub(code, joined))
    return _ARXIV.sub(r'<a href="https://arxiv.org/abs/\1">arXiv \1</a>', coded)


def block_html(block: str, link: Link = lambda name: None) -> str:
    """An indented block, typeset; as it was written where it cannot be read."""
    lines = [line.rstrip() for line in block.splitlines()]
    margin = min((len(line) - len(line.lstrip()) for line in lines if line), default=0)
    lines = [line[margin:] for line in lines]
    if _ITEM.match(lines[0]):
        return _part("\n".join(lines), link)
    try:
        table = table_html([cells(line) for line in lines])
    except expressions.NotReadable:
        return f'<pre class="equations" tabindex="0">{escape(chr(10).join(lines), quote=False)}</pre>'
    return f'<div class="equations" tabindex="0" role="group" aria-label="Equations">{table}</div>'


def cells(line: str) -> dict[int, str]:
    """Where each cell of a line begins, and its text; spaces inside brackets part nothing."""
    found: dict[int, str] = {}
    depth, begin = 0, 0
    for cell in _CELL.finditer(line):
        begin = begin if depth > 0 else cell.start()
        found[begin] = " ".join(line[begin : cell.end()].split())
        depth += sum(map(cell.group().count, "([{")) - sum(map(cell.group().count, ")]}"))
    return found


def table_html(rows: list[dict[int, str]]) -> str:
    """Rows of cells, each cell from the column where it begins to that of the next.

    Raises:
        NotReadable: a cell is no expression.
    """
    rows = _joined(_aligned(rows))
    starts = sorted({start for row in rows for start in row})
    shown = []
    for row in rows:
        if not row:
            continue
        places = [starts.index(start) for start in row]
        ends = [*places[1:], len(starts)]
        parts = [f'<td colspan="{places[0]}"></td>'] if places[0] else []
        for text, place, end in zip(row.values(), places, ends, strict=True):
            span = f' colspan="{end - place}"' if end - place > 1 else ""
            pieces = (expressions.html(piece, display=True) for piece in text.split("\n"))
            parts.append(f"<td{span}>{_GAP.join(pieces)}</td>")
        shown.append(f"<tr>{''.join(parts)}</tr>")
    return f'<table role="presentation">{"".join(shown)}</table>'


def _aligned(rows: list[dict[int, str]]) -> list[dict[int, str]]:
    """Rows that have an equals sign where another row begins a column with one begin a column there, too."""
    signs = {start for row in rows for start, text in row.items() if re.match(r"(=|<-|:=) ", text)}
    found = []
    for row in rows:
        parted: dict[int, str] = {}
        for start, text in row.items():
            cuts = [
                sign - start for sign in sorted(signs) if re.match(r" (=|<-|:=) ", text[max(sign - start - 1, 0) :])
            ]
            cuts = [cut for cut in cuts if 0 < cut < len(text)]
            for begin, end in zip([0, *cuts], [*cuts, len(text)], strict=True):
                parted[start + begin] = text[begin:end].rstrip()
        found.append(parted)
    return found


def _joined(rows: list[dict[int, str]]) -> list[dict[int, str]]:
    """Rows whose cells begin where those of another row do; others follow, on a new line, in the cell before them."""
    shared = Counter(start for row in rows for start in row)
    found = []
    for row in rows:
        kept: dict[int, str] = {}
        for start, text in row.items():
            if kept and shared[start] == 1:
                kept[next(reversed(kept))] += f"\n{text}"
            else:
                kept[start] = text
        found.append(kept)
    return found
