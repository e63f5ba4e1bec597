"""Single heads as choosers of antecedents, and baselines without attention."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from zoo.errors import InputError


def antecedents(maps: Tensor, mentions: Sequence[int]) -> Tensor:
    """For each mention but the first, the earlier mention whose head word it attends to most.

    Args:
        maps: word level (..., n + 2, n + 2).
        mentions: 1-based word positions of the mentions' head words, in order.

    Returns:
        (..., mentions - 1) int64: index into ``mentions``.
    """
    places = torch.tensor(list(mentions))
    scores = maps[..., places[:, None], places]
    return torch.stack([scores[..., index, :index].argmax(-1) for index in range(1, len(places))], -1)


def antecedent_accuracy(chosen: Tensor, clusters: Sequence[int]) -> Tensor:
    """Share (...) of mentions with an antecedent that chose one of their own cluster."""
    labels = torch.tensor(list(clusters))
    has = torch.tensor([bool((labels[:index] == labels[index]).any()) for index in range(1, len(labels))])
    if not has.any():
        raise InputError("no mention has an antecedent")
    right = labels[chosen] == labels[1:]
    return right[..., has].float().mean(-1)


def nearest_mention(count: int) -> Tensor:
    """The baseline: every mention's antecedent is the one before it."""
    return torch.arange(count - 1)


def same_head_word(words: Sequence[str]) -> Tensor:
    """The baseline: the nearest earlier mention with the same head word, else the nearest."""
    return _sieve([word.lower() for word in words])


@dataclass(frozen=True)
class Mention:
    """What rules look at: the text, its head word, and its agreement such as ("singular", "female", "third")."""

    text: str
    head: str
    agreement: tuple[str, ...]


def rule_based(mentions: Sequence[Mention]) -> Tensor:
    """The baseline of rules: the nearest earlier mention of the same text, else head word, else agreement, else any."""
    texts = [mention.text.lower() for mention in mentions]
    heads = [mention.head.lower() for mention in mentions]
    return _sieve(texts, heads, [mention.agreement for mention in mentions])


def _sieve(*passes: Sequence[Hashable]) -> Tensor:
    """For each mention but the first, the nearest earlier one equal in the first key that has one, or the last one."""

    def antecedent(index: int) -> int:
        for keys in passes:
            equal = [other for other in range(index) if keys[other] == keys[index]]
            if equal:
                return equal[-1]
        return index - 1

    return torch.tensor([antecedent(index) for index in range(1, len(passes[0]))])
