"""Real parallel text: Greek and English clauses of the New Testament, with word alignments made by hand.

The package ``bible-alignments`` holds the Greek text (SBLGNT, CC-BY-4.0), the Berean Standard Bible (public domain) and
115,008 manual alignments between their words (CC-BY-4.0). Verses are cut at the English punctuation where everything
aligned before the cut stands before everything aligned after it: 22,000 clauses of six Greek words on average.
One verse of twenty is held out, with all its clauses but those that stand in another verse, too.
"""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from zoo.targets import missing_dependency

Split = Literal["train", "held-out"]
LONGEST = 14
_PUNCTUATION = frozenset(",.;:?!—")


@dataclass(frozen=True)
class Clause:
    """A clause in two languages.

    Args:
        verse: book, chapter and verse, as in "43001001".
        source: Greek words.
        target: English words, lower-cased.
        links: pairs of places (Greek, English) that belong together.
    """

    verse: str
    source: tuple[str, ...]
    target: tuple[str, ...]
    links: frozenset[tuple[int, int]]


@cache
def greek_english(split: Split) -> tuple[Clause, ...]:
    """Clauses of at most 14 words on either side.

    Args:
        split: nineteen verses of twenty ("train"), or the twentieth ("held-out") without clauses whose Greek or
            English words are also those of a clause in "train".

    Raises:
        MissingDependency: the package is not installed.
    """
    verses: dict[str, list[Clause]] = defaultdict(list)
    for clause in _clauses(_folder()):
        verses[clause.verse].append(clause)
    chosen = [verse for index, verse in enumerate(sorted(verses)) if (index % 20 == 19) == (split == "held-out")]
    found = tuple(
        clause
        for verse in chosen
        for clause in verses[verse]
        if 1 <= len(clause.source) <= LONGEST and 1 <= len(clause.target) <= LONGEST
    )
    if split == "train":
        return found
    seen = greek_english("train")
    sources, targets = {clause.source for clause in seen}, {clause.target for clause in seen}
    return tuple(clause for clause in found if clause.source not in sources and clause.target not in targets)


def _folder() -> Path:
    spec = find_spec("bible_alignments")
    if spec is None or not spec.submodule_search_locations:
        raise missing_dependency("bible_alignments", needed_by="the Greek and English clauses")
    return Path(spec.submodule_search_locations[0]).parent / "data"


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file, delimiter="\t")


def _clauses(folder: Path) -> Iterator[Clause]:
    greek: dict[str, list[dict[str, str]]] = defaultdict(list)
    english: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row in _rows(folder / "sources" / "SBLGNT.tsv"):
        greek[row["id"][1:9]].append(row)
    for row in _rows(folder / "eng" / "targets" / "BSB" / "nt_BSB.tsv"):
        english[row["source_verse"]].append(row)
    linked: dict[str, list[tuple[str, str]]] = defaultdict(list)
    with (folder / "eng" / "alignments" / "BSB" / "SBLGNT-BSB-manual.json").open(encoding="utf-8") as file:
        for record in json.load(file)["records"]:
            for source in record["source"]:
                linked[source[1:9]] += [(source, target) for target in record["target"]]
    for verse, words in greek.items():
        yield from _cut(verse, words, english[verse], linked[verse])


def _cut(
    verse: str, source: list[dict[str, str]], target: list[dict[str, str]], linked: list[tuple[str, str]]
) -> Iterator[Clause]:
    """The clauses of a verse."""
    of_source = {row["id"]: place for place, row in enumerate(source)}
    of_target = {row["id"]: place for place, row in enumerate(target)}
    links = [(of_source[s], of_target[t]) for s, t in linked if s in of_source and t in of_target]
    start = (0, 0)
    for place, row in enumerate(target, 1):
        end = (len(source), len(target)) if place == len(target) else None
        if end is None and row["exclude"] and row["text"][-1:] in _PUNCTUATION:
            before = [s for s, t in links if t < place]
            after = [s for s, t in links if t >= place]
            # Greek words that are aligned with nothing go with what follows them: mostly articles and "and".
            if before and after and start[0] <= max(before) < min(after):
                end = (max(before) + 1, place)
        if end is None:
            continue
        # Punctuation is excluded from the alignments, and from the text.
        kept = [index for index in range(start[1], end[1]) if not target[index]["exclude"]]
        renumbered = {index: number for number, index in enumerate(kept)}
        yield Clause(
            verse,
            tuple(row["text"] for row in source[start[0] : end[0]]),
            tuple(target[index]["text"].lower() for index in kept),
            frozenset((s - start[0], renumbered[t]) for s, t in links if start[0] <= s < end[0] and t in renumbered),
        )
        start = end
