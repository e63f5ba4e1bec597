"""The reference: complete, and its docstrings read as the prose that they are."""

from __future__ import annotations

import inspect
import pkgutil
import re
from importlib import import_module
from pathlib import Path

import pytest

import zoo
from docs.pages import api, docstrings

NAMES = {name for part in api.parts() for names in part.sections.values() for name in names}


def test_everything_that_the_zoo_exports_is_on_a_page() -> None:
    """But for the mark of a hook's implementation, which the page of hooks shows."""
    assert {f"zoo.{name}" for name in zoo.__all__} - NAMES == {"zoo.hookimpl"}
    assert "zoo.hooks.*" in NAMES


@pytest.mark.parametrize("package", ["zoo.nn", "zoo.bridges", "zoo.evidence", "zoo.testing"])
def test_every_public_module_of_a_package_is_on_a_page(package: str) -> None:
    found = {module.name for module in pkgutil.walk_packages(import_module(package).__path__, f"{package}.")}
    shown = {name.removesuffix(".*") for name in NAMES}
    left_out = {name for name in found if name not in shown}
    assert all(re.search(r"commands|papers|hub_card|hub_licenses|conformance_of_plugin", name) for name in left_out)


def test_pages_are_written_with_a_directive_for_every_name(tmp_path: Path) -> None:
    api.write(tmp_path)
    index = (tmp_path / "api" / "index.md").read_text(encoding="utf-8")
    for part in api.parts():
        assert f"({part.name}.md)" in index
        text = (tmp_path / "api" / f"{part.name}.md").read_text(encoding="utf-8")
        directives = re.findall(r"^\.\. auto(\w+):: (\S+)$", text, re.MULTILINE)
        wanted = [name for names in part.sections.values() for name in names]
        assert sorted(name for _, name in directives) == sorted(name.removesuffix(".*") for name in wanted)
        for kind, name in directives:
            assert (kind == "module") == (f"{name}.*" in wanted)
    assert "autoexception:: zoo.ConfigError" in (tmp_path / "api" / "zoo.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("line", "read"),
    [
        ("z_h = sum_j a_hj, of |x| * b", r"z_h = sum_j a_hj, of \|x| \* b"),
        ("a name_ with an end", r"a name\_ with an end"),
        ("``a_ * |b|`` stays, `once` is code", "``a_ * |b|`` stays, ``once`` is code"),
        ("(B, 1|H, Q, K)", "(B, 1|H, Q, K)"),
        ("* a point, a * b", r"* a point, a \* b"),
        (r"escaped \* already", r"escaped \* already"),
    ],
)
def test_marks_of_prose_and_equations_are_no_markup(line: str, read: str) -> None:
    assert docstrings.escape(line) == read


def test_literal_blocks_and_heads_of_sections_stay() -> None:
    lines = ["Like this::", "", "    a * b_", "", "and a * b", "", "Args:", "    x: of |y|.", "        still * here"]
    want = [
        "Like this::",
        "",
        "    a * b_",
        "",
        r"and a \* b",
        "",
        "Args:",
        r"    x: of \|y|.",
        r"        still \* here",
    ]
    assert docstrings.prepared(lines) == want


def test_every_name_on_a_page_has_a_docstring() -> None:
    for name in NAMES:
        module, _, own = name.removesuffix(".*").rpartition(".")
        found = import_module(f"{module}.{own}") if name.endswith(".*") else getattr(import_module(module), own)
        assert inspect.getdoc(found), name
