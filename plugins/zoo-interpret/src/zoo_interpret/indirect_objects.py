"""Sentences with an indirect object, in pairs: who gets the thing, as a task whose circuit is known in GPT-2.

"Then, Mary and John went to the store. John gave a drink to" wants " Mary". A is the indirect object, B the subject,
which is repeated; A comes first in the order ABBA, B in BABA. The corrupted sentence has A where B is repeated, so that
it wants " John". Fifteen templates, 109 names, 8 places and 8 objects, as many as the generator of Wang et al. 2022
(arXiv 2211.00593) has; the lists are ours.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from zoo.errors import InputError

_NAMES = """
    Mary John Tom James Daniel Anna Laura Adam Kate Mark Luke Paul Peter Sarah Emma Alice Bob David Susan Linda
    Michael Robert William Richard Joseph Thomas Charles Christopher Matthew Anthony Steven Andrew Kenneth George
    Joshua Kevin Brian Edward Ronald Timothy Jason Jeffrey Ryan Jacob Gary Nicholas Eric Jonathan Stephen Larry
    Justin Scott Brandon Benjamin Samuel Frank Gregory Raymond Alexander Patrick Jack Dennis Jerry Tyler Aaron Henry
    Douglas Jose Nathan Kyle Carl Arthur Roger Lawrence Christian Albert Joe Austin Jesse Jordan Bryan Bruce Roy
    Ralph Louis Russell Vincent Philip Patricia Jennifer Elizabeth Barbara Jessica Karen Lisa Nancy Sandra Ashley
    Emily Donna Michelle Carol Amanda Melissa Deborah Stephanie Rebecca Sharon Rachel
"""
NAMES = tuple(_NAMES.split())
PLACES = ("store", "garden", "restaurant", "school", "hospital", "office", "house", "station")
OBJECTS = ("ring", "kiss", "bone", "basketball", "computer", "necklace", "drink", "snack")
TEMPLATES = (
    "Then, {first} and {second} went to the {place}. {subject} gave a {object} to",
    "Then, {first} and {second} had a lot of fun at the {place}. {subject} gave a {object} to",
    "Then, {first} and {second} were working at the {place}. {subject} decided to give a {object} to",
    "Then, {first} and {second} were thinking about going to the {place}. {subject} wanted to give a {object} to",
    "Then, {first} and {second} had a long argument, and afterwards {subject} said to",
    "After {first} and {second} went to the {place}, {subject} gave a {object} to",
    "When {first} and {second} got a {object} at the {place}, {subject} decided to give it to",
    "When {first} and {second} got a {object} at the {place}, {subject} decided to give the {object} to",
    "While {first} and {second} were working at the {place}, {subject} gave a {object} to",
    "While {first} and {second} were commuting to the {place}, {subject} gave a {object} to",
    "After the lunch, {first} and {second} went to the {place}. {subject} gave a {object} to",
    "Afterwards, {first} and {second} went to the {place}. {subject} gave a {object} to",
    "The {place} {first} and {second} went to had a {object}. {subject} gave it to",
    "Friends {first} and {second} found a {object} at the {place}. {subject} gave it to",
    "Yesterday {first} and {second} met at the {place}, where {subject} handed a {object} to",
)
ORDERS = ("ABBA", "BABA")


@dataclass(frozen=True)
class Sentence:
    """A sentence and its corrupted twin; ``indirect`` is the right answer of the first, ``subject`` of the second."""

    clean: str
    corrupt: str
    indirect: str
    subject: str
    order: str


@dataclass(frozen=True)
class Batch:
    """Sentences as tokens, of one length.

    Args:
        clean, corrupt: (batch, length) int64.
        answers: (batch, 2): the indirect object's token and the subject's.
        positions: "IO", "S1", "S1+1", "S2" and "end" -> (batch,).
    """

    clean: Tensor
    corrupt: Tensor
    answers: Tensor
    positions: dict[str, Tensor]


def indirect_object_sentences(
    count: int, *, seed: int = 0, orders: Sequence[str] = ORDERS, names: Sequence[str] = NAMES
) -> list[Sentence]:
    """Random sentences; templates in turn."""
    choose = random.Random(seed)
    found = []
    for index in range(count):
        indirect, subject = choose.sample(list(names), 2)
        order = choose.choice(list(orders))
        first, second = (indirect, subject) if order == "ABBA" else (subject, indirect)
        words = {"first": first, "second": second, "place": choose.choice(PLACES), "object": choose.choice(OBJECTS)}
        template = TEMPLATES[index % len(TEMPLATES)]
        texts = [template.format_map({**words, "subject": name}) for name in (subject, indirect)]
        found.append(Sentence(texts[0], texts[1], indirect, subject, order))
    return found


def single_tokens(tokenizer: Any, words: Sequence[str]) -> dict[str, int]:
    """Word -> its token, of those that are one token with the space before them."""
    found = {word: tokenizer(f" {word}", add_special_tokens=False)["input_ids"] for word in words}
    return {word: ids[0] for word, ids in found.items() if len(ids) == 1 and ids[0] != tokenizer.unk_token_id}


def indirect_object_batch(
    tokenizer: Any, count: int, *, seed: int = 0, orders: Sequence[str] = ORDERS, length: int | None = None
) -> Batch:
    """Sentences of one length, so that they need no padding.

    Args:
        tokenizer: of transformers.
        count: how many.
        seed: of the sentences.
        orders: "ABBA", "BABA" or both.
        length: in tokens; that of most sentences by default.

    Raises:
        InputError: the tokenizer cuts names into pieces, or there are not so many sentences of that length.
    """
    tokens = single_tokens(tokenizer, NAMES)
    if len(tokens) < 2:
        raise InputError("the tokenizer has fewer than two names that are single tokens; the task needs them")
    made = indirect_object_sentences(40 * count, seed=seed, orders=orders, names=list(tokens))
    rows = [(each, *(tokenizer(text)["input_ids"] for text in (each.clean, each.corrupt))) for each in made]
    lengths = [len(ids) for _, ids, _ in rows]
    length = length or max(sorted(set(lengths)), key=lengths.count)
    kept = [row for row in rows if len(row[1]) == len(row[2]) == length][:count]
    if len(kept) < count:
        raise InputError(f"{len(kept)} sentences of {length} tokens among {len(rows)}; asked for {count}")
    clean = torch.tensor([ids for _, ids, _ in kept])
    answers = torch.tensor([[tokens[each.indirect], tokens[each.subject]] for each, _, _ in kept])
    first = (clean == answers[:, :1]).float().argmax(1)
    subjects = [torch.nonzero(row == name).flatten() for row, name in zip(clean, answers[:, 1], strict=True)]
    once, again = (torch.stack([places[index] for places in subjects]) for index in (0, 1))
    positions = {"IO": first, "S1": once, "S1+1": once + 1, "S2": again, "end": torch.full_like(once, length - 1)}
    return Batch(clean, torch.tensor([ids for _, _, ids in kept]), answers, positions)
