"""GNMT: what is particular to it."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

import zoo
from zoo_seq2seq.gnmt import rewards
from zoo_seq2seq.gnmt.config import BeamSearchConfig, GNMTConfig, WordPieceConfig
from zoo_seq2seq.gnmt.conversion import convert
from zoo_seq2seq.gnmt.methods import BeamSearch, WordPieceMethod
from zoo_seq2seq.gnmt.network import GNMT, example
from zoo_seq2seq.gnmt.quantised import delta, quantised, with_quantised_matrices
from zoo_seq2seq.wordpieces import WordPieces


def network(**options) -> GNMT:
    torch.manual_seed(0)
    return GNMT(GNMTConfig(**{"vocab_size": 17, "dim": 12, "num_layers": 4, "init_range": 0.5, **options})).eval()


@pytest.mark.parametrize(
    ("preset", "parameters"),
    [("gnmt", 248_161_537), ("gnmt-v2-4", 160_671_297), ("gnmt-v2-8", 243_967_233)],
)
def test_parameter_counts(preset, parameters):
    assert zoo.info(f"gnmt/{preset}").parameters == parameters


def test_a_table_for_each_side():
    assert zoo.info("gnmt/gnmt-v2-8", share_embedding=False).parameters == 243_967_233 + 32_000 * 1024


@pytest.mark.parametrize("variant", ["v1", "v2"])
@pytest.mark.parametrize("options", [{}, {"first_state": "encoder"}, {"clip_state": 0.2}, {"attention": "last"}])
def test_steps_are_the_forced_decoding(variant, options):
    model = network(variant=variant, **options)
    inputs = example(model.config)
    mask = torch.arange(7) < torch.tensor([7, 4])[:, None]
    whole = model(**inputs, source_mask=mask)
    memory, state = model.encode(inputs["source_ids"], mask)
    for place, token in enumerate(inputs["target_ids"].unbind(1)):
        step = model.step(token, memory, state)
        state = step.state
        torch.testing.assert_close(step.logits, whole.logits[:, place])
        torch.testing.assert_close(step.attention, whole.attention[:, place])


@pytest.mark.parametrize("options", [{}, {"first_state": "encoder"}, {"clip_state": 0.2, "first_state": "encoder"}])
def test_padding_changes_nothing(options):
    model = network(**options)
    inputs = example(model.config)
    mask = torch.arange(7) < torch.tensor([7, 4])[:, None]
    padded = model(**inputs, source_mask=mask)
    alone = model(inputs["source_ids"][1:, :4], inputs["target_ids"][1:])
    torch.testing.assert_close(padded.logits[1:], alone.logits)
    assert not padded.attention[1, :, 4:].any()


def test_normalised_attention_is_the_equation():
    attention = network().decoder.attention
    query, states = torch.randn(1, 2, 12), torch.randn(1, 3, 12)
    summed = attention.query(query)[0, 1] + attention.key(states)[0, 2] + attention.bias
    expected = attention.scale * summed.tanh() @ (attention.v / attention.v.norm())
    torch.testing.assert_close(attention(query, attention.key(states))[0, 1, 2], expected)
    assert float(attention.scale) == pytest.approx(12**-0.5)
    assert not attention.bias.any()


def test_the_first_query_of_v1_is_zero_and_v2_reads_the_present_word():
    for variant, moved in (("v1", False), ("v2", True)):
        model = network(variant=variant)
        source = example(model.config)["source_ids"]
        one, other = (model(source, torch.full((2, 1), word)).attention for word in (4, 9))
        assert torch.equal(one, other) is not moved


def test_residuals_begin_with_the_third_layer():
    plain, residual = network(residual=False), network()
    ids = example(plain.config)["source_ids"]
    for model in (plain, residual):
        with torch.no_grad():
            for parameter in model.encoder.layers[1:].parameters():
                parameter.zero_()
    second = residual.encoder.layers[0]
    x = torch.cat((residual.encoder.forwards(residual.encoder.embedding(ids))[0], torch.zeros(2, 7, 12)), -1)
    assert second.input_size == x.shape[-1]
    # Layers of zeros give zeros, so that what comes through is the residual stream alone.
    assert not plain.encode(ids)[0].states.any()
    assert residual.encode(ids)[0].states.any()


def test_bounded_states_and_logits():
    model = network(clip_state=0.05, clip_logits=0.01)
    inputs = example(model.config)
    memory, state = model.encode(inputs["source_ids"])
    found = model.step(inputs["target_ids"][:, 0], memory, state)
    assert float(memory.states.abs().max()) <= 0.05 + 1e-7
    assert float(found.state.cell.abs().max()) <= 0.05 + 1e-7
    assert float(found.logits.abs().max()) <= 0.01 + 1e-7
    loose, free = network(clip_state=100.0)(**inputs), network()(**inputs)
    torch.testing.assert_close(loose.logits, free.logits)


def test_search_attached_to_a_model():
    model, search = network(), BeamSearch(BeamSearchConfig())
    inputs = example(model.config)
    with search.attach(model) as find:
        found = model(inputs["source_ids"])
        assert torch.equal(found.tokens, find(inputs["source_ids"]).tokens)
        assert model(**inputs).logits.shape == (2, 5, 17)
        assert int(found.lengths.max()) <= 2 * 7 + 5
    mass = found.attention[:, 0].sum(1)
    expected = search.score(found.log_probabilities[:, 0], found.lengths[:, 0].float(), mass)
    torch.testing.assert_close(found.scores[:, 0], expected, atol=1e-4, rtol=1e-4)
    with pytest.raises(TypeError):
        model(inputs["source_ids"])
    with pytest.raises(zoo.InputError, match="no encode"), search.attach(torch.nn.Linear(2, 2)):
        pass


def test_word_pieces():
    texts = ["low lower lowest", "new newer newest", "wide wider widest"] * 3
    pieces = WordPieceMethod(WordPieceConfig(vocab_size=40)).train(texts)
    assert len(pieces) <= 40
    ids = pieces.encode("newest  low\twidest")
    assert pieces.decode(ids) == "newest low widest"
    assert pieces.decode([2, *ids, 3, 0]) == "newest low widest"
    assert max(pieces.words("newest low widest")) == 2
    assert pieces.encode("Ω") == [1] or 1 in pieces.encode("Ω")
    with pytest.raises(zoo.InputError, match="no text"):
        WordPieceMethod(WordPieceConfig()).train(["  "])
    with pytest.raises(zoo.ConfigError, match="model"):
        WordPieces.train(["a"], 10, model="hmm")


def test_word_pieces_travel_through_a_file(tmp_path):
    pieces = WordPieces.train(["one two three"], 30)
    pieces.save(tmp_path / "pieces.json")
    assert WordPieces.load(tmp_path / "pieces.json").encode("two one") == pieces.encode("two one")
    with pytest.raises(zoo.InputError, match="holds no word pieces"):
        WordPieces.load(tmp_path / "nothing.json")


def test_word_pieces_attached_to_a_model():
    model, method = network(vocab_size=30), WordPieceMethod(WordPieceConfig(vocab_size=30))
    pieces = method.train(["one two three four"] * 2)
    with method.attach(model, pieces):
        assert isinstance(model("two one"), str)
        assert len(model(["two one", "four"])) == 2
    with method.attach(model), pytest.raises(zoo.InputError, match="no word pieces"):
        model("two one")


@pytest.mark.parametrize(
    ("output", "target", "expected"),
    [
        ("a b c", "a b c", 1),
        ("a b", "a b c d", 3 / 10),
        ("x", "y", 0),
        ("a a a", "a", 1 / 6),
        ("", "", 1),
        ("a", "", 0),
    ],
)
def test_gleu(output, target, expected):
    assert rewards.gleu(output.split(), target.split()) == pytest.approx(expected)


def test_rewarded_samples_become_likelier():
    model = network().train()
    source = example(model.config)["source_ids"]
    tokens, log_p = rewards.sample(model, source, None, torch.Generator().manual_seed(0), longest=6)
    assert tokens.shape == (2, 15, 6)
    assert log_p.shape == (2, 15)
    rewarded = (tokens == 5).any(-1).float()
    loss = rewards.mixed_loss(torch.zeros(()), log_p, rewarded, mix=0.0)
    (gradient,) = torch.autograd.grad(loss, log_p)
    assert bool((gradient[rewarded > 0] <= 0).all())
    assert rewards.mixed_loss(torch.tensor(2.0), log_p, torch.ones(2, 15)).item() == pytest.approx(0.034)


def test_sampled_log_probabilities_are_those_of_forced_decoding():
    model = network()
    source = example(model.config)["source_ids"][:1]
    tokens, log_p = rewards.sample(model, source, None, torch.Generator().manual_seed(1), longest=5)
    row: Tensor = tokens[0, 3]
    logs = model(source, torch.cat((torch.tensor([2]), row[:-1]))[None]).logits[0].log_softmax(-1)
    length = int((row == 3).nonzero()[0]) + 1 if bool((row == 3).any()) else 5
    assert log_p[0, 3].item() == pytest.approx(float(logs[range(length), row[:length]].sum()), abs=1e-5)


def test_quantised_matrices():
    matrix = torch.tensor([[1.0, -0.5, 0.003], [0.0, 0.0, 0.0]])
    integers, scale = quantised(matrix)
    assert integers.tolist() == [[127, -64, 0], [0, 0, 0]]
    assert (integers * scale - matrix).abs().max() <= scale.max() / 2 + 1e-6
    model = network()
    copied = with_quantised_matrices(model)
    assert torch.equal(copied.decoder.attention.query.weight, model.decoder.attention.query.weight)
    assert not torch.equal(copied.decoder.classifier.weight, model.decoder.classifier.weight)
    assert [delta(step, 10) for step in (0, 5, 10, 20)] == [8, 4.5, 1, 1]


def test_wrapped_checkpoints_and_missing_tables():
    config = GNMTConfig(17, 12, 4, "v2")
    found = convert({"module.encoder.embedder.weight": torch.zeros(17, 12)}, config)
    assert found.keys() == {"encoder.embedding.weight", "decoder.embedding.weight"}


def test_errors():
    with pytest.raises(zoo.ConfigError, match="clip_state"):
        GNMTConfig(clip_state=-1.0)
    with pytest.raises(zoo.ConfigError, match="num_best"):
        BeamSearchConfig(num_best=9)
    with pytest.raises(zoo.InputError, match="vocabulary has 0 to 16"):
        network()(torch.tensor([[17]]), torch.tensor([[2]]))
    assert math.isfinite(float(network()(torch.tensor([[4]]), torch.tensor([[2]])).logits.sum()))
