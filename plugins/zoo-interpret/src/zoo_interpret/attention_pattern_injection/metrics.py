"""Metrics of the two tasks: ROUGE of summaries, P_k of segmentations."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from zoo.errors import InputError

_WORD = re.compile(r"[a-z0-9]+")


def words_of(text: str) -> list[str]:
    """Lower-case words and numbers."""
    return _WORD.findall(text.lower())


def rouge_n(candidate: str, reference: str, n: int = 1) -> float:
    """F1 of n-grams, between 0 and 1."""
    counts = [
        Counter(tuple(words[index : index + n]) for index in range(len(words) - n + 1))
        for words in (words_of(candidate), words_of(reference))
    ]
    common = sum((counts[0] & counts[1]).values())
    return _f1(common, *(sum(count.values()) for count in counts))


def rouge_l(candidate: str, reference: str) -> float:
    """F1 of the longest common subsequence of words."""
    left, right = words_of(candidate), words_of(reference)
    previous = [0] * (len(right) + 1)
    for word in left:
        current = [0]
        for index, other in enumerate(right):
            current.append(previous[index] + 1 if word == other else max(previous[index + 1], current[-1]))
        previous = current
    return _f1(previous[-1], len(left), len(right))


def _f1(common: int, candidate: int, reference: int) -> float:
    return 2 * common / (candidate + reference) if common else 0.0


def choose_sentences(
    scores: Sequence[float], sentences: Sequence[str], count: int = 3, *, block_trigrams: bool = False
) -> list[int]:
    """Indices of the best sentences in the order of the text; with blocking, none repeats a trigram of a better one."""
    chosen: list[int] = []
    seen: set[tuple[str, ...]] = set()
    for index in sorted(range(len(sentences)), key=lambda index: -scores[index]):
        words = words_of(sentences[index])
        trigrams = {tuple(words[place : place + 3]) for place in range(len(words) - 2)}
        if block_trigrams and trigrams & seen:
            continue
        chosen.append(index)
        seen |= trigrams
        if len(chosen) == count:
            break
    return sorted(chosen)


def p_k(predicted: Sequence[int], gold: Sequence[int], k: int | None = None) -> float:
    """P_k of segmentations, a segment's number for every sentence: how often two sentences k apart are wrongly judged.

    Args:
        predicted, gold: the segment of every sentence.
        k: half the mean length of a gold segment by default.

    Raises:
        InputError: another number of sentences, or fewer than k + 1.
    """
    if len(predicted) != len(gold):
        raise InputError(f"{len(predicted)} predicted sentences, {len(gold)} gold ones")
    distance = max(1, round(len(gold) / len(set(gold)) / 2)) if k is None and len(gold) else (k or 1)
    if len(gold) <= distance:
        raise InputError(f"{len(gold)} sentences are too few for pairs {distance} apart")
    wrong = [
        (predicted[index] == predicted[index + distance]) != (gold[index] == gold[index + distance])
        for index in range(len(gold) - distance)
    ]
    return sum(wrong) / len(wrong)
