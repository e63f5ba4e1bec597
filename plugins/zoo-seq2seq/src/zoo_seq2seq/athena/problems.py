"""Problems from texts: numbers become mask tokens, which a language model of transformers reads."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from zoo.errors import InputError
from zoo_seq2seq.athena.network import Athena

_NUMBER = re.compile(r"(?<![\w.])\d[\d,]*(?:\.\d+)?")


@dataclass(frozen=True, eq=False)
class Problem:
    """A problem as a language model sees it.

    Args:
        input_ids: (1, tokens), every number the mask token.
        numbers: their values, in order.
        number_indices: tokens of the numbers.
        question_indices: tokens of the last sentence, without the end mark.
    """

    input_ids: Tensor
    numbers: list[float]
    number_indices: list[int]
    question_indices: list[int]


def read_problem(text: str, tokenizer: Any) -> Problem:
    """Mask the numbers of a text; its last sentence is the question.

    Args:
        text: the problem.
        tokenizer: of transformers, with a mask token.

    Raises:
        InputError: no number, no mask token, or numbers that the tokenizer swallows.
    """
    if tokenizer.mask_token is None:
        raise InputError("the tokenizer has no mask token to stand for numbers")
    values = [float(found.replace(",", "")) for found in _NUMBER.findall(text)]
    if not values:
        raise InputError(f"{text!r} has no number")
    masked = _NUMBER.sub(f" {tokenizer.mask_token} ", text)
    sentences = re.split(r"(?<=[.!?])\s+", masked.strip())
    head = " ".join(sentences[:-1])
    ids = tokenizer(masked)["input_ids"]
    places = [index for index, token in enumerate(ids) if token == tokenizer.mask_token_id]
    if len(places) != len(values):
        raise InputError(f"{len(values)} numbers, and {len(places)} mask tokens among the ids")
    special = set(tokenizer.all_special_ids) - {tokenizer.mask_token_id}
    start = len(tokenizer(head, add_special_tokens=False)["input_ids"]) if head else 0
    words = [index for index, token in enumerate(ids) if token not in special]
    question = words[min(start, len(words) - 1) :]
    return Problem(torch.tensor([ids]), values, places, question)


@dataclass(frozen=True)
class Solution:
    """An answer: the expression, in numbers n0, n1, ... of the text, its value, and how sure it is."""

    expression: str
    value: float
    strength: float


@torch.no_grad()
def solve_text(model: Athena, language_model: nn.Module, tokenizer: Any, text: str) -> Solution:
    """Solve a problem with an encoder of transformers.

    Args:
        model: trained with it.
        language_model: its last hidden states are read.
        tokenizer: of it.
        text: the problem.

    Raises:
        InputError: see ``read_problem``; or an encoder of another width.
    """
    problem = read_problem(text, tokenizer)
    features = language_model(input_ids=problem.input_ids).last_hidden_state[0]
    found = model.solve(features, problem.number_indices, problem.question_indices)
    return Solution(str(found.answer), found.answer.evaluate(problem.numbers), float(found.strength))


def agrees(value: float, answer: float, digits: int = 4) -> bool:
    """Whether a value is the answer up to so many digits behind the point, at most four."""
    return math.isfinite(value) and abs(value - answer) < 10 ** -min(digits, 4)
