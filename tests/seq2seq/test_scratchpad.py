"""The scratchpad: what is particular to it."""

from __future__ import annotations

import math

import pytest
import torch

import zoo
from zoo_seq2seq import bible
from zoo_seq2seq.scratchpad.config import ScratchpadConfig, WriteConfig
from zoo_seq2seq.scratchpad.network import ScratchpadNetwork, example
from zoo_seq2seq.scratchpad.repetition import SIZE, naming, sets
from zoo_seq2seq.scratchpad.write import ScratchpadWrite
from zoo_seq2seq.scratchpad.write import example as write_example
from zoo_seq2seq.search import SearchOptions, beam_search


def network(**options) -> ScratchpadNetwork:
    torch.manual_seed(0)
    return ScratchpadNetwork(
        ScratchpadConfig(**{"source_vocab_size": 20, "target_vocab_size": 15} | SMALL | options)
    ).eval()


SMALL = {"embedding_dim": 10, "encoder_dim": 6, "encoder_layers": 1, "decoder_dim": 14, "decoder_layers": 2}


def lstm(inputs: int, cells: int) -> int:
    return 4 * cells * (inputs + cells + 2)


def test_parameter_counts():
    memory, dim, emb = 512, 512, 256
    shared = 2 * 32_000 * emb + 2 * (lstm(emb, 256) + lstm(512, 256)) + 2 * (memory + 1) * 2 * dim
    decoder = lstm(emb + memory, dim) + lstm(dim, dim) + dim * memory + memory * memory + memory
    write = (dim + memory + 1) * memory + (dim + 2 * memory + 1) * memory + memory + 1
    output = (dim + memory + 1) * dim + (dim + 1) * 32_000
    assert zoo.info("scratchpad/scratchpad-mt").parameters == shared + decoder + write + output
    for preset in ("scratchpad-qg", "scratchpad-sum"):
        assert zoo.info(f"scratchpad/{preset}").parameters > 10_000_000


@pytest.mark.parametrize("gate", ["mlp", "linear"])
def test_the_write_step_is_the_equation(gate):
    torch.manual_seed(0)
    layer = ScratchpadWrite(WriteConfig(5, 4, gate=gate, gate_dim=3))
    inputs = write_example(layer.config)
    found = layer(**inputs)
    both = torch.cat((inputs["state"][1], inputs["context"][1]))
    update = (layer.update.weight @ both + layer.update.bias).tanh()
    place = inputs["memory"][1, 2]
    kept = layer.gate(torch.cat((both, place))).sigmoid()
    torch.testing.assert_close(found.memory[1, 2], kept * place + (1 - kept) * update)
    assert layer.gate[-1].bias.item() == 1.0


def test_padding_stays_as_it_is():
    layer, mask = ScratchpadWrite(WriteConfig(5, 4)), torch.tensor([[True] * 6, [True] * 3 + [False] * 3])
    inputs = write_example(layer.config)
    found = layer(**inputs, mask=mask)
    assert torch.equal(found.memory[1, 3:], inputs["memory"][1, 3:])
    assert found.gate[1, 3:].tolist() == [1.0] * 3
    with pytest.raises(zoo.MaskError):
        layer(**inputs, mask=mask[:, :2])


@pytest.mark.parametrize("options", [{}, {"read": "luong"}, {"gate": "linear"}, {"copy": True}])
def test_steps_are_the_forced_decoding_and_padding_changes_nothing(options):
    model = network(**options)
    inputs, mask = example(model.config), torch.arange(7) < torch.tensor([7, 4])[:, None]
    whole = model(**inputs, source_mask=mask)
    alone = model(inputs["source_ids"][1:, :4], inputs["target_ids"][1:])
    torch.testing.assert_close(whole.logits[1:], alone.logits)
    torch.testing.assert_close(whole.gates[1:, :, :4], alone.gates)
    assert not whole.gates[1, :, 4:].any()
    memory, state = model.encode(inputs["source_ids"], mask)
    for place, token in enumerate(inputs["target_ids"].unbind(1)):
        step = model.step(token, memory, state)
        state = step.state
        torch.testing.assert_close(step.logits, whole.logits[:, place])


def test_what_was_written_is_read_by_the_next_step_alone():
    model = network(gate_bias=-3.0)
    inputs = example(model.config)
    plain = network(gate="closed")
    plain.load_state_dict(model.state_dict(), strict=False)
    ours, theirs = model(**inputs), plain(**inputs)
    torch.testing.assert_close(ours.logits[:, 0], theirs.logits[:, 0])
    assert float((ours.logits[:, 1] - theirs.logits[:, 1]).abs().max()) > 1e-3


