"""Luong attention: what is particular to it."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

import zoo
from zoo_seq2seq.luong_attention.attention import LuongAttention
from zoo_seq2seq.luong_attention.config import LuongAttentionConfig, LuongNMTConfig
from zoo_seq2seq.luong_attention.conversion import convert
from zoo_seq2seq.luong_attention.network import LuongNMT

D = 8


def layer(window: str = "global", score: str = "general", **options) -> LuongAttention:
    torch.manual_seed(0)
    built = LuongAttention(LuongAttentionConfig(D, score, window, **options)).eval()
    with torch.no_grad():
        for parameter in built.parameters():
            parameter.mul_(10)
    return built


def states(source: int = 12, targets: int = 5) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    lengths = torch.tensor([source, source - 5, 1])
    mask = torch.arange(source) < lengths[:, None]
    return torch.randn(3, targets, D, generator=generator), torch.randn(3, source, D, generator=generator), mask


@pytest.mark.parametrize(
    ("preset", "parameters"),
    [
        ("luong-local-p-general", 222_065_000),
        ("luong-local-m-general", 222_065_000 - 1_001_000),
        ("luong-global-general", 222_065_000 - 1_001_000),
        ("luong-global-dot", 222_065_000 - 2_001_000),
        ("luong-global-location", 222_065_000 - 2_001_000 + 50 * 1000),
    ],
)
def test_parameter_counts(preset, parameters):
    assert zoo.info(f"luong-nmt/{preset}").parameters == parameters


@pytest.mark.parametrize("score", ["dot", "general", "concat"])
def test_scores_are_the_equations(score):
    built = layer(score=score)
    query, memory, _ = states()
    found = built(query, memory)
    for b, t in ((0, 0), (2, 4)):
        h = query[b, t]
        if score == "concat":
            pairs = torch.cat((h.expand_as(memory[b]), memory[b]), -1)
            expected = (pairs @ built.W_a.weight.T).tanh() @ built.v_a
        else:
            expected = memory[b] @ (h if score == "dot" else built.W_a.weight @ h)
        weights = expected.softmax(-1)
        torch.testing.assert_close(found.weights[b, t], weights)
        context = weights @ memory[b]
        torch.testing.assert_close(found.attentional[b, t], (built.W_c.weight @ torch.cat((context, h))).tanh())


def test_location_score_is_cut_to_the_sentence_and_ignores_what_lies_beyond():
    built = layer(score="location", max_source=10)
    query, memory, mask = states()
    expected = built.W_a(query)[0, 0].softmax(-1)
    weights = built(query, memory).weights
    torch.testing.assert_close(weights[0, 0, :10], expected)
    assert not weights[..., 10:].any()
    torch.testing.assert_close(built(query, memory[:, :4]).weights[0, 0], built.W_a(query)[0, 0, :4].softmax(-1))
    assert not built(query, memory, mask).weights[1, :, 7:].any()


@pytest.mark.parametrize("window", ["local-m", "local-p"])
@pytest.mark.parametrize("score", ["dot", "general", "concat"])
def test_windows_alone_give_what_all_places_give(window, score):
    """The gathered windows and a matrix of all scores are two ways to one result."""
    built = layer(window, score, half_width=2)
    query, memory, mask = states()
    for hidden in (None, mask):
        near = built(query, memory, hidden)
        position = built._position(query, torch.tensor([12, 12, 12]) if hidden is None else mask.sum(1), None)
        weights, context = built._everywhere(query, memory, hidden, position)
        torch.testing.assert_close(near.weights, weights)
        torch.testing.assert_close(near.attentional, built.W_c(torch.cat((context, query), -1)).tanh())


def test_monotonic_windows_move_on_and_stop_at_the_last_word():
    built = layer("local-m", half_width=1)
    query, memory, mask = states(targets=10)
    found = built(query, memory, mask)
    assert found.position[1].tolist() == [0, 1, 2, 3, 4, 5, 6, 6, 6, 6]
    assert (found.weights[1, 3] > 0).nonzero().flatten().tolist() == [2, 3, 4]
    assert (found.weights[1, 9] > 0).nonzero().flatten().tolist() == [5, 6]
    assert found.weights[2, :, 0].tolist() == [1.0] * 10
    one = built(query[:, 3], memory, mask, torch.full((3,), 3))
    torch.testing.assert_close(one.attentional, found.attentional[:, 3])


def test_predicted_positions_and_the_gaussian():
    built = layer("local-p", half_width=2, sigma=0.8)
    query, memory, mask = states()
    found = built(query, memory, mask)
    h = query[1, 2]
    p = 7 * torch.sigmoid(built.v_p @ (built.W_p.weight @ h).tanh())
    torch.testing.assert_close(found.position[1, 2], p)
    seen = [s for s in range(7) if abs(s - math.floor(float(p))) <= 2]
    scores = torch.stack([memory[1, s] @ (built.W_a.weight @ h) for s in seen])
    expected = scores.softmax(-1) * torch.exp(-((torch.tensor(seen) - p) ** 2) / (2 * 0.8**2))
    torch.testing.assert_close(found.weights[1, 2, seen], expected)
    assert float(found.weights[1, 2].sum()) == pytest.approx(float(expected.sum()))
    scaled = layer("local-p", half_width=2, sigma=0.8, gaussian="scores")(query, memory, mask)
    torch.testing.assert_close(scaled.weights.sum(-1), torch.ones(3, 5))


def test_padding_and_nothing_to_see():
    for window in ("global", "local-m", "local-p"):
        built = layer(window, half_width=2)
        query, memory, mask = states()
        short = built(query[1:2], memory[1:2, :7])
        torch.testing.assert_close(built(query, memory, mask).attentional[1:2], short.attentional)
        blind = built(query, memory, torch.zeros_like(mask))
        assert not blind.weights.any()
        assert blind.attentional.isfinite().all()


def network(**options) -> LuongNMT:
    torch.manual_seed(0)
    return LuongNMT(LuongNMTConfig(20, 15, 12, 10, 2, **{"half_width": 2, **options})).eval()


@pytest.mark.parametrize("reverse", [True, False])
def test_memory_is_in_the_order_of_the_sentence(reverse):
    model = network(reverse_source=reverse)
    ids = torch.tensor([[3, 4, 5, 6], [7, 8, 0, 0]])
    memory, _ = model.encode(ids, ids > 0)
    read = torch.tensor([[8, 7]]) if reverse else torch.tensor([[7, 8]])
    expected, _ = model.encoder(model.source_embedding(read))
    torch.testing.assert_close(memory.states[1, :2], expected[0].flip(0) if reverse else expected[0])


def test_input_feeding_and_the_first_step():
    fed, plain = network(), network(input_feeding=False)
    assert fed.decoder.cells[0].input_size == 22
    assert plain.decoder.cells[0].input_size == 10
    source, target = torch.tensor([[3, 4, 5]]), torch.tensor([[2, 7, 8]])
    memory, state = fed.encode(source)
    assert not state.attentional.any()
    first = fed.step(target[:, 0], memory, state)
    second = fed.step(target[:, 1], memory, first.state)
    torch.testing.assert_close(torch.stack((first.logits, second.logits), 1), fed(source, target).logits[:, :2])


def test_the_end_mark_of_the_source_is_not_seen():
    model = network(source_end=True, window="global")
    ids = torch.tensor([[5, 6, 7, 3], [5, 3, 0, 0]])
    weights = model(ids, torch.tensor([[2, 4], [2, 4]]), ids > 0).attention
    assert not weights[0, :, 3].any()
    assert weights[1, :, 0].tolist() == [1.0, 1.0]


def test_without_attention_the_last_word_that_was_read_is_all():
    model = network(window="none")
    ids = torch.tensor([[5, 6, 7, 8], [5, 6, 0, 0]])
    weights = model(ids, torch.tensor([[2, 4], [2, 4]]), ids > 0).attention
    assert weights[..., 0].tolist() == [[1.0, 1.0], [1.0, 1.0]]
    assert network(window="none", reverse_source=False)(ids, ids[:, :1], ids > 0).attention[1, 0, 1] == 1


def test_matlab_names():
    config = LuongNMTConfig(20, 15, 12, 10, 2, half_width=2)
    model = LuongNMT(config).eval()
    state = model.state_dict()
    order = [0, 1, 3, 2]
    matlab: dict[str, Tensor] = {}
    for side, prefix in (("src", "encoder.{}_l{}"), ("tgt", "decoder.cells.{1}.{0}")):
        for number in range(2):
            both = [state[prefix.format(f"weight_{part}", number)] for part in ("ih", "hh")]
            matlab[f"W_{side}{{{number + 1}}}"] = torch.cat(both, 1).unflatten(0, (4, 12))[order].flatten(0, 1)
    matlab |= {"W_emb_src": state["source_embedding.weight"].T, "W_emb_tgt": state["target_embedding.weight"].T}
    matlab |= {"W_a": state["attention.W_a.weight"], "W_pos": state["attention.W_p.weight"]}
    matlab |= {"v_pos": state["attention.v_p"][None], "W_h": state["attention.W_c.weight"]}
    matlab |= {"W_soft": state["output.weight"]}
    found = convert(matlab, config)
    assert found.keys() == state.keys()
    for name, tensor in found.items():
        expected = torch.zeros_like(state[name]) if "bias" in name else state[name]
        torch.testing.assert_close(tensor, expected)
    assert convert(state, config).keys() == state.keys()


def test_errors():
    with pytest.raises(zoo.ConfigError, match="location"):
        LuongAttentionConfig(score="location", window="local-p")
    with pytest.raises(zoo.ConfigError, match="sigma"):
        LuongAttentionConfig(window="local-p", half_width=0)
    with pytest.raises(zoo.InputError, match="expected \\(batch"):
        layer()(torch.zeros(2, 3, D), torch.zeros(2, 4, D + 1))
    with pytest.raises(zoo.InputError, match="vocabulary has 0 to 19"):
        network()(torch.tensor([[20]]), torch.tensor([[2]]))
    with pytest.raises(zoo.MaskError):
        network()(torch.tensor([[5, 6]]), torch.tensor([[2]]), torch.ones(1, 3, dtype=torch.bool))


def test_translates_a_sentence():
    model = zoo.load("luong-attention-nmt/bible")
    from zoo_seq2seq.bible import predict, preprocess

    inputs = preprocess(model.config)("καὶ εἶπεν αὐτοῖς")
    assert model(**inputs).logits.shape == (1, 1, 800)
    found = predict(model, model.config, "καὶ εἶπεν αὐτοῖς")
    assert "said to them" in found["translation"]
    with pytest.raises(zoo.InputError, match="no word"):
        predict(model, model.config, "  ")
    with pytest.raises(zoo.InputError, match="bible"):
        preprocess(LuongNMTConfig())
