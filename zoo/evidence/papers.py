"""The table of all papers, rendered from the catalogue: ``docs/papers.md``, and their count per plugin in the README.

What is listed are the plugins whose code lies in the repository, below the folder that the paths start from.
"""

from __future__ import annotations

import re
from pathlib import Path

from zoo import catalogue
from zoo.about import file_below, file_of
from zoo.catalogue import Offer
from zoo.discovery import Plugin
from zoo.evidence import programs, real_models
from zoo.facts import Paper

TABLE = Path("docs") / "papers.md"
README = Path("README.md")
CARDS = Path("model_cards")
# What lies between these lines of the README is written here.
BEGIN, END = "<!-- papers: written by zoo card --papers -->\n", "<!-- /papers -->\n"


def plugins_below(root: Path) -> list[Plugin]:
    """The plugins with papers whose code lies below a folder."""
    return [
        plugin
        for plugin in catalogue.current().plugins
        if plugin.papers and file_of(plugin.point.value).resolve().is_relative_to(root.resolve())
    ]


def offers_below(root: Path) -> list[Offer]:
    """The entries of these plugins."""
    names = {plugin.name for plugin in plugins_below(root)}
    return [offer for offer in catalogue.current().offers if offer.plugin in names]


def write(root: Path, *, check: bool = False) -> list[Path]:
    """Render the table, the README's count, the pages of programs and of real models; with ``check`` only compare.

    Returns:
        The files that were missing or differed.
    """
    plugins = plugins_below(root)
    stale = []
    pages = {
        TABLE: table(plugins, root),
        README: _readme(root / README, plugins),
        programs.PAGE: programs.page(offers_below(root), root / CARDS),
        real_models.PAGE: real_models.page(offers_below(root), root / CARDS),
    }
    for name, text in pages.items():
        path = root / name
        if text is None or (path.is_file() and path.read_text(encoding="utf-8") == text):
            continue
        stale.append(path)
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    return stale


def table(plugins: list[Plugin], root: Path) -> str:
    """The page: a section per plugin, a row per paper, each with the file to open first."""
    parts = [
        "# All papers",
        "Every paper is a package; its row links to the file that holds its mechanism, and each entry to its card. The "
        "docstring of the package teaches the mechanism and says in which order to read its modules. "
        "Rendered by `zoo card --papers`.",
    ]
    for plugin in plugins:
        rows = [_row(plugin, paper, root) for paper in plugin.papers]
        head = "| paper | year | open | entries | fidelity |\n|---|---|---|---|---|\n"
        parts.append(f"## {plugin.name}\n\n{_counted(plugin)}.\n\n{head}" + "\n".join(rows))
    return "\n\n".join(parts) + "\n"


def _row(plugin: Plugin, paper: Paper, root: Path) -> str:
    name = paper.title.replace("|", r"\|")
    title = f"[{name}]({paper.url})" if paper.url else name
    file = file_below(paper.entries[0].build, root)
    code = f"[{'/'.join(file.split('/')[-2:])}](../{file})"
    cards = ", ".join(f"[{entry.id}](../model_cards/{plugin.name}/{entry.id}.md)" for entry in paper.entries)
    return f"| {title} | {paper.year} | {code} | {cards} | {paper.fidelity} |"


def _counted(plugin: Plugin) -> str:
    papers, entries = len(plugin.papers), sum(len(paper.entries) for paper in plugin.papers)
    return f"{papers} {'paper' if papers == 1 else 'papers'}, {entries} {'entry' if entries == 1 else 'entries'}"


def _readme(path: Path, plugins: list[Plugin]) -> str | None:
    """The README with today's count; None where it keeps none."""
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    if BEGIN not in text or END not in text:
        return None
    papers = sum(len(plugin.papers) for plugin in plugins)
    entries = sum(len(paper.entries) for plugin in plugins for paper in plugin.papers)
    rows = "".join(
        f"| `{plugin.name}` | {len(plugin.papers)} | {sum(len(paper.entries) for paper in plugin.papers)} |\n"
        for plugin in plugins
    )
    counted = (
        f"{papers} papers, {entries} entries in {len(plugins)} plugins; [docs/papers.md](docs/papers.md) has them all, "
        f"each with the file to open:\n\n| plugin | papers | entries |\n|---|---|---|\n{rows}"
    )
    return re.sub(re.escape(BEGIN) + ".*?" + re.escape(END), lambda _: f"{BEGIN}{counted}{END}", text, flags=re.DOTALL)
