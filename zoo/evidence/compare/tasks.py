"""What layers are compared on: the characters of a text, and four tasks that need one ability each.

- **recall** (multi-query associative recall: Arora et al., "Zoology", 2023): key-value pairs, then every key again in
  another order; at each the value that came with it. The more pairs, the more a layer must keep apart.
- **copy**: tokens, a separator, and as many blanks, at which the tokens follow in their order.
- **induction** (Olsson et al., 2022; Fu et al., 2022): among random tokens one trigger; at the trigger's second
  appearance, at the end, the token that followed the first.
- **selective-copy** (Gu and Dao, "Mamba", 2023): as copying, the tokens lying at random places among noise.
- **text**: the next character, in bits; held out is the last tenth.

But for text no answer is ever among the inputs, so that layers without a causal form do the same tasks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from zoo.errors import InputError
from zoo.places import to_read

IGNORED = -100
TOKENS = 16
# Beside the tokens: a blank, a separator or trigger, and noise.
BLANK, MARK, NOISE = TOKENS, TOKENS + 1, TOKENS + 2

Batch = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Task:
    """One task at several levels of difficulty.

    Args:
        name: as the command line has it.
        vocab_size: of its token ids.
        levels: what makes it harder; training draws one per step, evaluation takes each.
        length: the longest sequence, in tokens.
        draw: ``draw(level, batch_size, generator, held_out)`` gives ids and targets, (batch, length) int64 both, with
            ``IGNORED`` where nothing is asked.
        unit: of the score: "accuracy" (more is better) or "bits" (fewer are).
        causal: whether the inputs hold later answers, so that only causal layers may take part.
        identity: what the data are, where the name does not say it: the digest of a text.
    """

    name: str
    vocab_size: int
    levels: tuple[int, ...]
    length: int
    draw: Callable[[int, int, torch.Generator, bool], Batch]
    unit: str = "accuracy"
    causal: bool = False
    identity: str = ""


def _recall(pairs: int, batch_size: int, generator: torch.Generator, held_out: bool) -> Batch:
    keys = torch.rand(batch_size, TOKENS, generator=generator).argsort(1)[:, :pairs]
    values = torch.randint(TOKENS, 2 * TOKENS, (batch_size, pairs), generator=generator)
    order = torch.rand(batch_size, pairs, generator=generator).argsort(1)
    told = torch.stack((keys, values), -1).flatten(1)
    return torch.cat((told, keys.gather(1, order)), 1), _asked_last(values.gather(1, order), 3 * pairs)


def _copy(tokens: int, batch_size: int, generator: torch.Generator, held_out: bool) -> Batch:
    content = torch.randint(TOKENS, (batch_size, tokens), generator=generator)
    return _then_blanks(content, content)


def _selective_copy(tokens: int, batch_size: int, generator: torch.Generator, held_out: bool) -> Batch:
    content = torch.randint(TOKENS, (batch_size, tokens), generator=generator)
    places = torch.rand(batch_size, 3 * tokens, generator=generator).argsort(1)[:, :tokens].sort(1).values
    noisy = torch.full((batch_size, 3 * tokens), NOISE).scatter(1, places, content)
    return _then_blanks(noisy, content)


def _induction(length: int, batch_size: int, generator: torch.Generator, held_out: bool) -> Batch:
    ids = torch.randint(TOKENS, (batch_size, length), generator=generator)
    place = torch.randint(length - 2, (batch_size, 1), generator=generator)
    answer = ids.gather(1, place + 1)
    ids.scatter_(1, place, MARK)
    ids[:, -1] = MARK
    return ids, _asked_last(answer, length)


def _then_blanks(shown: Tensor, content: Tensor) -> Batch:
    batch_size, tokens = content.shape
    mark, blanks = torch.full((batch_size, 1), MARK), torch.full((batch_size, tokens), BLANK)
    ids = torch.cat((shown, mark, blanks), 1)
    return ids, _asked_last(content, ids.shape[1])


def _asked_last(answers: Tensor, length: int) -> Tensor:
    """Targets (batch, length) that ask for answers (batch, n) at the last n places."""
    targets = torch.full((len(answers), length), IGNORED)
    targets[:, length - answers.shape[1] :] = answers
    return targets


SYNTHETIC = {
    task.name: task
    for task in (
        Task("recall", 2 * TOKENS, (2, 4, 8, 16), 48, _recall),
        Task("copy", TOKENS + 3, (4, 8, 16), 33, _copy),
        Task("induction", TOKENS + 3, (8, 16, 32), 32, _induction),
        Task("selective-copy", TOKENS + 3, (2, 4, 8), 33, _selective_copy),
    )
}
NAMES = (*SYNTHETIC, "text")


def text_task(path: Path, length: int = 64) -> Task:
    """The characters of a text file, the last tenth held out.

    Raises:
        InputError: there is no such text, or too little of it.
    """
    try:
        text = to_read(path).read_text(encoding="utf-8", errors="replace")
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    known = sorted(set(text))
    held = len(text) // 10
    if held <= length:
        raise InputError(f"{path} has {len(text)} characters; a comparison needs {10 * (length + 1)} and more")
    number = {character: index for index, character in enumerate(known)}
    ids = torch.tensor([number[character] for character in text])
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    parts = {False: ids[:-held], True: ids[-held:]}

    def draw(level: int, batch_size: int, generator: torch.Generator, held_out: bool) -> Batch:
        part = parts[held_out]
        starts = torch.randint(len(part) - level, (batch_size, 1), generator=generator)
        windows = part[starts + torch.arange(level + 1)]
        return windows[:, :-1], windows[:, 1:]

    return Task("text", len(known), (length,), length, draw, unit="bits", causal=True, identity=digest)
