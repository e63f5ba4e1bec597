"""Colored Objects: three things in three colours on a surface, and the colour of one of them is asked for."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from zoo.errors import InputError
from zoo_interpret.indirect_objects import single_tokens

OBJECTS = tuple(
    "pencil notebook pen cup plate jug mug puzzle textbook leash necklace bracelet bottle ball envelope lighter "  # noqa: SIM905
    "bowl".split()
)
COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "brown", "black")
SURFACES = ("table", "desk", "floor")
OPENERS = ("there is", "you see", "I see")


@dataclass(frozen=True)
class Question:
    """A prompt and its corrupted twin, which asks for another of the same things.

    Args:
        clean, corrupt: texts that end in "A:".
        right, wrong: the colours that the two ask for.
        others: the two colours that the clean one does not ask for.
    """

    clean: str
    corrupt: str
    right: str
    wrong: str
    others: tuple[str, str]


@dataclass(frozen=True)
class Batch:
    """Questions as tokens, of one length.

    Args:
        clean, corrupt: (batch, length) int64.
        answers: (batch, 2): tokens of the right colour and of the other question's.
        others: (batch, 2): positions of the two wrong colours in the second example.
        colours: (colours,): tokens of all.
    """

    clean: Tensor
    corrupt: Tensor
    answers: Tensor
    others: Tensor
    colours: Tensor


def label(colour: str) -> str:
    """The answer's text."""
    return f" {colour.capitalize()}"


def _text(choose: random.Random, things: list[str], colours: list[str]) -> list[str]:
    """The same example asking for each of its things."""
    items = [
        f"{'an' if colour[0] in 'aeiou' else 'a'} {colour} {thing}"
        for colour, thing in zip(colours, things, strict=True)
    ]
    listed = f"{items[0]}, {items[1]}, and {items[2]}"
    start = f"Q: On the {choose.choice(SURFACES)}, {choose.choice(OPENERS)} {listed}."
    return [f"{start} What color is the {thing}?\nA:" for thing in things]


def colored_objects(count: int, *, seed: int = 42) -> list[Question]:
    """Two-shot questions: one example with its answer, then one of other things in other colours."""
    choose = random.Random(seed)
    found = []
    for _ in range(count):
        things, colours = choose.sample(OBJECTS, 6), choose.sample(COLOURS, 6)
        asked = choose.randrange(3)
        first = _text(choose, things[:3], colours[:3])[asked] + label(colours[asked]) + "\n"
        texts = _text(choose, things[3:], colours[3:])
        right, wrong, third = choose.sample(range(3), 3)
        names = colours[3:]
        found.append(
            Question(
                first + texts[right], first + texts[wrong], names[right], names[wrong], (names[wrong], names[third])
            )
        )
    return found


def colored_objects_batch(tokenizer: Any, count: int, *, seed: int = 42) -> Batch:
    """Questions of one length, so that they need no padding.

    Raises:
        InputError: colours are no single tokens, or there are too few questions of one length.
    """
    small = single_tokens(tokenizer, COLOURS)
    large = single_tokens(tokenizer, [colour.capitalize() for colour in COLOURS])
    if len(small) < len(COLOURS) or len(large) < len(COLOURS):
        raise InputError("the tokenizer cuts colours into pieces; the task needs them as single tokens")
    rows = [
        (each, *(tokenizer(text)["input_ids"] for text in (each.clean, each.corrupt)))
        for each in colored_objects(40 * count, seed=seed)
    ]
    lengths = [len(ids) for _, ids, _ in rows]
    length = max(sorted(set(lengths)), key=lengths.count)
    kept = [row for row in rows if len(row[1]) == len(row[2]) == length][:count]
    if len(kept) < count:
        raise InputError(f"{len(kept)} questions of {length} tokens among {len(rows)}; asked for {count}")
    clean = torch.tensor([ids for _, ids, _ in kept])
    answers = torch.tensor([[large[name.capitalize()] for name in (each.right, each.wrong)] for each, _, _ in kept])
    wanted = torch.tensor([[small[name] for name in each.others] for each, _, _ in kept])
    # Each colour stands once among lower-case words: in the second example's list.
    others = (clean[:, None] == wanted[..., None]).float().argmax(-1)
    return Batch(clean, torch.tensor([ids for _, _, ids in kept]), answers, others, torch.tensor(list(large.values())))
