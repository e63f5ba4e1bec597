"""Notebooks of some guides, for those who like to change what they read: ``python -m docs.pages.notebooks``.

A notebook holds its guide's prose and code, cell by cell, with what the guide shows as outputs; nothing in it is
edited by hand. ``--check`` writes nothing and ends with 1 where a notebook is not its guide's.
"""

from __future__ import annotations

import argparse
import json
import posixpath
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from docs.pages import guides

FOLDER = guides.ROOT / "docs" / "notebooks"
NAMES = ("choose-an-attention", "in-your-transformers-model", "look-inside-a-model")
_COMMENT = re.compile(r"<!--.*?-->\n*", re.DOTALL)
_LINK = re.compile(r"\]\((?!https?:|#)([^)]+)\)")


def notebook(text: str) -> dict[str, Any]:
    """The notebook of a guide, in the form of nbformat 4.5."""
    cells: list[dict[str, Any]] = []
    position = 0
    for block in guides.blocks(text):
        _prose(cells, text[position : block.start])
        position = block.end
        if block.language == "console":
            for command, output in guides.with_output(block.code):
                _code(cells, f"%%bash\n{command}", output)
        else:
            code = f"%%writefile {block.file}\n{block.code}" if block.file else block.code
            _code(cells, code.rstrip("\n"), block.shown)
    _prose(cells, text[position:])
    python = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {
        "cells": [{"id": f"cell-{index}", **cell} for index, cell in enumerate(cells)],
        "metadata": {"kernelspec": python, "language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def _prose(cells: list[dict[str, Any]], text: str) -> None:
    # Links of the guide are relative to its folder, of which the notebook's is a sibling.
    text = _LINK.sub(lambda link: f"]({posixpath.normpath(f'../guides/{link[1]}')})", _COMMENT.sub("", text)).strip()
    if text:
        cells.append({"cell_type": "markdown", "metadata": {}, "source": text.splitlines(keepends=True)})


def _code(cells: list[dict[str, Any]], code: str, shown: str) -> None:
    output = {"name": "stdout", "output_type": "stream", "text": shown.splitlines(keepends=True)}
    cells.append(
        {
            "cell_type": "code",
            "execution_count": None,
            "metadata": {},
            "outputs": [output] if shown else [],
            "source": code.splitlines(keepends=True),
        }
    )


def rendered(name: str) -> str:
    """A guide's notebook as the text of its file."""
    page = (guides.FOLDER / f"{name}.md").read_text(encoding="utf-8")
    return json.dumps(notebook(page), indent=1, ensure_ascii=False) + "\n"


def stale(*, write: bool = False) -> list[Path]:
    """The notebooks that were missing or are not their guides'; with ``write`` they are written."""
    found = []
    for name in NAMES:
        path, text = FOLDER / f"{name}.ipynb", rendered(name)
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            continue
        found.append(path)
        if write:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Write or check the notebooks."""
    parser = argparse.ArgumentParser(prog="python -m docs.pages.notebooks", description="Render guides as notebooks.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 where one is stale")
    check = parser.parse_args(arguments).check
    for path in (found := stale(write=not check)):
        print(f"{'stale' if check else 'wrote'} {path}")
    sys.exit(check and bool(found))


if __name__ == "__main__":
    main()
