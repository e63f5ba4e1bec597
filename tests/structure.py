"""The source of the repository, read without running it: modules, and who imports whom."""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
# What ``zoo new`` copies is held to what every plugin is held to.
TEMPLATE = ROOT / "zoo" / "authoring" / "template"
PLUGIN_ROOTS = [*sorted((ROOT / "plugins").glob("zoo-*/src")), TEMPLATE / "src"]


def modules_under(root: Path, package: str) -> dict[str, Path]:
    """Dotted name -> file of a package and everything in it."""
    found = {}
    for file in sorted((root / package).rglob("*.py")):
        if TEMPLATE in file.parents and TEMPLATE not in root.parents:
            continue
        parts = file.relative_to(root).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found


@cache
def modules() -> dict[str, Path]:
    """Every module of the core and of the first-party plugins."""
    found = modules_under(ROOT, "zoo")
    for root in PLUGIN_ROOTS:
        for package in sorted(root.glob("*/__init__.py")):
            found |= modules_under(root, package.parent.name)
    return found


def imports(module: str, file: Path, known: Mapping[str, Path]) -> set[str]:
    """The known modules that a module imports, wherever in it the statement stands.

    Imports inside functions and for type checkers count too: a module that needs another one only later needs it
    nevertheless, and a circle that is put off is a circle. What is no edge: names resolved at run time from strings
    ("module:name"), and the parent packages that Python imports on the way, whose ``__init__`` import nothing of
    their children. ``from package import name`` is an edge to the module ``package.name`` where there is one, else
    to ``package``.
    """
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, module, is_package=file.name == "__init__.py")
            names = {f"{base}.{alias.name}" for alias in node.names}
            found |= {name if name in known else base for name in names}
    return (found & known.keys()) - {module}


def _absolute(node: ast.ImportFrom, module: str, *, is_package: bool) -> str:
    if not node.level:
        return node.module or ""
    parents = module.split(".")
    kept = parents[: len(parents) - node.level + (1 if is_package else 0)]
    return ".".join([*kept, *([node.module] if node.module else [])])


@cache
def graph() -> dict[str, frozenset[str]]:
    """Module -> the modules of the repository that it imports."""
    known = modules()
    return {module: frozenset(imports(module, file, known)) for module, file in known.items()}


def circles(edges: Mapping[str, frozenset[str]]) -> list[list[str]]:
    """Groups of modules that reach one another (Tarjan's strongly connected components of more than one)."""
    number: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        number[node] = lowest[node] = len(number)
        stack.append(node)
        for neighbour in edges[node]:
            if neighbour not in number:
                visit(neighbour)
                lowest[node] = min(lowest[node], lowest[neighbour])
            elif neighbour in stack:
                lowest[node] = min(lowest[node], number[neighbour])
        if lowest[node] == number[node]:
            group = [stack.pop()]
            while group[-1] != node:
                group.append(stack.pop())
            if len(group) > 1:
                found.append(sorted(group))

    for node in edges:
        if node not in number:
            visit(node)
    return found


def paper_packages() -> Iterator[str]:
    """Dotted names of the packages of papers: those with a ``facts`` module."""
    for module in modules():
        package, _, name = module.rpartition(".")
        if name == "facts" and package != "zoo":
            yield package


_NO_CODE = (
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
)


def lines_of_code(file: Path) -> int:
    """Lines that hold code: no blank lines, comments and docstrings."""
    text = file.read_text(encoding="utf-8")
    docstrings: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            docstrings |= set(range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1))
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in _NO_CODE:
            lines |= set(range(token.start[0], token.end[0] + 1))
    return len(lines - docstrings)
