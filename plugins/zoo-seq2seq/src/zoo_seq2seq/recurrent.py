"""Recurrent layers over sequences of unequal lengths, and stacks of cells that go one step at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from zoo.errors import InputError

Pair = tuple[Tensor, Tensor]


class _Layers(nn.RNNBase):
    """Recurrent layers with ``batch_first``, whose parameters, states and numbers are those of torch's class.

    ``torch.compile`` refuses torch's own classes whatever is done with them, so these are others.
    """

    KIND: ClassVar[str]

    def __init__(
        self, input_dim: int, dim: int, num_layers: int = 1, *, dropout: float = 0.0, bidirectional: bool = False
    ) -> None:
        super().__init__(
            self.KIND, input_dim, dim, num_layers, batch_first=True, dropout=dropout, bidirectional=bidirectional
        )

    def forward(self, x: Tensor | PackedSequence, state: Any = None) -> tuple[Any, Any]:
        """All steps, by torch's kernel.

        Args:
            x: (batch, length, input_dim), or packed.
            state: (layers * directions, batch, dim) to start from, of an LSTM also the cells; zeros without.

        Returns:
            Outputs (batch, length, directions * dim), or packed, and the last state.
        """
        kernel: Callable[..., tuple[Tensor, ...]] = torch.lstm if self.KIND == "LSTM" else torch.gru
        self._update_flat_weights()
        fixed = (self._flat_weights, self.bias, self.num_layers, self.dropout, self.training, self.bidirectional)
        if not isinstance(x, PackedSequence):
            start = self._zeros(x, x.shape[0]) if state is None else state
            outputs, *last = kernel(x, start, *fixed, True)
            return outputs, self._state(last)
        start = self._zeros(x.data, int(x.batch_sizes[0])) if state is None else _in_order(state, x.sorted_indices)
        outputs, *last = kernel(x.data, x.batch_sizes, start, *fixed)
        packed = PackedSequence(outputs, x.batch_sizes, x.sorted_indices, x.unsorted_indices)
        return packed, _in_order(self._state(last), x.unsorted_indices)

    def stepwise(self, x: Tensor, mask: Tensor | None, state: Any) -> tuple[Tensor, Any]:
        """The same in operations, step after step: a program that is as long as the sequence.

        Args:
            x: (batch, length, input_dim).
            mask: boolean (batch, length), real tokens first, or None where all are real.
            state: as of ``forward``.
        """
        start = self._zeros(x, x.shape[0]) if state is None else state
        pairs = start if isinstance(start, tuple) else (start,)
        ends: list[tuple[Tensor, ...]] = []
        for layer in range(self.num_layers):
            found = []
            for direction in range(1 + self.bidirectional):
                carried = tuple(each[len(ends)] for each in pairs)
                outputs, end = self._one_way(x, mask, carried, f"_l{layer}" + "_reverse" * direction, bool(direction))
                found.append(outputs)
                ends.append(end)
            x = torch.cat(found, -1)
            if layer + 1 < self.num_layers:
                x = functional.dropout(x, self.dropout, self.training)
        return x, self._state([torch.stack(each) for each in zip(*ends, strict=True)])

    def _one_way(
        self, x: Tensor, mask: Tensor | None, state: tuple[Tensor, ...], suffix: str, backwards: bool
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        recurrent, bias = getattr(self, f"weight_hh{suffix}"), getattr(self, f"bias_hh{suffix}")
        inputs = functional.linear(x, getattr(self, f"weight_ih{suffix}"), getattr(self, f"bias_ih{suffix}")).unbind(1)
        outputs = []
        for place in reversed(range(len(inputs))) if backwards else range(len(inputs)):
            new = self._step(inputs[place], functional.linear(state[0], recurrent, bias), state)
            if mask is not None:
                real = mask[:, place, None]
                new = tuple(torch.where(real, mine, before) for mine, before in zip(new, state, strict=True))
            state = new
            outputs.append(state[0] if mask is None else state[0].masked_fill(~mask[:, place, None], 0.0))
        return torch.stack(outputs[::-1] if backwards else outputs, 1), state

    def _step(self, inputs: Tensor, carried: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        raise NotImplementedError

    def _zeros(self, x: Tensor, batch_size: int) -> Any:
        zeros = x.new_zeros(self.num_layers * (1 + self.bidirectional), batch_size, self.hidden_size)
        return (zeros, zeros) if self.KIND == "LSTM" else zeros

    def _state(self, parts: Sequence[Tensor]) -> Any:
        return tuple(parts) if self.KIND == "LSTM" else parts[0]


class LSTM(_Layers):
    """Long short-term memory: i, f, g, o = W x + b + U h + c; cell = f cell + i g; h = o tanh(cell)."""

    KIND = "LSTM"

    def _step(self, inputs: Tensor, carried: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        i, f, g, o = (inputs + carried).chunk(4, -1)
        cell = f.sigmoid() * state[1] + i.sigmoid() * g.tanh()
        return o.sigmoid() * cell.tanh(), cell


class GRU(_Layers):
    """Gated recurrent units: r, z and n = tanh(W x + b + r (U h + c)); h = (1 - z) n + z h."""

    KIND = "GRU"

    def _step(self, inputs: Tensor, carried: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        (r_in, z_in, n_in), (r_by, z_by, n_by) = inputs.chunk(3, -1), carried.chunk(3, -1)
        z = (z_in + z_by).sigmoid()
        new = (n_in + (r_in + r_by).sigmoid() * n_by).tanh()
        return ((1 - z) * new + z * state[0],)


def run(rnn: _Layers, x: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Any]:
    """A recurrent layer over a batch; each sequence is read as if it were alone.

    Args:
        rnn: which layers.
        x: (batch, length, features), real tokens first.
        mask: boolean (batch, length), or None where all are real.

    Returns:
        Outputs (batch, length, directions * hidden), zero at padding, and the last states as torch gives them:
        (layers * directions, batch, hidden), of an LSTM also the cells.

    Raises:
        InputError: within ``torch.export``, whose programs take any length.
    """
    if torch.compiler.is_compiling():
        return _in_a_program(rnn, x, mask, None)
    if not x.shape[0]:
        # Torch's kernels refuse a batch of none: one empty example goes through, and is cut off again.
        outputs, last = _exactly(rnn, x.new_zeros(1, max(x.shape[1], 1), x.shape[2]))
        return outputs[:0, : x.shape[1]], _each(last, lambda part: part[:, :0])
    if mask is None:
        return _exactly(rnn, x)
    lengths = mask.sum(1)
    # A sequence of no token is read as one of padding, of which nothing is kept.
    packed = pack_padded_sequence(x, lengths.clamp(min=1).cpu(), batch_first=True, enforce_sorted=False)
    outputs, last = _exactly(rnn, packed)
    padded, _ = pad_packed_sequence(outputs, batch_first=True, total_length=x.shape[1])
    empty = (lengths == 0)[:, None]
    return padded.masked_fill(~mask[..., None], 0.0), _each(last, lambda part: part.masked_fill(empty, 0.0))


def proceed(rnn: _Layers, x: Tensor, state: Any) -> tuple[Tensor, Any]:
    """A recurrent layer from a state on, (layers, batch, hidden) as torch has it, over tokens that are all real.

    Raises:
        InputError: see ``run``.
    """
    if torch.compiler.is_compiling():
        return _in_a_program(rnn, x, None, state)
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


def _in_a_program(rnn: _Layers, x: Tensor, mask: Tensor | None, state: Any) -> tuple[Tensor, Any]:
    if not torch.compiler.is_dynamo_compiling():
        raise InputError(f"torch.export cannot take {rnn.KIND} apart for any length; run or compile the model itself")
    return rnn.stepwise(x, mask, state)


def _exactly(rnn: _Layers, x: Any, state: Any = None) -> tuple[Any, Any]:
    """One call. On CPUs there are no recurrent kernels for float16, so mixed precision passes them by."""
    tensor = x if isinstance(x, Tensor) else x.data
    if tensor.device.type != "cpu" or not torch.is_autocast_enabled("cpu"):
        return rnn(x, state)
    with torch.autocast("cpu", enabled=False):
        dtype = next(rnn.parameters()).dtype
        return rnn(x.to(dtype), None if state is None else _each(state, lambda part: part.to(dtype)))


def _in_order(state: Any, order: Tensor | None) -> Any:
    return state if order is None else _each(state, lambda part: part.index_select(1, order))


def _each(state: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """A state with its parts changed: an LSTM's is a pair, a GRU's one tensor."""
    return tuple(map(change, state)) if isinstance(state, tuple) else change(state)


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
