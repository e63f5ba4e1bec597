"""Causal masks from a text and the causes of its parts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from zoo.errors import InputError

Adjacency = Sequence[Mapping[str, Sequence[str]]]
"""[{target: [causes]}, ...], all of them parts of the text."""


def build_causal_mask(
    text: str, adjacency: Adjacency, tokenizer: Any, *, style: str = "bpe", below_diagonal: bool = False
) -> Tensor:
    """C (T, T) of 0 and 1: row q, column k is 1 where token k is a cause of the token after q.

    Args:
        text: of T tokens.
        adjacency: targets and their causes; strings that the text has not are passed over.
        tokenizer: of transformers, or any function from a text to tokens.
        style: "bpe": a string is looked for with a space before it, and as it is where the text begins with it;
            "sentencepiece" (Llama's): as it is encoded, without the first token.
        below_diagonal: whether entries above the diagonal are cleared, as for Llama.

    Raises:
        InputError: an unknown style.
    """
    encode = _encoder(tokenizer)
    tokens = encode(text)
    mask = torch.zeros(len(tokens), len(tokens))
    for group in adjacency:
        for target, causes in group.items():
            for start, length in _places(tokens, text, target, encode, style):
                for cause in causes:
                    for begin, count in _places(tokens, text, cause, encode, style):
                        if start > begin + count:
                            # The query that predicts a token stands one before it.
                            mask[start - 1 : start - 1 + length, begin : begin + count] = 1
    return mask.tril() if below_diagonal else mask


def _encoder(tokenizer: Any) -> Callable[[str], list[Any]]:
    if hasattr(tokenizer, "convert_tokens_to_ids"):
        return lambda text: list(tokenizer(text)["input_ids"])
    if not callable(tokenizer):
        raise InputError(f"{type(tokenizer).__name__} is no tokenizer; give one of transformers, or a function")
    return lambda text: list(tokenizer(text))


def _places(
    tokens: list[Any], text: str, string: str, encode: Callable[[str], list[Any]], style: str
) -> Iterator[tuple[int, int]]:
    """Where a string's tokens stand in the text's: (start, length)."""
    if style not in ("bpe", "sentencepiece"):
        raise InputError(f"style={style!r}; expected bpe or sentencepiece")
    if style == "sentencepiece":
        wanted = [encode(string)[1:]]
    else:
        wanted = [encode(f" {string}"), *([encode(string)] if text.startswith(string) else [])]
    found = set()
    for part in wanted:
        for start in range(len(tokens) - len(part) + 1 if part else 0):
            if tokens[start : start + len(part)] == part:
                found.add((start, len(part)))
    yield from sorted(found)


def supervised(question: Sequence[int], answer: Sequence[int], end: int, *, ends: int = 1) -> tuple[Tensor, Tensor]:
    """Ids and labels (T,) of a training sample: of the question, only its last token has a label.

    Args:
        question, answer: ids.
        end: id of the end, which also pads.
        ends: how many follow the answer; 3 for Qwen3.
    """
    ids = torch.tensor([*question, *answer, *[end] * ends])
    labels = ids.clone()
    labels[: max(len(question) - 1, 0)] = -100
    return ids, labels
