"""Beam search: exhaustive where its beam holds everything, and never a matter of company or padding."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import zoo
from zoo_seq2seq.decoding import END, START, Memory, Step
from zoo_seq2seq.luong_attention.config import LuongNMTConfig
from zoo_seq2seq.luong_attention.network import LuongNMT
from zoo_seq2seq.search import SearchOptions, beam_search, coverage_penalty, greedy_search, length_penalty

WORDS = 5  # padding, unknown, start, end and one word


@dataclass(frozen=True)
class LastTokens:
    tokens: Tensor


class Bigrams(nn.Module):
    """A decoder whose next token depends on the last and on the source's first word alone."""

    def __init__(self, seed: int, sharpness: float = 1.5) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.table = torch.randn(WORDS, WORDS, WORDS, generator=generator) * sharpness
        self.looks = torch.rand(WORDS, 3, generator=generator)

    def encode(self, source_ids: Tensor, source_mask: Tensor | None = None) -> tuple[Memory, LastTokens]:
        return Memory(source_ids[..., None].float(), source_mask), LastTokens(source_ids[:, 0])

    def step(self, tokens: Tensor, memory: Memory, state: LastTokens) -> Step:
        return Step(self.table[state.tokens, tokens], self.looks[tokens].softmax(-1), state)


def every_hypothesis(model: Bigrams, source: Tensor, longest: int, options: SearchOptions) -> list[tuple[float, tuple]]:
    """All hypotheses with their scores, from the formula."""
    found = []
    for length in range(1, longest + 1):
        for tokens in itertools.product(range(WORDS), repeat=length):
            ended = tokens[-1] == END
            if END in tokens[:-1] or (not ended and length < longest):
                continue
            log_p, mass, last = 0.0, torch.zeros(3), START
            for token in tokens:
                log_p += float(model.table[source[0], last].log_softmax(-1)[token])
                mass += model.looks[last].softmax(-1)
                last = token
            score = log_p / ((5 + length) / 6) ** options.alpha
            score += options.beta * sum(math.log(min(float(each), 1)) for each in mass)
            found.append((score, tokens))
    return sorted(found, reverse=True)


@given(seed=st.integers(0, 50), alpha=st.sampled_from([0.0, 0.2, 1.0]), beta=st.sampled_from([0.0, 0.2]))
@settings(max_examples=12, deadline=None)
def test_agrees_with_exhaustive_search(seed, alpha, beta):
    model, source = Bigrams(seed), torch.tensor([[4, 1, 2]])
    options = SearchOptions(beam_size=WORDS**3, num_best=5, alpha=alpha, beta=beta)
    found = beam_search(model, source, max_lengths=3, options=options)
    expected = every_hypothesis(model, source[0], 3, options)[:5]
    torch.testing.assert_close(found.scores[0], torch.tensor([score for score, _ in expected]), atol=1e-5, rtol=1e-5)
    assert tuple(found.tokens[0, 0, : int(found.lengths[0, 0])].tolist()) == expected[0][1]


@given(seed=st.integers(0, 30), beam=st.integers(1, 4), pruning=st.sampled_from([None, 3.0]))
@settings(max_examples=12, deadline=None)
def test_a_beam_never_beats_exhaustive_search_and_scores_truly(seed, beam, pruning):
    model, source = Bigrams(seed), torch.tensor([[2, 1, 2]])
    options = SearchOptions(beam_size=beam, alpha=0.6, beta=0.1, pruning=pruning)
    found = beam_search(model, source, max_lengths=4, options=options)
    scores = {tokens: score for score, tokens in every_hypothesis(model, source[0], 4, options)}
    tokens = tuple(found.tokens[0, 0, : int(found.lengths[0, 0])].tolist())
    assert float(found.scores[0, 0]) == pytest.approx(scores[tokens], abs=1e-5)
    assert scores[tokens] <= max(scores.values()) + 1e-6


def translator(window: str = "local-p") -> LuongNMT:
    torch.manual_seed(3)
    model = LuongNMT(LuongNMTConfig(20, 12, 16, 12, 2, window, half_width=2)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(6)
    return model


@pytest.mark.parametrize("window", ["global", "local-m", "local-p", "none"])
def test_depends_neither_on_company_nor_on_padding(window):
    model, generator = translator(window), torch.Generator().manual_seed(0)
    ids = torch.randint(4, 20, (5, 9), generator=generator)
    lengths = torch.tensor([9, 4, 7, 1, 6])
    mask = torch.arange(9) < lengths[:, None]
    options = SearchOptions(beam_size=4, num_best=2, alpha=0.4, beta=0.2)
    together = beam_search(model, ids, mask, max_lengths=2 * lengths + 1, options=options)
    for row, length in enumerate(lengths.tolist()):
        alone = beam_search(model, ids[row : row + 1, :length], max_lengths=2 * length + 1, options=options)
        torch.testing.assert_close(together.scores[row], alone.scores[0], atol=1e-5, rtol=1e-5)
        for rank in range(2):
            assert together.ids(row, rank) == alone.ids(0, rank)
        width = alone.tokens.shape[-1]
        torch.testing.assert_close(
            together.attention[row, :, :width, :length], alone.attention[0], atol=1e-5, rtol=1e-5
        )
        assert not together.attention[row, ..., length:].any()


def test_padding_may_lie_anywhere():
    model = translator()
    ids = torch.tensor([[0, 5, 0, 6, 7]])
    found = greedy_search(model, ids, ids > 0, max_lengths=6)
    plain = greedy_search(model, torch.tensor([[5, 6, 7]]), max_lengths=6)
    assert found.ids() == plain.ids()
    torch.testing.assert_close(found.attention[..., [1, 3, 4]], plain.attention)


def test_greedy_takes_the_likeliest_token():
    model, source = translator("global"), torch.tensor([[5, 6, 7]])
    found = greedy_search(model, source, max_lengths=8)
    memory, state = model.encode(source)
    token, tokens = torch.tensor([START]), []
    while len(tokens) < 8 and (not tokens or tokens[-1] != END):
        step = model.step(token, memory, state)
        token, state = step.logits.argmax(-1), step.state
        tokens.append(int(token))
    assert found.tokens[0, 0, : int(found.lengths[0, 0])].tolist() == tokens


def test_no_sentences():
    found = beam_search(translator(), torch.zeros(0, 4, dtype=torch.long), max_lengths=5)
    assert found.tokens.shape[0] == 0


def test_penalties():
    assert float(length_penalty(7, 0.0)) == 1
    assert float(length_penalty(7, 1.0)) == 2
    mass = torch.tensor([[1.5, 1.0], [0.5, 2.0], [0.0, 1.0]])
    expected = torch.tensor([0.0, 0.2 * math.log(0.5), -math.inf])
    torch.testing.assert_close(coverage_penalty(mass, 0.2), expected)
    assert not coverage_penalty(mass, 0.0).any()


def test_bad_options():
    with pytest.raises(zoo.ConfigError, match="num_best=3"):
        SearchOptions(beam_size=2, num_best=3)
    with pytest.raises(zoo.ConfigError, match="negative"):
        SearchOptions(alpha=-1)
    with pytest.raises(zoo.InputError, match="longest length"):
        greedy_search(translator(), torch.tensor([[5]]), max_lengths=0)
