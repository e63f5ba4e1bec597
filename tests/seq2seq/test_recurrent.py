"""Recurrent layers: torch's numbers, padding that counts for nothing, and programs of them."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from zoo.errors import InputError
from zoo_seq2seq import recurrent

KINDS = [(recurrent.LSTM, nn.LSTM), (recurrent.GRU, nn.GRU)]


def _states(state: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return state if isinstance(state, tuple) else (state,)


def _pair(ours: type[nn.RNNBase], theirs: type[nn.RNNBase]) -> tuple[nn.RNNBase, nn.RNNBase]:
    torch.manual_seed(0)
    mine = ours(5, 4, 2, bidirectional=True).double()
    reference = theirs(5, 4, 2, batch_first=True, bidirectional=True).double()
    reference.load_state_dict(mine.state_dict())
    return mine, reference


@pytest.mark.parametrize(("ours", "theirs"), KINDS)
def test_layers_begin_and_answer_as_torchs_do(ours, theirs):
    torch.manual_seed(0)
    drawn = ours(5, 4, 2).state_dict()
    torch.manual_seed(0)
    for name, value in theirs(5, 4, 2, batch_first=True).state_dict().items():
        assert torch.equal(drawn[name], value)
    mine, reference = _pair(ours, theirs)
    x = torch.randn(3, 6, 5, dtype=torch.float64)
    found, last = mine(x)
    expected, end = reference(x)
    assert torch.equal(found, expected)
    for one, other in zip(_states(last), _states(end), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize(("ours", "theirs"), KINDS)
@settings(max_examples=20, deadline=None)
@given(lengths=st.lists(st.integers(0, 6), min_size=1, max_size=4))
def test_steps_give_what_each_sequence_gives_alone(ours, theirs, lengths):
    mine, reference = _pair(ours, theirs)
    x = torch.randn(len(lengths), 6, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    mask = torch.arange(6) < torch.tensor(lengths)[:, None]
    for outputs, last in (recurrent.run(mine, x, mask), mine.stepwise(x, mask, None)):
        for index, length in enumerate(lengths):
            assert not outputs[index, length:].any()
            if not length:
                assert not any(state[:, index].any() for state in _states(last))
                continue
            alone, end = reference(x[index : index + 1, :length])
            torch.testing.assert_close(outputs[index, :length], alone[0])
            for one, other in zip(_states(last), _states(end), strict=True):
                torch.testing.assert_close(one[:, index], other[:, 0])


@pytest.mark.parametrize(("ours", "theirs"), KINDS)
def test_a_program_takes_up_a_state_and_learns_alike(ours, theirs):
    mine, _ = _pair(ours, theirs)
    x = torch.randn(2, 3, 5, dtype=torch.float64)
    with torch.no_grad():
        _, state = recurrent.run(mine, x)
    program = torch.compile(
        lambda x: recurrent.proceed(mine, x, state)[0].square().sum(), fullgraph=True, backend="eager"
    )
    wanted = torch.autograd.grad(recurrent.proceed(mine, x, state)[0].square().sum(), list(mine.parameters()))
    found = torch.autograd.grad(program(x), list(mine.parameters()))
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other)
    torch.compiler.reset()


def test_an_export_of_any_length_is_refused():
    class Reader(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rnn = recurrent.LSTM(5, 4)

        def forward(self, x: Tensor) -> Tensor:
            return recurrent.run(self.rnn, x)[0]

    with pytest.raises(InputError, match=r"torch\.export cannot take LSTM apart"):
        torch.export.export(Reader(), (torch.randn(2, 3, 5),))
