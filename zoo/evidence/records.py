"""Results that lie beside the model cards: one JSON file per paper and kind of result, written by a command.

A file maps an entry's id and a key to a dataclass of plain values; nothing in it is typed by hand.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from zoo.catalogue import Offer
from zoo.errors import InputError
from zoo.places import write_whole

Result = TypeVar("Result")


def path_of(offer: Offer, kind: str, cards: Path) -> Path:
    """The file that holds an entry's results of a kind, in a folder of cards."""
    return cards / offer.plugin / kind / f"{offer.paper.id}.json"


def read(offer: Offer, kind: str, cards: Path, result: type[Result], *, command: str) -> dict[str, Result]:
    """The recorded results of an entry by their keys; none where nothing was recorded.

    Args:
        offer: the entry.
        kind: name of the folder, for instance "measured".
        cards: the folder of cards.
        result: dataclass of a result.
        command: what writes the file, for the message.

    Raises:
        InputError: the file is not one that ``write`` wrote.
    """
    path = path_of(offer, kind, cards)
    try:
        return {key: result(**found) for key, found in _load(path).get(offer.entry.id, {}).items()}
    except (AttributeError, TypeError, ValueError) as error:
        raise InputError(f"{path} is no file of {kind} results ({error}); run: {command}") from error


def write(offer: Offer, kind: str, cards: Path, key: str, result: Any) -> None:
    """Keep a result; those under other keys and of the paper's other entries stay."""
    path = path_of(offer, kind, cards)
    known = _load(path)
    known.setdefault(offer.entry.id, {})[key] = asdict(result)
    _save(path, known)


def replace(offer: Offer, kind: str, cards: Path, results: Mapping[str, Any]) -> None:
    """Keep these results of an entry in place of those it had; those of the paper's other entries stay."""
    path = path_of(offer, kind, cards)
    entries = {entry.id for entry in offer.paper.entries}
    known = {entry: found for entry, found in _load(path).items() if entry in entries}
    _save(path, known | {offer.entry.id: {key: asdict(result) for key, result in results.items()}})


def _save(path: Path, known: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, (json.dumps(known, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode())


def _load(path: Path) -> dict[str, dict[str, Mapping[str, Any]]]:
    if not path.is_file():
        return {}
    content: dict[str, dict[str, Mapping[str, Any]]] = json.loads(path.read_text(encoding="utf-8"))
    return content