def test_copying_is_a_distribution_over_words_and_extras():
    model = network(copy=True, extra_vocab_size=2, source_vocab_size=15)
    source, target = torch.tensor([[4, 7, 4, 9]]), torch.tensor([[2, 5]])
    copies = torch.tensor([[4, 15, 4, 16]])
    found = model(source, target, copy_ids=copies)
    assert found.logits.shape == (1, 2, 17)
    torch.testing.assert_close(found.logits.exp().sum(-1), torch.ones(1, 2))
    with torch.no_grad():
        model.generate.bias.fill_(-50.0)
    only = model(source, target, copy_ids=copies)
    probability, weights = only.logits.exp()[0, 0], only.attention[0, 0]
    torch.testing.assert_close(probability[4], weights[0] + weights[2])
    torch.testing.assert_close(probability[[15, 16]], weights[[1, 3]])
    # Words that the target does not have are the unknown one.
    wide = network(copy=True)
    assert wide.encode(torch.tensor([[16, 4]]))[0].copy_ids.tolist() == [[1, 4]]


def test_features_of_source_words():
    model = network(num_features=2, feature_dim=3)
    inputs, mask = example(model.config), torch.arange(7) >= torch.tensor([0, 2])[:, None]
    features = torch.tensor([[0, 1, 0, 0, 0, 0, 0], [0, 0, 1, 0, 0, 0, 0]])
    plain, marked = model(**inputs, source_mask=mask), model(**inputs, source_mask=mask, feature_ids=features)
    assert not torch.equal(plain.logits, marked.logits)
    alone = model(inputs["source_ids"][1:, 2:], inputs["target_ids"][1:], feature_ids=features[1:, 2:])
    torch.testing.assert_close(marked.logits[1:], alone.logits)
    with pytest.raises(zoo.InputError, match="num_features=0"):
        network()(**inputs, feature_ids=features)
    with pytest.raises(zoo.InputError, match="feature_ids holds"):
        model(**inputs, feature_ids=features + 1)


def test_every_hypothesis_has_a_memory_of_its_own():
    """A beam's best hypothesis, decoded again by force, has the probability that the search gave it."""
    model = network(gate_bias=-2.0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3)
    source = torch.tensor([[4, 7, 9, 5], [6, 8, 4, 4]])
    found = beam_search(model, source, max_lengths=6, options=SearchOptions(beam_size=4, num_best=3))
    for row in range(2):
        for rank in range(3):
            length = int(found.lengths[row, rank])
            tokens = found.tokens[row, rank, :length]
            fed = torch.cat((torch.tensor([2]), tokens[:-1]))[None]
            logs = model(source[row : row + 1], fed).logits[0].log_softmax(-1)
            expected = float(logs[range(length), tokens].sum())
            assert math.isclose(float(found.log_probabilities[row, rank]), expected, abs_tol=1e-4)


def test_the_task():
    source, target = sets(20, torch.Generator().manual_seed(0))
    assert torch.equal(source.sort(1).values, target.sort(1).values)
    assert all(len(set(row)) == SIZE for row in source.tolist())
    config = ScratchpadConfig(20, 20, 10, 6, 1, 14, 1)
    found = naming(ScratchpadNetwork(config).eval(), 10)
    assert 0 <= found.covered <= 1
    assert 0 <= found.repeated <= 1


def test_without_attention_the_last_place_is_read():
    model = network(attention="last", gate="closed")
    inputs = example(model.config)
    mask = torch.arange(7) < torch.tensor([7, 4])[:, None]
    found = model(**inputs, source_mask=mask)
    assert found.attention[0, :, 6].tolist() == [1.0] * 5
    assert found.attention[1, :, 3].tolist() == [1.0] * 5
    changed = inputs["source_ids"].clone()
    changed[1, 4:] = 0
    other = model(changed, inputs["target_ids"], mask)
    torch.testing.assert_close(found.logits, other.logits)


@pytest.mark.parametrize("preset", ["bible", "bible-plain"])
def test_translates_a_sentence(preset):
    model = zoo.load(f"scratchpad/{preset}")
    found = bible.predict(model, model.config, "ὁ Ἰησοῦς ἀπεκρίθη")
    assert found["translation"] == "jesus answered"
    assert found["alignment"].size[0] > 300
    forced = model(**bible.preprocess(model.config)("ὁ Ἰησοῦς ἀπεκρίθη"))
    # Only with a scratchpad is anything written over.
    assert bool((forced.gates < 0.99).any()) == (preset == "bible")
