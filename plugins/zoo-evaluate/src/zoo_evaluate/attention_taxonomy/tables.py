"""Records chosen, counted, compared and shown, and the questions that lead to one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from zoo_evaluate.attention_taxonomy.records import Record, require_fields
from zoo_evaluate.attention_taxonomy.terms import AXES, FIELDS

GUIDE = (
    "How many input sequences are there, and where do queries and keys come from? (sequences)",
    "Is attention computed on one level, or do weights of one level feed another? (abstraction)",
    "Which positions get weight: all, a window, or chosen ones? (positions)",
    "What is weighted: positions, features, or several representations of one input? (representations)",
)


def filter_records(records: Iterable[Record], **wanted: str | Sequence[str]) -> list[Record]:
    """Records that have all wanted values (any of a list)."""
    require_fields(*wanted)
    choices = {name: {value} if isinstance(value, str) else set(value) for name, value in wanted.items()}
    return [entry for entry in records if all(options & set(entry.value(name)) for name, options in choices.items())]


def table(records: Iterable[Record], rows: str, columns: str) -> dict[str, dict[str, int]]:
    """Cross-tabulation of two fields: row value -> column value -> number of records."""
    require_fields(rows, columns)
    counts = {row: dict.fromkeys(FIELDS[columns], 0) for row in FIELDS[rows]}
    for entry in records:
        for row in entry.value(rows):
            for column in entry.value(columns):
                counts[row][column] += 1
    return counts


def nearest(wanted: Record, records: Iterable[Record], count: int = 5) -> list[tuple[Record, int]]:
    """Other records with the most equal fields, best first."""
    scored = [
        (other, sum(bool(set(wanted.value(name)) & set(other.value(name))) for name in FIELDS))
        for other in records
        if other.id != wanted.id
    ]
    return sorted(scored, key=lambda item: (-item[1], item[0].id))[:count]


def render(records: Iterable[Record], fields: Sequence[str] = (*AXES, "alignment")) -> str:
    """A Markdown table."""
    require_fields(*fields)
    lines = ["| model | " + " | ".join(fields) + " |", "|" + "---|" * (len(fields) + 1)]
    lines += [
        f"| {entry.id} | " + " | ".join(", ".join(entry.value(name)) or "-" for name in fields) + " |"
        for entry in records
    ]
    return "\n".join(lines)
