"""What the small translators of Greek have in common: pieces of aligned words, and what a decoder without attention
reads."""

from __future__ import annotations

import pytest
import torch

import zoo
from zoo_seq2seq import bible
from zoo_seq2seq.clauses import Clause
from zoo_seq2seq.decoding import END, PAD, START, Memory, teacher_force
from zoo_seq2seq.gnmt.config import GNMTConfig
from zoo_seq2seq.luong_attention.config import LuongNMTConfig
from zoo_seq2seq.luong_attention.network import LuongNMT, example
from zoo_seq2seq.translating import batch_of, batches, encoded, translate

CLAUSES = (
    Clause("a", ("λόγος", "ἦν"), ("the", "word", "was"), frozenset({(0, 0), (0, 1), (1, 2)})),
    Clause("b", ("θεός",), ("god",), frozenset()),
)


def test_pieces_of_aligned_words():
    batch = batch_of(encoded(bible.vocabularies(), CLAUSES), [1, 0])
    found = bible.aligned_pieces(CLAUSES, batch)
    assert found.shape == (*batch.next_ids.shape, batch.source_ids.shape[1])
    assert not found[0].any()
    greek = bible.vocabularies().source.words("λόγος ἦν")
    english = bible.vocabularies().target.words("the word was")
    for target, word in enumerate(english):
        for source, other in enumerate(greek):
            assert bool(found[1, target, source]) == ((other, word) in CLAUSES[0].links)
    # The end mark, and what is padding.
    assert not found[1, len(english) :].any()
    assert not found[1, :, len(greek) :].any()


def test_words_take_the_attention_of_their_pieces():
    greek, english = (
        len(bible.vocabularies().source.words("λόγος ἦν")),
        len(bible.vocabularies().target.encode("the word was")),
    )
    weights = torch.rand(english + 1, greek + 3)
    table = bible.word_table(CLAUSES[0], weights)
    assert table.shape == (3, 2)
    assert float(table.sum()) == pytest.approx(float(weights[:english, :greek].sum()), rel=1e-5)


def test_batches_say_which_pairs_they_are():
    pairs = encoded(bible.vocabularies(), CLAUSES)
    (batch,) = batches(pairs, torch.Generator().manual_seed(0))
    for row, place in enumerate(batch.places):
        source, target = pairs[place]
        assert batch.source_ids[row][batch.source_mask[row]].tolist() == source
        assert batch.target_ids[row, : len(target) + 1].tolist() == [START, *target]
        assert batch.next_ids[row, : len(target) + 1].tolist() == [*target, END]
        assert not (batch.next_ids[row, len(target) + 1 :] != PAD).any()


def test_one_place():
    states = torch.zeros(3, 4, 2)
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0], [0, 0, 0, 0]]).bool()
    memory = Memory(states, mask)
    assert memory.one_place().tolist() == [[0, 0, 0, 1], [0, 1, 0, 0], [0, 0, 0, 0]]
    assert memory.one_place(first=True).tolist() == [[1, 0, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]]
    assert Memory(states).one_place()[1].tolist() == [0, 0, 0, 1]


def test_teacher_forcing_gives_the_states_of_all_steps():
    torch.manual_seed(0)
    model = LuongNMT(LuongNMTConfig(20, 12, 8, 6, 1, "global")).eval()
    inputs = example(model.config)
    memory, state = model.encode(inputs["source_ids"])
    found, states = teacher_force(model, memory, state, inputs["target_ids"])
    assert found.logits.shape == (2, 5, 12)
    assert [int(each.step[0]) for each in states] == [1, 2, 3, 4, 5]
    torch.testing.assert_close(found.logits, model(**inputs).logits)


def test_no_network_is_asked_for_what_is_no_sentence():
    pieces = bible.vocabularies()
    for text in ("\ud800", None, 3, b"word"):
        with pytest.raises(zoo.InputError, match="is no text of whole characters"):
            pieces.source.encode(text)
    with pytest.raises(zoo.InputError, match="has no word to translate"):
        translate(None, pieces, [""])
    with pytest.raises(zoo.InputError, match="a sentence of 2,000 pieces; give at most 1,000"):
        translate(None, pieces, ["1 " * 1000])


def test_other_vocabularies_are_refused():
    for config in (GNMTConfig(), LuongNMTConfig()):
        with pytest.raises(zoo.InputError, match="preset 'bible'"):
            bible.preprocess(config)
