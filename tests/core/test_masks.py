"""Masks of others: additive ones, and what a full mask amounts to."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import zoo
from zoo.nn.masks import KeyPadding, PackedSequences, boolean_mask, causal_mask, read_mask


@pytest.mark.parametrize("hidden", [float("-inf"), -1e4, -1e9, torch.finfo(torch.float32).min])
def test_an_additive_mask_hides_what_it_makes_hugely_negative(hidden):
    visible = torch.tensor([[True, False], [True, True]])
    additive = torch.zeros(2, 2).masked_fill(~visible, hidden)
    assert torch.equal(boolean_mask(additive), visible)
    assert torch.equal(boolean_mask(additive + additive), visible)


@pytest.mark.parametrize("value", [-1.0, 0.5, float("nan"), float("inf")])
def test_a_bias_is_no_mask(value):
    with pytest.raises(zoo.MaskError, match="bias on the scores"):
        boolean_mask(torch.tensor([[0.0, value]]))


def test_a_program_looks_at_its_masks_as_it_runs():
    class Hide(torch.nn.Module):
        def forward(self, x, additive):
            return x.masked_fill(~boolean_mask(additive), 0.0)

    x, additive = torch.ones(2, 2), torch.tensor([[0.0, -1e9], [0.0, 0.0]])
    exported = torch.export.export(Hide(), (x, additive)).module()
    for program in (torch.compile(Hide(), fullgraph=True, backend="aot_eager"), exported):
        assert program(x, additive).tolist() == [[1.0, 0.0], [1.0, 1.0]]
        with pytest.raises(RuntimeError, match="bias on the scores"):
            program(x, additive - 1.0)


def test_no_program_is_made_of_reading_a_mask():
    class Read(torch.nn.Module):
        def forward(self, x, mask):
            return x + read_mask(mask).real

    with pytest.raises(zoo.MaskError, match=r"shape \(1, 3, 3\) would have to be read.*give the padding alone"):
        torch.export.export(Read(), (torch.ones(1, 3), causal_mask(3, 3)[None]), strict=False)


@st.composite
def _ordered(draw):
    """Padding (batch, used) whose last queries are real, the number of queries and of free places behind."""
    batch, used = draw(st.integers(1, 3)), draw(st.integers(1, 7))
    rows = st.lists(st.booleans(), min_size=used, max_size=used)
    padding = torch.tensor(draw(st.lists(rows, min_size=batch, max_size=batch)))
    return padding, draw(st.integers(1, used)), draw(st.integers(0, 4))


@given(_ordered())
def test_causal_order_among_real_tokens_is_recognised_with_a_free_end(case):
    padding, queries, free = case
    padding[:, -1] |= not padding[:, -queries:].any()  # some query is real
    used = padding.shape[1]
    mask = torch.nn.functional.pad(padding[:, None] & causal_mask(queries, used), (0, free))
    found = read_mask(mask)
    assert isinstance(found, KeyPadding)
    # Trailing padding that nobody sees may count as the free end, or the free end as padding.
    length = found.real.shape[1]
    again = found.real[:, None] & causal_mask(queries, length)
    assert torch.equal(torch.nn.functional.pad(again, (0, mask.shape[-1] - length)), mask)


def test_the_free_end_of_a_static_cache_is_not_in_use():
    padding = torch.tensor([[False, True, True, True, True], [True, True, True, False, False]])
    for queries in (1, 2, 3, 5):
        mask = torch.nn.functional.pad(padding[:, None] & causal_mask(queries, 5), (0, 3))
        assert torch.equal(read_mask(mask).real, padding)


def test_rows_of_padding_may_see_everything():
    padding = torch.tensor([[False, False, True, True, True]])
    mask = padding[:, None] & causal_mask(5, 5)
    mask[:, :2] = True
    assert torch.equal(read_mask(mask).real, padding)


@given(st.lists(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 4)), min_size=1, max_size=3), min_size=1))
def test_packed_sequences_are_recognised_between_gaps(rows):
    length = max(sum(gap + size for gap, size in row) for row in rows) + 1
    mask, expected = torch.zeros(len(rows), length, length, dtype=torch.bool), []
    for example, row in enumerate(rows):
        bounds, stop = [], 0
        for gap, size in row:
            start, stop = stop + gap, stop + gap + size
            bounds.append((start, stop))
            mask[example, start:stop, start:stop] = causal_mask(size, size)
        expected.append(tuple(bounds))
    found = read_mask(mask)
    if isinstance(found, KeyPadding):  # one sequence each, with nothing but padding before and behind
        assert torch.equal(mask[..., : found.real.shape[1]], found.real[:, None] & causal_mask(length, length))
    else:
        assert found == PackedSequences(tuple(expected))


@given(st.integers(0, 2**16 - 1))
def test_what_is_read_says_exactly_the_mask(bits):
    mask = torch.tensor([bits >> place & 1 for place in range(16)], dtype=torch.bool).view(1, 4, 4)
    found = read_mask(mask)
    if found is None:
        return
    if isinstance(found, KeyPadding):
        order = causal_mask(4, found.real.shape[1]) if found.causal else True
        again = (found.real[:, None] & order).expand(-1, 4, -1)
        padded = ~found.real[:, -4:]
    else:
        again, padded = torch.zeros_like(mask), torch.zeros(1, 4, dtype=torch.bool)
        for start, stop in found.bounds[0]:
            again[0, start:stop, start:stop] = causal_mask(stop - start, stop - start)
    same = (again == mask).all(-1) | (padded & mask.all(-1))
    assert same.all()


def test_windows_and_prefixes_say_more():
    window = causal_mask(6, 6) & ~causal_mask(6, 6).tril(-3)
    prefix = causal_mask(6, 6) | (torch.arange(6) < 3)
    for mask in (window, prefix):
        assert read_mask(mask[None]) is None


def test_the_same_keys_for_every_query_are_padding():
    real = torch.tensor([[True, False, True, False], [True, True, True, True]])
    found = read_mask(real[:, None].expand(-1, 3, -1))
    assert not found.causal
    assert torch.equal(found.real, real)
    assert not read_mask(real[:, None].expand(-1, 6, -1)).causal
    assert read_mask(causal_mask(6, 6)[None, :, :4]) is None
    # One query sees what it sees in either way; the caller says which way is meant.
    assert read_mask(real[:, None], causal=True).causal
    assert not read_mask(real[:, None], causal=False).causal
