"""The walls of the repository: no circle, no paper that imports a paper, a core that knows no plugin and stays small,
and one shape for the package of every paper."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from zoo.facts import Paper
from zoo.targets import resolve

from .. import structure


@pytest.fixture(autouse=True)
def _template_can_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(structure.TEMPLATE / "src"))


# What load, save and list need: facts, discovery, configs, building, weights, saving, looking, and the command whose
# parts are imported when they run.
CORE = {
    *("zoo", "zoo.errors", "zoo.facts", "zoo.names", "zoo.hooks", "zoo.targets"),
    *("zoo.foreign", "zoo.licenses"),
    *("zoo.distributions", "zoo.discovery", "zoo.collecting", "zoo.catalogue", "zoo.views"),
    *("zoo.configuration", "zoo.building", "zoo.filling", "zoo.loading", "zoo.origin"),
    *("zoo.saving", "zoo.saving.writing", "zoo.saving.folder"),
    *("zoo.weights", "zoo.weights.files", "zoo.weights.digests", "zoo.weights.sources"),
    *("zoo.weights.hub", "zoo.weights.hub_failures"),
    *("zoo.cli", "zoo.cli.__main__", "zoo.cli.output", "zoo.cli.options", "zoo.cli.usage"),
}
# Everything else of the distribution: one job each, needed by those who want that job.
AROUND_THE_CORE = (
    "zoo.bridges",
    "zoo.evidence",
    "zoo.authoring",
    "zoo.testing",
    "zoo.nn",
    "zoo.about",
    "zoo.counting",
    "zoo.weights.pickles",
    "zoo.weights.uploading",
    "zoo.cli.listing",
    "zoo.cli.using",
    "zoo.cli.predicting",
    "zoo.cli.sharing",
    "zoo.datasets",
    "zoo.threads",
    "zoo.places",
)

CORE_LINES = 3_000


def _around(module: str) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in AROUND_THE_CORE)


def test_every_module_of_the_distribution_is_in_the_core_or_around_it():
    ours = {module for module in structure.modules() if module.partition(".")[0] == "zoo"}
    assert {module for module in ours if not _around(module)} == CORE


def test_the_core_stays_under_its_lines():
    files = structure.modules()
    assert sum(structure.lines_of_code(files[module]) for module in CORE) < CORE_LINES


def test_lines_of_code_leave_out_docstrings_comments_and_blank_lines(tmp_path):
    file = tmp_path / "sample.py"
    file.write_text('"""Two\nlines."""\n\n# A comment.\ndef f(\n    x,\n):\n    """Doc."""\n    return """a\nb"""\n')
    assert structure.lines_of_code(file) == 5


def test_the_graph_sees_every_form_of_import(tmp_path):
    known = dict.fromkeys(("pkg", "pkg.a", "pkg.b", "pkg.c", "pkg.d", "pkg.e"), tmp_path)
    file = tmp_path / "a.py"
    file.write_text(
        "import pkg.b, os\nfrom pkg import c, name\nfrom typing import TYPE_CHECKING\nif TYPE_CHECKING:\n"
        "    from .d import D\ndef later():\n    from . import e\n"
    )
    assert structure.imports("pkg.a", file, known) == {"pkg", "pkg.b", "pkg.c", "pkg.d", "pkg.e"}
    circle = {"a": frozenset("b"), "b": frozenset("c"), "c": frozenset("bd"), "d": frozenset()}
    assert structure.circles(circle) == [["b", "c"]]


def test_no_module_imports_itself_by_a_detour():
    assert not structure.circles(structure.graph())


def test_no_paper_imports_a_paper():
    papers = set(structure.paper_packages())

    def paper_of(module: str) -> str | None:
        return next((paper for paper in papers if module == paper or module.startswith(f"{paper}.")), None)

    for module, imported in structure.graph().items():
        home = paper_of(module)
        # The parts that papers share lie below them, so they know no paper either.
        foreign = {other for other in map(paper_of, imported) if other not in (None, home)}
        assert not foreign, f"{module} imports {', '.join(sorted(map(str, foreign)))}"


def test_the_core_imports_no_plugin_and_plugins_import_no_plugin():
    for module, imported in structure.graph().items():
        home = module.partition(".")[0]
        tops = {name.partition(".")[0] for name in imported}
        assert tops <= {"zoo", home}, f"{module} imports {', '.join(sorted(tops - {'zoo', home}))}"


# What waits for transformers has to be there before it; the module itself imports nothing but the standard library.
WAITING = "from zoo.bridges.transformers import arrival"


def test_what_waits_for_transformers_imports_only_the_standard_library():
    tree = ast.parse(structure.modules()["zoo.bridges.transformers.arrival"].read_text(encoding="utf-8"))
    imports = [each for each in tree.body if isinstance(each, ast.Import | ast.ImportFrom)]
    names = [each.module if isinstance(each, ast.ImportFrom) else each.names[0].name for each in imports]
    assert {str(name).partition(".")[0] for name in names} <= sys.stdlib_module_names


def test_the_core_imports_nothing_around_it_when_it_is_imported():
    files = structure.modules()
    for module in sorted(CORE):
        tree = ast.parse(files[module].read_text(encoding="utf-8"))
        for statement in tree.body:
            if isinstance(statement, ast.Import | ast.ImportFrom):
                wrapper = ast.unparse(statement)
                if (module, wrapper) == ("zoo", WAITING):
                    continue
                named = [word.strip(",") for word in wrapper.split()]
                assert not any(_around(word) for word in named), f"{module}: {wrapper}"


def test_importing_every_facts_imports_nothing_heavy():
    names = [f"{package}.facts" for package in structure.paper_packages()]
    heavy = ("torch", "numpy", "omegaconf", "transformers", "huggingface_hub", "rich", "scipy", "PIL")
    code = (
        f"import importlib, sys\nsys.path.append({str(structure.TEMPLATE / 'src')!r})\n"
        f"for name in {names!r}: importlib.import_module(name)\nprint(sorted(set({heavy!r}) & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert len(names) >= 21


# Published under these names before the rule for names was made.
NAMED_BEFORE = ("attention-core",)


def _paper(package: str) -> Paper:
    paper = resolve(f"{package}.facts:PAPER")
    assert isinstance(paper, Paper)
    return paper


def _tree(package: str, module: str) -> ast.Module:
    return ast.parse(structure.modules()[f"{package}.{module}"].read_text(encoding="utf-8"))


@pytest.mark.parametrize("package", sorted(structure.paper_packages()))
def test_a_paper_has_the_fixed_names(package: str) -> None:
    problems = list(_problems(package))
    assert not problems, "\n".join(problems)


def _problems(package: str):
    top, name = package.split(".")
    paper = _paper(package)
    files = structure.modules()
    own = {module.removeprefix(f"{package}.") for module in files if module.startswith(f"{package}.")}
    others = sorted(own - {"facts"})

    init = ast.parse(files[package].read_text(encoding="utf-8"))
    text = ast.get_docstring(init)
    if text is None or len(init.body) != 1:
        yield "__init__.py holds its docstring and nothing else"
    unmapped = [module for module in others if not re.search(rf"`{re.escape(module)}`", text or "")]
    if unmapped:
        yield f"the docstring of __init__.py maps its modules; it leaves out {', '.join(unmapped)}"
    if len(others) > 6 and not re.search(r"\b[Rr]ead\b", text or ""):
        yield f"with {len(others)} modules the docstring of __init__.py gives the order to read them in"

    if paper.id.replace("-", "_").replace(".", "_") != name:
        yield f"the paper's id {paper.id!r} is not the package's name"
    if paper.code != package:
        yield "facts.py says code=__package__"
    if paper.entries[0].id != paper.id:
        yield f"the first entry {paper.entries[0].id!r} does not carry the paper's id"
    odd = [
        entry.id
        for entry in paper.entries
        if entry.id not in (paper.id, *NAMED_BEFORE) and not entry.id.startswith(f"{paper.id}-")
    ]
    if odd:
        yield f"entries are the paper's id with a suffix, not {', '.join(odd)}"
    outside = {name.partition(".")[0] for name in _imported(_tree(package, "facts"))} - {"zoo", "__future__"}
    if outside:
        yield f"facts.py imports zoo only, not {', '.join(sorted(outside))}"

    homes = {"config": "config", "train": "training"}
    for entry in paper.entries:
        for fact, module in homes.items():
            target = getattr(entry, fact)
            if target is not None and not _lies_in(target, f"{package}.{module}", top, package):
                yield f"{entry.id}: {fact} is {target}, not in {module}.py"
        for claim in entry.claims:
            if claim.check and not re.fullmatch(rf"{re.escape(package)}\.claims(\.\w+)?:check_\w+", claim.check):
                yield f"{entry.id}: the check {claim.check} is no check_ function of claims.py"
        for convert in (entry.convert, *(weights.convert for weights in entry.weights.values())):
            if convert is not None and not _lies_in(convert, f"{package}.conversion", top, package):
                yield f"{entry.id}: convert is {convert}, not in conversion.py"
    if paper.replay is not None and not _lies_in(paper.replay, f"{package}.conversion", top, package):
        yield f"replay is {paper.replay}, not in conversion.py"

    for module in others:
        if module.partition(".")[0] == "claims":
            continue
        for node in ast.walk(_tree(package, module)):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("check_"):
                yield f"check_ is for claims; {module}.{node.name} says what it requires instead"
    for banned in ("utils", "helpers", "everything", "common", "misc"):
        if banned in own:
            yield f"{banned}.py is no name that says what a module is"


def _imported(tree: ast.Module) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "" if not node.level else "." * node.level)
    return found


def _lies_in(target: str, module: str, top: str, package: str) -> bool:
    """In the paper's module of that name, or, for what two papers share, beside the papers or in ``zoo``."""
    place = target.partition(":")[0]
    if place == module or place.startswith(f"{module}."):
        return True
    shared = place == top or place.startswith(f"{top}.") or place.partition(".")[0] == "zoo"
    return shared and not any(place.startswith(f"{paper}.") for paper in structure.paper_packages())


def test_what_papers_share_checks_no_claims():
    papers = tuple(f"{package}." for package in structure.paper_packages())
    for module, file in structure.modules().items():
        if module.partition(".")[0] == "zoo" or module.startswith(papers):
            continue
        names = [node.name for node in ast.walk(_parsed(file)) if isinstance(node, ast.FunctionDef)]
        assert not [name for name in names if name.startswith("check_")], module


def _parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))
