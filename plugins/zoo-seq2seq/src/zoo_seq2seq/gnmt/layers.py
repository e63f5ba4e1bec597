"""LSTM layers over whole sequences that can be bounded, run backwards, and taken up again where they stopped."""

from __future__ import annotations

import torch
from torch import Tensor

from zoo_seq2seq import recurrent
from zoo_seq2seq.padding import flipped

Pair = tuple[Tensor, Tensor]


def run_layer(
    layer: recurrent.LSTM, x: Tensor, mask: Tensor | None = None, state: Pair | None = None, clip: float | None = None
) -> tuple[Tensor, Pair]:
    """A layer over a batch.

    Args:
        layer: of one layer, in one direction.
        x: (batch, length, input_dim).
        mask: boolean (batch, length), only where the last state of shorter sequences is wanted.
        state: hidden and cell (batch, dim) to start from; zeros without.
        clip: bound of cells and outputs: they are cut after every step.

    Returns:
        Outputs (batch, length, dim), and the last hidden and cell (batch, dim).
    """
    if clip is not None:
        return _bounded(layer, x, mask, state, clip)
    if state is None:
        outputs, (hidden, cell) = recurrent.run(layer, x, mask)
        return outputs, (hidden[0], cell[0])
    outputs, (hidden, cell) = recurrent.proceed(layer, x, (state[0][None], state[1][None]))
    return outputs, (hidden[0], cell[0])


def run_backwards(layer: recurrent.LSTM, x: Tensor, mask: Tensor | None, clip: float | None) -> tuple[Tensor, Pair]:
    """A layer that reads every sequence from its last real token."""
    outputs, last = run_layer(layer, flipped(x, mask), mask, None, clip)
    return flipped(outputs, mask), last


def _bounded(
    layer: recurrent.LSTM, x: Tensor, mask: Tensor | None, state: Pair | None, clip: float
) -> tuple[Tensor, Pair]:
    zeros = x.new_zeros(x.shape[0], layer.hidden_size)
    hidden, cell = (zeros, zeros) if state is None else state
    outputs: list[Tensor] = []
    for place, token in enumerate(x.unbind(1)):
        _, (new_hidden, new_cell) = recurrent.proceed(layer, token[:, None], (hidden[None], cell[None]))
        new_hidden, new_cell = new_hidden[0].clamp(-clip, clip), new_cell[0].clamp(-clip, clip)
        if mask is not None:
            real = mask[:, place, None]
            new_hidden, new_cell = torch.where(real, new_hidden, hidden), torch.where(real, new_cell, cell)
        hidden, cell = new_hidden, new_cell
        outputs.append(hidden)
    return torch.stack(outputs, 1), (hidden, cell)
