"""The selective scan: exact, in about 3 sqrt(L) vectorised steps.

The recurrence h_t = exp(dt_t A) h_(t-1) + dt_t B_t u_t is linear in h, so the sequence is cut into n chunks of K:

1. from h = 0, K steps over all chunks at once give the state that each would leave behind by itself;
2. a state that enters a chunk leaves it multiplied by exp(A sum dt): n steps from chunk to chunk give what enters each;
3. from those, K steps over all chunks at once give every answer.

Factors never exceed 1, so nothing overflows however long the sequence is. Beyond input and output the memory is that of
n states; in training it grows linearly with L.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional


def resumed_scan(
    u: Tensor, dt: Tensor, decay: Tensor, write: Tensor, read: Tensor, skip: Tensor, state: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Scan on from a state.

    Args:
        u: (batch, L, D) the input.
        dt: (batch, L, D) positive step sizes.
        decay: (D, S) negative, A.
        write: (batch, L, S), B.
        read: (batch, L, S), C.
        skip: (D,), D.
        state: (batch, D, S) what an earlier part of the sequence left; None starts from 0.

    Returns:
        (batch, L, D) and the state left, in at least float32.
    """
    wide = torch.promote_types(u.dtype, torch.float32)
    u, dt, decay, write, read = (tensor.to(wide) for tensor in (u, dt, decay, write, read))
    batch, length, channels = u.shape
    first = u.new_zeros(batch, channels, decay.shape[1]) if state is None else state.to(wide)
    if length == 0:
        return u, first
    size = max(1, round(math.sqrt(length / 2)))
    chunks = -(-length // size)
    # With dt = 0 the state stays: padding changes nothing.
    cut = [
        functional.pad(tensor, (0, 0, 0, chunks * size - length)).unflatten(1, (chunks, size))
        for tensor in (dt, dt * u, write, read)
    ]
    steps = list(zip(*(tensor.unbind(2) for tensor in cut), strict=True))

    def advance(held: Tensor, step: tuple[Tensor, ...]) -> Tensor:
        pace, fed, into, _ = step
        return torch.exp(pace[..., None] * decay) * held + fed[..., None] * into[:, :, None]

    left = u.new_zeros(batch, chunks, channels, decay.shape[1])
    for step in steps:
        left = advance(left, step)
    kept = torch.exp(cut[0].sum(2)[..., None] * decay)
    entering = [first]
    for chunk in range(chunks):
        entering.append(kept[:, chunk] * entering[-1] + left[:, chunk])
    held, answers = torch.stack(entering[:-1], 1), []
    for step in steps:
        held = advance(held, step)
        answers.append((held * step[3][:, :, None]).sum(-1))
    return torch.stack(answers, 2).flatten(1, 2)[:, :length] + skip.to(wide) * u, entering[-1]


def selective_scan(u: Tensor, dt: Tensor, decay: Tensor, write: Tensor, read: Tensor, skip: Tensor) -> Tensor:
    """Scan a whole sequence: the answers (batch, L, D) of ``resumed_scan``, which explains the arguments."""
    return resumed_scan(u, dt, decay, write, read, skip)[0]


def naive_scan(u: Tensor, dt: Tensor, decay: Tensor, write: Tensor, read: Tensor, skip: Tensor) -> Tensor:
    """The same, token by token, as the equations stand; what ``selective_scan`` is tested against."""
    state = u.new_zeros(u.shape[0], u.shape[2], decay.shape[1])
    answers = []
    for token in range(u.shape[1]):
        pace = dt[:, token, :, None]
        state = torch.exp(pace * decay) * state + pace * u[:, token, :, None] * write[:, token, None]
        answers.append((state * read[:, token, None]).sum(-1) + skip * u[:, token])
    return torch.stack(answers, 1)
