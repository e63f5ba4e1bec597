"""A GPT-2 whose heads were set by hand, so that what a probe has to find in it is known.

Tokens, positions, the token before and the answer have places of their own in the stream, each with its negative, so
that layer norms only scale. Five heads do something, the others attend to all places alike and write nothing:

    0.0  previous token: position p looks at p - 1 and copies its token to the place of the token before
    0.1  duplicate token: looks at the places of the present token; writes nothing
    0.2  first token: looks at position 0; writes nothing
    1.0  induction: looks at places whose token before is the present one, and copies what stands there to the answer
    1.1  looks at the present place, and copies the token there to the answer, four times weaker

The model repeats what followed last time: its answer at the second of two equal tokens is the token after the first.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from zoo.errors import InputError
from zoo.targets import require

HEADS, HEAD_DIM = 4, 32
WIDTH = HEADS * HEAD_DIM
INDUCTION, PREVIOUS, DUPLICATE, FIRST, COPYING = (1, 0), (0, 0), (0, 1), (0, 2), (1, 1)


def planted_model(vocab_size: int = 12, length: int = 25, *, sharpness: float = 12.0) -> nn.Module:
    """The model, of transformers, in eval mode: 2 layers, 4 heads, width 128.

    Args:
        vocab_size, length: tokens and longest input; both at most 32, and 3 vocab_size + length at most 64.
        sharpness: score of what a head looks at; everything else has 0.

    Raises:
        InputError: they do not fit.
    """
    if max(vocab_size, length) > HEAD_DIM or 3 * vocab_size + length > WIDTH // 2:
        raise InputError(f"{vocab_size} tokens and {length} positions do not fit into {WIDTH} features")
    transformers = require("transformers", needed_by="the planted model")
    config = transformers.GPT2Config(
        vocab_size=vocab_size,
        n_positions=length,
        n_embd=WIDTH,
        n_layer=2,
        n_head=HEADS,
        n_inner=4,
        tie_word_embeddings=False,
        bos_token_id=0,
        eos_token_id=0,
    )
    with torch.random.fork_rng():
        model: Any = transformers.GPT2LMHeadModel._from_config(config)
    token, before, answer, place = _places(vocab_size, vocab_size, vocab_size, length)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.fill_(1.0 if ".ln_" in name and name.endswith("weight") else 0.0)
        body = model.transformer
        body.wte.weight.copy_(token)
        body.wpe.weight.copy_(place)
        model.lm_head.weight.copy_(8 * answer)
        first, second = (block.attn for block in body.h)
        # A layer norm divides by the root mean square: two places are filled before the first layer, then three.
        early, late = ((2 * filled / WIDTH) ** 0.5 for filled in (2, 3))
        back = torch.eye(length).roll(-1, 0)
        back[0], back[1:] = torch.eye(length)[0], torch.eye(length)[:-1]
        origin = torch.zeros(length, length)
        origin[:, 0] = 1.0
        _set(first, 0, _read(place, early) @ back, _read(place, early), sharpness)
        _set(first, 1, _read(token, early), _read(token, early), sharpness)
        _set(first, 2, _read(place, early) @ origin, _read(place, early), sharpness)
        _write(first, 0, _read(token, early), before)
        _set(second, 0, _read(token, late), _read(before, late), sharpness)
        _set(second, 1, _read(place, late), _read(place, late), sharpness)
        _write(second, 0, _read(token, late), answer)
        _write(second, 1, _read(token, late), answer / 4)
    planted: nn.Module = model.eval()
    return planted


def repeated_tokens(batch: int = 3, vocab_size: int = 12, *, seed: int = 0) -> Tensor:
    """Token 0, all others in a random order, and the same again: (batch, 2 vocab_size - 1) int64."""
    generator = torch.Generator().manual_seed(seed)
    orders = torch.stack([torch.randperm(vocab_size - 1, generator=generator) + 1 for _ in range(batch)])
    return torch.cat((torch.zeros(batch, 1, dtype=torch.long), orders, orders), 1)


def _places(*counts: int) -> list[Tensor]:
    """Directions (count, width) of the stream for several kinds of things, each +1 and -1 on two features."""
    pairs = torch.zeros(WIDTH // 2, WIDTH)
    index = torch.arange(WIDTH // 2)
    pairs[index, 2 * index], pairs[index, 2 * index + 1] = 1.0, -1.0
    return list(pairs[: sum(counts)].split(counts))


def _read(directions: Tensor, scale: float) -> Tensor:
    """(width, count): which of the directions a normalised state holds, as ones and zeros."""
    return directions.T * scale / 2


def _set(attention: nn.Module, head: int, query: Tensor, key: Tensor, sharpness: float) -> None:
    weight = attention.get_parameter("c_attn.weight")
    for part, matrix in enumerate((query * sharpness * HEAD_DIM**0.5, key)):
        start = part * WIDTH + head * HEAD_DIM
        weight[:, start : start + matrix.shape[1]] = matrix


def _write(attention: nn.Module, head: int, value: Tensor, output: Tensor) -> None:
    start = head * HEAD_DIM
    attention.get_parameter("c_attn.weight")[:, 2 * WIDTH + start : 2 * WIDTH + start + value.shape[1]] = value
    attention.get_parameter("c_proj.weight")[start : start + len(output)] = output
