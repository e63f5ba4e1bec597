"""CHAIR: how many of the objects that captions mention are not in their images."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from zoo.errors import InputError


@dataclass(frozen=True)
class Chair:
    """Hallucination of captions.

    Args:
        sentence: CHAIR_S, the share of captions with an object that is not there.
        instance: CHAIR_I, the share of mentioned objects that are not there.
        precision, recall, f1: of objects, over all captions.
        length: mean number of words.
        hallucinated: per caption, the objects that are not there.
    """

    sentence: float
    instance: float
    precision: float
    recall: float
    f1: float
    length: float
    hallucinated: tuple[tuple[str, ...], ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {**vars(self), "hallucinated": [list(each) for each in self.hallucinated]}


def mentioned(caption: str, words: Mapping[str, str]) -> list[str]:
    """Objects in the order of their mentions, an object twice if it is mentioned twice.

    Args:
        caption: text.
        words: word or phrase, lower case and singular -> object; longer phrases win ("hot dog" is no "dog").
    """
    phrases = sorted(words, key=len, reverse=True)
    pattern = re.compile(r"\b(" + "|".join(rf"{re.escape(phrase)}(?:s|es)?" for phrase in phrases) + r")\b")
    found = []
    for match in pattern.finditer(caption.lower()):
        text = match.group(1)
        known = next(stem for stem in (text, text.removesuffix("s"), text.removesuffix("es")) if stem in words)
        found.append(words[known])
    return found


def chair(captions: Sequence[str], present: Sequence[Collection[str]], words: Mapping[str, str]) -> Chair:
    """Score captions.

    Args:
        captions: one for each image.
        present: the objects in each image.
        words: see ``mentioned``.

    Raises:
        InputError: no captions, or another number of images.
    """
    if not captions or len(captions) != len(present):
        raise InputError(f"{len(captions)} captions for {len(present)} images; expected one for each")
    hallucinated, mentions, right, objects, found = [], 0, 0, 0, 0
    for caption, there in zip(captions, present, strict=True):
        said = mentioned(caption, words)
        wrong = [each for each in said if each not in there]
        hallucinated.append(tuple(wrong))
        mentions, right = mentions + len(said), right + len(said) - len(wrong)
        objects, found = objects + len(set(there)), found + len(set(said) & set(there))
    precision, recall = right / max(mentions, 1), found / max(objects, 1)
    return Chair(
        sum(bool(each) for each in hallucinated) / len(captions),
        (mentions - right) / max(mentions, 1),
        precision,
        recall,
        2 * precision * recall / max(precision + recall, 1e-12),
        sum(len(caption.split()) for caption in captions) / len(captions),
        tuple(hallucinated),
    )
