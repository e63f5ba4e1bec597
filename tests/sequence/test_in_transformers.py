"""Every functional attention of the catalogue, whoever offers it, in models of transformers."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import torch

import zoo
from zoo import catalogue

transformers = pytest.importorskip("transformers")

FUNCTIONAL = [offer.entry.id for offer in catalogue.current().offers if offer.entry.functional]
SIZES = {
    "vocab_size": 61,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 64,
}


def _llama(name: str):
    return transformers.LlamaForCausalLM._from_config(
        transformers.LlamaConfig(**SIZES, num_key_value_heads=2), attn_implementation=f"zoo-{name}"
    )


def _bert(name: str):
    return transformers.BertModel._from_config(
        transformers.BertConfig(**SIZES), attn_implementation=f"zoo-{name}", add_pooling_layer=False
    )


@torch.no_grad()
def _model(make: Callable, name: str):
    """The model in eval mode, or None where the mechanism says that it has no such form."""
    assert f"zoo-{name}" in zoo.register_transformers()
    torch.manual_seed(0)
    model = make(name).eval()
    try:
        model(torch.zeros(1, 5, dtype=torch.long))
    except zoo.ConfigError as refusal:
        if not {"causal", "bidirectional"} & set(re.findall(r"\w+", str(refusal))):
            raise
        return None
    return model


def _ids(seed: int = 0):
    return torch.randint(0, 61, (2, 13), generator=torch.Generator().manual_seed(seed))


@torch.no_grad()
@pytest.mark.parametrize("name", FUNCTIONAL)
def test_decoders_see_neither_the_future_nor_padding(name: str) -> None:
    model, ids = _model(_llama, name), _ids()
    if model is None:
        return
    later = torch.arange(13) >= 8
    before = model(ids).logits
    torch.testing.assert_close(model(torch.where(later, _ids(1), ids)).logits[:, :8], before[:, :8])
    padding = torch.ones_like(ids)
    padding[1, :4] = 0
    real = padding.bool()
    padded = model(ids, attention_mask=padding).logits
    other = model(torch.where(real, ids, _ids(1)), attention_mask=padding).logits
    assert padded[real].isfinite().all()
    torch.testing.assert_close(other[real], padded[real], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(padded[0], before[0], atol=1e-5, rtol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("name", FUNCTIONAL)
def test_encoders_see_everything_but_padding(name: str) -> None:
    model, ids = _model(_bert, name), _ids()
    if model is None:
        return
    changed = ids.clone()
    changed[:, -1] = (changed[:, -1] + 1) % 61
    before = model(ids).last_hidden_state
    assert not torch.allclose(model(changed).last_hidden_state[:, 0], before[:, 0])
    padding = torch.ones_like(ids)
    padding[1, 8:] = 0
    padded = model(ids, attention_mask=padding).last_hidden_state
    torch.testing.assert_close(padded[1, :8], model(ids[1:, :8]).last_hidden_state[0], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(padded[0], before[0], atol=1e-5, rtol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("name", FUNCTIONAL)
def test_generation_with_cache_gives_the_tokens_of_generation_without(name: str) -> None:
    model, ids = _model(_llama, name), _ids()
    if model is None:
        return
    arguments = {"max_new_tokens": 9, "do_sample": False, "pad_token_id": 0}
    cached = model.generate(ids, use_cache=True, **arguments)
    assert torch.equal(cached, model.generate(ids, use_cache=False, **arguments))


@pytest.mark.parametrize("name", FUNCTIONAL)
def test_one_kind_of_model_at_least_takes_it(name: str) -> None:
    assert any(_model(make, name) is not None for make in (_llama, _bert))
