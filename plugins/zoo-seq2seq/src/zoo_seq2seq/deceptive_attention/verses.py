"""Verses of the Bible with pronouns of a man or of a woman: whom are they about, and does the attention say so?

Of the Berean Standard Bible (public domain, in the package ``bible-alignments``): the 794 verses with she, her, hers or
herself and no pronoun of a man in their first 30 words, and as many of the other kind. Every fifth is held out. The
pronouns are impermissible.
"""

from __future__ import annotations

import csv
import json
import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor

from zoo.errors import InputError
from zoo.targets import missing_dependency
from zoo_seq2seq.decoding import PAD, UNKNOWN

OF_A_MAN = frozenset(("he", "him", "his", "himself"))
OF_A_WOMAN = frozenset(("she", "her", "hers", "herself"))
WORDS, LONGEST = 2000, 30
_VOCABULARY = Path(__file__).parent.parent / "weights" / "verses-words.json"


@dataclass(frozen=True, eq=False)
class Verses:
    """Words (count, 30) with 0 for padding, their mask, labels (1: of a woman) and impermissible words."""

    ids: Tensor
    mask: Tensor
    labels: Tensor
    impermissible: Tensor


def words_of(text: str) -> list[str]:
    """Lower-cased words of a text."""
    return re.findall(r"[^\W\d_]+(?:[’'][^\W\d_]+)*", text.lower())


@cache
def vocabulary() -> dict[str, int]:
    """The 1,998 most frequent words of the training verses, after padding and the unknown."""
    words: list[str] = json.loads(_VOCABULARY.read_text(encoding="utf-8"))
    return {word: index for index, word in enumerate(words, UNKNOWN + 1)}


def encode(text: str) -> list[int]:
    """Ids of a text's words.

    Raises:
        InputError: there is no word.
    """
    found = [vocabulary().get(word, UNKNOWN) for word in words_of(text)]
    if not found:
        raise InputError(f"{text!r} has no word")
    return found


def impermissible_words(text: str) -> Tensor:
    """1 for each word of a text that is a pronoun of a man or a woman: (length,)."""
    return torch.tensor([float(word in OF_A_MAN | OF_A_WOMAN) for word in words_of(text)])


def require_our_words(vocab_size: int) -> None:
    """Raise InputError where a model was made for another vocabulary."""
    if vocab_size != WORDS:
        raise InputError(f"a model of {vocab_size} words has no vocabulary here: take the preset 'verses'")


def _texts() -> tuple[list[str], list[str]]:
    """Verses of a woman, and as many of a man."""
    spec = find_spec("bible_alignments")
    if spec is None or not spec.submodule_search_locations:
        raise missing_dependency("bible_alignments", needed_by="verses with pronouns")
    folder = Path(spec.submodule_search_locations[0]).parent / "data" / "eng" / "targets" / "BSB"
    verses: dict[str, list[str]] = defaultdict(list)
    for name in ("nt_BSB.tsv", "ot_BSB.tsv"):
        with (folder / name).open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file, delimiter="\t"):
                if not row["exclude"]:
                    verses[row["source_verse"]].append(row["text"].lower())
    found: dict[bool, list[str]] = {True: [], False: []}
    for verse in sorted(verses):
        words = words_of(" ".join(verses[verse]))[:LONGEST]
        man, woman = (not kind.isdisjoint(words) for kind in (OF_A_MAN, OF_A_WOMAN))
        if man != woman:
            found[woman].append(" ".join(words))
    step = len(found[False]) / len(found[True])
    return found[True], [found[False][int(index * step)] for index in range(len(found[True]))]


def verses(*, held_out: bool) -> Verses:
    """Four fifths to train on, or the last fifth.

    Raises:
        MissingDependency: the package is not installed.
    """
    texts, labels = [], []
    for label, each in zip((1, 0), _texts(), strict=True):
        chosen = [text for index, text in enumerate(each) if (index % 5 == 4) == held_out]
        texts += chosen
        labels += [label] * len(chosen)
    ids = torch.full((len(texts), LONGEST), PAD)
    impermissible = torch.zeros(len(texts), LONGEST)
    for row, text in enumerate(texts):
        found = torch.tensor(encode(text))
        ids[row, : len(found)] = found
        impermissible[row, : len(found)] = impermissible_words(text)
    return Verses(ids, ids != PAD, torch.tensor(labels), impermissible)


def train_vocabulary() -> None:
    """Count the words of the training verses again, and write them where they are read."""
    counts: Counter[str] = Counter()
    for each in _texts():
        for index, text in enumerate(each):
            if index % 5 != 4:
                counts.update(words_of(text))
    words = [word for word, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]
    kept = words[: WORDS - UNKNOWN - 1]
    _VOCABULARY.write_text(json.dumps(kept, ensure_ascii=False), encoding="utf-8")
    vocabulary.cache_clear()
