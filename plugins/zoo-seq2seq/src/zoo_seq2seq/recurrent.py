"""Recurrent layers over sequences of unequal lengths, and stacks of cells that go one step at a time."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from zoo.errors import InputError

Pair = tuple[Tensor, Tensor]

_REFUSAL = "torch.compile and torch.export cannot take {} apart; run the model itself"


def run(rnn: nn.RNNBase, x: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Any]:
    """A recurrent layer over a batch; each sequence is read as if it were alone.

    Args:
        rnn: LSTM or GRU with ``batch_first``.
        x: (batch, length, features), real tokens first.
        mask: boolean (batch, length), or None where all are real.

    Returns:
        Outputs (batch, length, directions * hidden), zero at padding, and the last states as torch gives them:
        (layers * directions, batch, hidden), of an LSTM also the cells.

    Raises:
        InputError: within ``torch.compile`` or ``torch.export``, which have no recurrent layers.
    """
    if torch.compiler.is_compiling():
        raise InputError(_REFUSAL.format(type(rnn).__name__))
    if not x.shape[0]:
        # Torch's kernels refuse a batch of none: one empty example goes through, and is cut off again.
        outputs, last = _exactly(rnn, x.new_zeros(1, max(x.shape[1], 1), x.shape[2]))
        cut = tuple(state[:, :0] for state in last) if isinstance(last, tuple) else last[:, :0]
        return outputs[:0, : x.shape[1]], cut
    if mask is None:
        return _exactly(rnn, x)
    lengths = mask.sum(1)
    # A sequence of no token is read as one of padding, of which nothing is kept.
    packed = pack_padded_sequence(x, lengths.clamp(min=1).cpu(), batch_first=True, enforce_sorted=False)
    outputs, last = _exactly(rnn, packed)
    padded, _ = pad_packed_sequence(outputs, batch_first=True, total_length=x.shape[1])
    return padded.masked_fill(~mask[..., None], 0.0), _without_empty(last, lengths)


def proceed(rnn: nn.RNNBase, x: Tensor, state: Any) -> tuple[Tensor, Any]:
    """A recurrent layer from a state on, (layers, batch, hidden) as torch has it, over tokens that are all real.

    Raises:
        InputError: see ``run``.
    """
    if torch.compiler.is_compiling():
        raise InputError(_REFUSAL.format(type(rnn).__name__))
    if not x.shape[0]:
        outputs, _ = run(rnn, x)
        return outputs, state
    return _exactly(rnn, x, state)


def cell_over_steps(cell: nn.LSTMCell, x: Tensor, state: Pair) -> Tensor:
    """An LSTM cell over all steps (batch, steps, features) at once: its hidden states (batch, steps, hidden).

    Args:
        state: hidden and cell before the first step, (batch, hidden).
    """
    # Weights that are spread over devices are gathered where the cell is called.
    stepwise = torch.is_autocast_enabled(x.device.type) or hasattr(cell.weight_ih, "device_mesh")
    if torch.compiler.is_compiling() or not x.numel() or stepwise:
        steps = []
        for each in x.unbind(1):
            state = cell(each, state)
            steps.append(state[0])
        return torch.stack(steps, 1)
    weights = [cell.weight_ih, cell.weight_hh, cell.bias_ih, cell.bias_hh]
    start = (state[0][None], state[1][None])
    outputs: Tensor = torch.lstm(x, start, weights, True, 1, 0.0, cell.training, False, True)[0]
    return outputs


def _exactly(rnn: nn.RNNBase, x: Any, state: Any = None) -> tuple[Any, Any]:
    """One call. On CPUs there are no recurrent kernels for float16, so mixed precision passes them by."""
    tensor = x if isinstance(x, Tensor) else x.data
    if tensor.device.type != "cpu" or not torch.is_autocast_enabled("cpu"):
        return rnn(x, state)
    with torch.autocast("cpu", enabled=False):
        dtype = rnn.weight_ih_l0.dtype
        if isinstance(state, tuple):
            state = tuple(each.to(dtype) for each in state)
        elif state is not None:
            state = state.to(dtype)
        return rnn(x.to(dtype), state)


def _without_empty(last: Any, lengths: Tensor) -> Any:
    if isinstance(last, tuple):
        return tuple(_without_empty(state, lengths) for state in last)
    return last.masked_fill((lengths == 0)[:, None], 0.0)


def both_directions(last: Tensor) -> Tensor:
    """Last states (layers * 2, batch, hidden) of a bidirectional layer as (layers, batch, 2 hidden)."""
    return last.unflatten(0, (-1, 2)).transpose(1, 2).flatten(2)


class StackedCells(nn.Module):
    """LSTM cells on top of one another, one step at a time; dropout on the inputs of each."""

    def __init__(self, input_dim: int, dim: int, num_layers: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.cells = nn.ModuleList(nn.LSTMCell(dim if layer else input_dim, dim) for layer in range(num_layers))
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor, hidden: Tensor, cell: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """One step.

        Args:
            x: (batch, input_dim).
            hidden, cell: (batch, layers, dim).

        Returns:
            The top layer's output (batch, dim), and the new states.
        """
        states: list[Pair] = []
        for layer, (step, h, c) in enumerate(zip(self.cells, hidden.unbind(1), cell.unbind(1), strict=True)):
            states.append(step(self.drop(x if layer == 0 else states[-1][0]), (h, c)))
        new_hidden, new_cell = (torch.stack(each, 1) for each in zip(*states, strict=True))
        return states[-1][0], new_hidden, new_cell
