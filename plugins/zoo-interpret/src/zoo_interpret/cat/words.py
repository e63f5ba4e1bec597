"""A tokenizer of the first game, a token per word or number, and batches of it for tiny models."""

from __future__ import annotations

import re
from collections.abc import Sequence

import torch
from torch import Tensor

from zoo_interpret.cat.masks import build_causal_mask, supervised
from zoo_interpret.cat.stg import LABELS, WORDS, StgSample

END = 0
_PART = re.compile(r"\d+|[A-Za-z]+|[:,.]")
_NAMES = sorted({word for text in (*WORDS, *LABELS, "Answer") for word in text.split()})
VOCABULARY = {"": END} | {name: index for index, name in enumerate([*_NAMES, ":", ",", *map(str, range(16))], start=1)}


def encode(text: str) -> list[int]:
    """Ids of a text of the game; words of the introduction have none."""
    return [VOCABULARY[part] for part in _PART.findall(text) if part in VOCABULARY]


def decode(ids: Sequence[int]) -> str:
    """Words of ids, up to the end."""
    names = {index: name for name, index in VOCABULARY.items()}
    kept = []
    for index in ids:
        if index == END:
            break
        kept.append(names[int(index)])
    return " ".join(kept)


def batch(samples: Sequence[StgSample], *, causal: bool = True) -> dict[str, Tensor]:
    """Training batch: input_ids, labels, attention_mask, and causal_mask where wanted; padded on the right."""
    rows = []
    for sample in samples:
        ids, labels = supervised(encode(sample.question), encode(sample.label), END)
        # Only the answer counts: a tiny model would otherwise spend itself on the question's last token.
        labels[: len(encode(sample.question))] = -100
        rows.append((ids, labels, build_causal_mask(f"{sample.question} {sample.label}", sample.adjacency, encode)))
    length = max(len(ids) for ids, _, _ in rows)
    ids = torch.full((len(rows), length), END)
    labels, mask = torch.full_like(ids, -100), torch.zeros(len(rows), length, length)
    real = torch.zeros_like(ids)
    for index, (own, own_labels, own_mask) in enumerate(rows):
        ids[index, : len(own)], labels[index, : len(own)], real[index, : len(own)] = own, own_labels, 1
        mask[index, : len(own_mask), : len(own_mask)] = own_mask
    found = {"input_ids": ids, "labels": labels, "attention_mask": real}
    return {**found, "causal_mask": mask} if causal else found
