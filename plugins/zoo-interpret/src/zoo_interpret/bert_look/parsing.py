"""Attention between words, and single heads as dependency parsers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from zoo.errors import InputError
from zoo.places import to_read

AGGREGATIONS = ("mean", "first", "max")

DIRECTIONS = ("normal", "transpose", "both")


def word_attention(maps: Tensor, starts: Tensor, lengths: Tensor, how: str = "mean") -> Tensor:
    """Attention between words (layers, heads, W, W) from attention between pieces.

    Args:
        maps: (layers, heads, N, N).
        starts, lengths: (W,) the pieces of every word, [CLS] and [SEP] included as words of their own.
        how: rows of a word's pieces: their mean, the first, or the maximum divided by its sum.

    Raises:
        InputError: another ``how``, or a word without pieces among the N.
    """
    if how not in AGGREGATIONS:
        raise InputError(f"{how!r} is not one of {', '.join(AGGREGATIONS)}")
    if starts.shape != lengths.shape or bool(
        ((starts < 0) | (lengths < 1) | (starts + lengths > maps.shape[-1])).any()
    ):
        raise InputError(
            f"starts {starts.tolist()} and lengths {lengths.tolist()} are not words of {maps.shape[-1]} pieces"
        )
    spans = list(zip(starts.tolist(), (starts + lengths).tolist(), strict=True))
    columns = torch.stack([maps[..., start:stop].sum(-1) for start, stop in spans], -1)
    if how == "first":
        return columns[..., [start for start, _ in spans], :]
    if how == "mean":
        return torch.stack([columns[..., start:stop, :].mean(-2) for start, stop in spans], -2)
    rows = torch.stack([columns[..., start:stop, :].amax(-2) for start, stop in spans], -2)
    return rows / rows.sum(-1, keepdim=True)


def predict_heads(maps: Tensor, direction: str = "normal") -> Tensor:
    """For each word the word it attends to most, 1-based (0 is ROOT, never predicted).

    Args:
        maps: word level (..., n + 2, n + 2) with [CLS] and [SEP] at the ends.
        direction: "normal" (the dependent attends to its head), "transpose", or "both" (a + a').

    Returns:
        (..., n) int64.
    """
    if direction == "transpose":
        maps = maps.transpose(-1, -2)
    elif direction == "both":
        maps = maps + maps.transpose(-1, -2)
    elif direction != "normal":
        raise InputError(f"{direction!r} is not one of {', '.join(DIRECTIONS)}")
    off = maps * (1 - torch.eye(maps.shape[-1], dtype=maps.dtype))
    return off[..., 1:-1, 1:-1].argmax(-1) + 1


def predict_offset(count: int, offset: int) -> Tensor:
    """The baseline: word i (0-based) depends on word i + offset, clamped to 0..n; (n,) 1-based."""
    return (torch.arange(count) + offset + 1).clamp(0, count)


def attachment_score(predicted: Tensor, gold: Tensor) -> Tensor:
    """UAS (...) of predictions (..., n) against gold heads (n,), 0 = ROOT."""
    return (predicted == gold).float().mean(-1)


@dataclass(frozen=True)
class Sentence:
    """A parsed sentence: words, 1-based gold heads (0 = ROOT) and relations."""

    words: tuple[str, ...]
    heads: tuple[int, ...]
    relations: tuple[str, ...]


def relation_scores(
    sentences: Sequence[Sentence], maps: Sequence[Tensor], direction: str = "normal"
) -> dict[str, Tensor]:
    """Accuracy (layers, heads) per relation, and "all" without punctuation.

    For ``poss``, if the next word is 's, that word's prediction is used.
    """
    right: dict[str, Tensor] = {}
    seen: dict[str, int] = {}
    for sentence, weights in zip(sentences, maps, strict=True):
        predicted = predict_heads(weights, direction)
        for index, (head, relation) in enumerate(zip(sentence.heads, sentence.relations, strict=True)):
            place = index
            following = sentence.words[index + 1] if index + 1 < len(sentence.words) else ""
            if relation == "poss" and following == "'s":
                place = index + 1
            hit = (predicted[..., place] == head).float()
            for name in (relation, *(() if relation == "punct" else ("all",))):
                right[name] = right.get(name, torch.zeros_like(hit)) + hit
                seen[name] = seen.get(name, 0) + 1
    return {name: total / seen[name] for name, total in right.items()}


def offset_baseline(
    sentences: Sequence[Sentence], offsets: Iterable[int] = range(-5, 6)
) -> dict[str, tuple[int, float]]:
    """Best fixed offset of every relation, and its accuracy."""
    best: dict[str, tuple[int, float]] = {}
    for offset in offsets:
        right: dict[str, list[bool]] = {}
        for sentence in sentences:
            predicted = predict_offset(len(sentence.words), offset).tolist()
            for guess, head, relation in zip(predicted, sentence.heads, sentence.relations, strict=True):
                right.setdefault(relation, []).append(guess == head)
        for relation, hits in right.items():
            score = sum(hits) / len(hits)
            if score > best.get(relation, (0, -1.0))[1]:
                best[relation] = (offset, score)
    return best


def read_conll(path: str | Path) -> list[Sentence]:
    """Read sentences of a CoNLL-U or CoNLL-X file (ten columns: word 2, head 7, relation 8).

    Raises:
        InputError: the file is not of that format.
    """
    sentences: list[Sentence] = []
    rows: list[tuple[str, int, str]] = []
    try:
        lines = to_read(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    for number, line in enumerate([*lines, ""], 1):
        if line.startswith("#"):
            continue
        columns = line.split("\t")
        if not line.strip():
            if rows:
                words, heads, relations = zip(*rows, strict=True)
                sentences.append(Sentence(words, heads, relations))
            rows = []
        elif "-" in columns[0] or "." in columns[0]:
            continue
        elif len(columns) < 8 or not columns[6].isdigit():
            raise InputError(f"{path}, line {number}: expected ten tab-separated columns with a head in the seventh")
        else:
            rows.append((columns[1], int(columns[6]), columns[7]))
    return sentences


def synthetic_treebank(count: int, seed: int = 0, length: int = 8) -> list[Sentence]:
    """Sentences of random words whose heads lie one or two words on, by relation; the last word is the root."""
    generator = torch.Generator().manual_seed(seed)
    sentences = []
    for _ in range(count):
        words = tuple(f"w{int(index)}" for index in torch.randint(50, (length,), generator=generator))
        drawn = (1 + torch.randint(2, (length,), generator=generator)).tolist()
        offsets = [min(offset, length - 1 - index) for index, offset in enumerate(drawn)]
        heads = [index + offset + 1 for index, offset in enumerate(offsets)]
        relations = ["next" if offset == 1 else "skip" for offset in offsets]
        heads[-1], relations[-1] = 0, "root"
        sentences.append(Sentence(words, tuple(heads), tuple(relations)))
    return sentences
