"""What papers of the plugin share: the model with planted heads, and the sentences with indirect objects."""

from __future__ import annotations

import pytest
import torch

import zoo
from zoo.bridges.transformers.maps import attention_maps
from zoo.bridges.transformers.tiny import tiny_tokenizer
from zoo_interpret.indirect_objects import (
    NAMES,
    OBJECTS,
    PLACES,
    TEMPLATES,
    indirect_object_batch,
    indirect_object_sentences,
)
from zoo_interpret.planted import planted_model, repeated_tokens


def test_planted_heads_look_where_they_should_and_the_model_repeats():
    ids = repeated_tokens()
    model = planted_model()
    first, second = attention_maps(model, ids)
    queries = torch.arange(1, 23)
    assert float(first[:, 0, queries, queries - 1].min()) > 0.99
    assert float(first[:, 2, :, 0].min()) > 0.99
    copies = torch.arange(12, 23)
    assert float(first[:, 1, copies, copies - 11].min()) > 0.49
    assert float(second[:, 0, copies, copies - 10].min()) > 0.99
    assert float(second[:, 1].diagonal(dim1=-2, dim2=-1).min()) > 0.99
    torch.testing.assert_close(second[0, 3, 4, :5], torch.full((5,), 0.2))
    with torch.no_grad():
        answers = model(ids).logits.argmax(-1)
    assert torch.equal(answers[:, 12:22], ids[:, 13:])
    with pytest.raises(zoo.InputError, match="do not fit"):
        planted_model(30, 30)


def test_sentences_have_the_stated_numbers_and_repeat_the_subject():
    assert (len(set(NAMES)), len(PLACES), len(OBJECTS), len(set(TEMPLATES))) == (109, 8, 8, 15)
    made = indirect_object_sentences(45, seed=3)
    assert {each.order for each in made} == {"ABBA", "BABA"}
    for each in made:
        assert (each.clean.count(each.subject), each.clean.count(each.indirect)) == (2, 1)
        assert (each.corrupt.count(each.subject), each.corrupt.count(each.indirect)) == (1, 2)
        assert (each.clean.index(each.indirect) < each.clean.index(each.subject)) == (each.order == "ABBA")
    assert made == indirect_object_sentences(45, seed=3)


def test_a_tokenizer_without_names_is_refused():
    with pytest.raises(zoo.InputError, match="single tokens"):
        indirect_object_batch(tiny_tokenizer(), 4)
