"""The bridge, with a functional attention that is plain softmax: it must equal transformers' own."""

from __future__ import annotations

import pytest
import torch

import zoo

transformers = pytest.importorskip("transformers")

SOFTMAX = {
    "catalogue": """
        from zoo import Entry, Paper, hookimpl
        @hookimpl
        def zoo_papers():
            yield Paper(id="plain-softmax", title="Plain", year=2017, entries=(
                Entry(id="plain-softmax", kind="attention", summary="softmax attention", build="PKG.code:build",
                      config="PKG.code:Config", functional="PKG.code:attend"),))
    """,
    "code": """
        from dataclasses import dataclass
        from zoo.nn.masks import expand_mask, masked_softmax
        import zoo

        SEEN = []

        @dataclass
        class Config:
            sharpness: float = zoo.field(1.0, "factor on the scores", minimum=0.0)

        def build(config):
            raise NotImplementedError

        def attend(query, key, value, attn_mask, *, causal, scale, config):
            batch, heads, queries, _ = query.shape
            groups = heads // key.shape[1]
            key, value = (tensor.repeat_interleave(groups, 1) for tensor in (key, value))
            SEEN.append((None if attn_mask is None else tuple(attn_mask.shape), causal))
            mask = expand_mask(attn_mask, batch=batch, heads=heads, queries=queries, keys=key.shape[2], causal=causal)
            scores = query @ key.transpose(-1, -2) * scale * config.sharpness
            return masked_softmax(scores, mask) @ value
    """,
}


@pytest.fixture
def seen(install):
    install("plain", **SOFTMAX)
    assert "zoo-plain-softmax" in zoo.register_transformers()
    from pkg_zoo_plain import code

    code.SEEN.clear()
    return code.SEEN


def _llama(attn_implementation: str, **config):
    torch.manual_seed(0)
    return transformers.LlamaForCausalLM._from_config(
        transformers.LlamaConfig(
            vocab_size=61,
            hidden_size=32,
            intermediate_size=48,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=64,
            **config,
        ),
        attn_implementation=attn_implementation,
    ).eval()


def _bert(attn_implementation: str):
    torch.manual_seed(0)
    return transformers.BertModel._from_config(
        transformers.BertConfig(
            vocab_size=61,
            hidden_size=32,
            intermediate_size=48,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=64,
        ),
        attn_implementation=attn_implementation,
    ).eval()


def _padded(left: bool = False):
    ids = torch.randint(0, 61, (3, 12), generator=torch.Generator().manual_seed(1))
    mask = torch.ones(3, 12, dtype=torch.long)
    mask[1, slice(0, 5) if left else slice(7, None)] = 0
    return ids, mask


@pytest.mark.parametrize("left", [False, True])
@pytest.mark.parametrize("padding", [False, True])
def test_llama_with_causal_and_padding_masks_equals_its_eager_attention(seen, padding, left):
    ids, mask = _padded(left)
    inputs = {"input_ids": ids, "attention_mask": mask if padding else None}
    ours, eager = _llama("zoo-plain-softmax")(**inputs).logits, _llama("eager")(**inputs).logits
    real = mask.bool() if padding else torch.ones_like(mask, dtype=torch.bool)
    torch.testing.assert_close(ours[real], eager[real], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("padding", [False, True])
def test_bert_with_padding_equals_its_eager_attention(seen, padding):
    ids, mask = _padded()
    inputs = {"input_ids": ids, "attention_mask": mask if padding else None}
    ours = _bert("zoo-plain-softmax")(**inputs).last_hidden_state
    eager = _bert("eager")(**inputs).last_hidden_state
    real = mask.bool() if padding else torch.ones_like(mask, dtype=torch.bool)
    torch.testing.assert_close(ours[real], eager[real], atol=1e-5, rtol=1e-5)


def test_no_square_mask_is_built_where_padding_says_it_all(seen):
    ids, mask = _padded()
    _llama("zoo-plain-softmax")(input_ids=ids)
    assert seen == [(None, True)] * 2
    seen.clear()
    _llama("zoo-plain-softmax")(input_ids=ids, attention_mask=mask)
    assert seen == [((3, 1, 1, 12), True)] * 2
    seen.clear()
    _bert("zoo-plain-softmax")(input_ids=ids, attention_mask=mask)
    assert seen == [((3, 1, 1, 12), False)] * 2


def test_packed_sequences_get_the_full_mask(seen):
    ids, _ = _padded()
    positions = torch.tensor([[0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 5, 6]]).expand(3, -1)
    inputs = {"input_ids": ids, "position_ids": positions, "use_cache": False}
    ours, eager = _llama("zoo-plain-softmax")(**inputs).logits, _llama("eager")(**inputs).logits
    torch.testing.assert_close(ours, eager, atol=1e-5, rtol=1e-5)
    assert seen[0] == ((3, 1, 12, 12), False)


@pytest.mark.parametrize("cache", [None, "static"])
def test_generation_with_a_cache_gives_the_tokens_of_generation_without(seen, cache):
    model = _llama("zoo-plain-softmax")
    ids = torch.randint(0, 61, (2, 7), generator=torch.Generator().manual_seed(2))
    arguments = {"max_new_tokens": 9, "do_sample": False, "pad_token_id": 0}
    kinds = {} if cache is None else {"cache_implementation": cache}
    cached = model.generate(ids, use_cache=True, **arguments, **kinds)
    assert torch.equal(cached, model.generate(ids, use_cache=False, **arguments))


def test_options_reach_the_mechanism_and_unknown_ones_are_errors(seen):
    ids, _ = _padded()
    plain = _llama("zoo-plain-softmax")(ids).logits
    zoo.register_transformers({"plain-softmax": {"sharpness": 3.0}})
    assert not torch.allclose(plain, _llama("zoo-plain-softmax")(ids).logits)
    with pytest.raises(zoo.ConfigError, match="unknown config field 'sharp'"):
        zoo.register_transformers({"plain-softmax": {"sharp": 3.0}})
    with pytest.raises(zoo.UnknownName, match="not a functional attention entry"):
        zoo.register_transformers({"nonsense": {}})


def test_attention_dropout_is_refused_not_ignored(seen):
    model = _llama("zoo-plain-softmax", attention_dropout=0.1).train()
    with pytest.raises(zoo.InputError, match="no dropout on attention weights"):
        model(torch.zeros(1, 4, dtype=torch.long))
