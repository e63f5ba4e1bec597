"""Every mechanism that is a function of (query, key, value), inside transformers models, with their kinds of masks."""

from __future__ import annotations

import copy

import pytest
import torch

import zoo
from zoo.errors import ConfigError

transformers = pytest.importorskip("transformers")

# What a causal model needs of each; efficient attention has no causal form.
CAUSAL = {
    "fast-attention": {"normalize_term": 4.0},
    "marginal-attention": {"prior": "alibi"},
    "moba": {"block_size": 4, "topk": 2, "decode": "moba"},
    "moh-llama-attention": {},
    "softmax-limits-attention": {"normaliser": "softmax", "temperature": 1.5},
}
SHAPE = {"vocab_size": 97, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}


def _ids(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(3, 90, shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(params=CAUSAL)
def llama(request):
    """A small Llama with one of the mechanisms."""
    zoo.register_transformers({request.param: CAUSAL[request.param]})
    torch.manual_seed(0)
    config = transformers.LlamaConfig(**SHAPE, num_key_value_heads=2)
    model = transformers.LlamaForCausalLM._from_config(config, attn_implementation=f"zoo-{request.param}").eval()
    with torch.no_grad():
        yield model


def test_the_list_is_complete():
    assert {f"zoo-{name}" for name in (*CAUSAL, "efficient-attention")} == set(zoo.register_transformers())


def test_it_is_another_attention(llama):
    ids = _ids(2, 23)
    ours = llama(ids).logits
    llama.set_attn_implementation("eager")
    assert not torch.allclose(ours, llama(ids).logits, atol=1e-4)


def test_packed_sequences_equal_the_sequences_alone(llama):
    lengths = (9, 1, 14)
    parts = [_ids(1, length, seed=length) for length in lengths]
    alone = torch.cat([llama(part, use_cache=False).logits for part in parts], 1)
    ids = torch.cat(parts, 1)
    positions = torch.cat([torch.arange(length) for length in lengths])[None]
    torch.testing.assert_close(llama(ids, position_ids=positions, use_cache=False).logits, alone, atol=1e-5, rtol=1e-4)
    blocks = torch.block_diag(*(torch.ones(length, length).tril() for length in lengths)).bool()
    for mask in (blocks, torch.zeros(24, 24).masked_fill(~blocks, torch.finfo(torch.float32).min)):
        masked = llama(ids, attention_mask=mask[None, None], position_ids=positions).logits
        torch.testing.assert_close(masked, alone, atol=1e-5, rtol=1e-4)


def test_packed_sequences_are_told_apart_by_what_flash_attention_is_told(llama):
    ids, starts = _ids(1, 24), torch.tensor([0, 9, 10, 10, 24], dtype=torch.int32)
    restarting = torch.cat([torch.arange(length) for length in (9, 1, 14)])[None]
    bounds = [(0, 9), (9, 10), (10, 24)]
    for positions in (restarting, torch.arange(24)[None]):
        parts = [llama(ids[:, a:b], position_ids=positions[:, a:b], use_cache=False).logits for a, b in bounds]
        told = {"cu_seq_lens_q": starts, "cu_seq_lens_k": starts, "max_length_q": 14, "max_length_k": 14}
        found = llama(ids, position_ids=positions, use_cache=False, **told).logits
        torch.testing.assert_close(found, torch.cat(parts, 1), atol=1e-5, rtol=1e-4)
    for wrong in ([0, 9], [1, 24], [0, 12, 9, 24]):
        with pytest.raises(zoo.MaskError, match="expected starts of sequences"):
            llama(ids, use_cache=False, cu_seq_lens_q=torch.tensor(wrong))
    with pytest.raises(zoo.MaskError, match="the mask says otherwise"):
        llama(ids, position_ids=restarting, use_cache=False, cu_seq_lens_q=torch.tensor([0, 12, 24]))
    with pytest.raises(zoo.MaskError, match="for 2 examples"):
        llama(ids.expand(2, -1), use_cache=False, cu_seq_lens_q=starts)


def test_a_model_that_never_ran_is_compiled_and_exported(llama):
    ids, mask = _ids(2, 11), torch.ones(2, 11, dtype=torch.long)
    mask[1, :4] = 0
    options = {"attention_mask": mask, "use_cache": False}
    compiled = torch.compile(llama, fullgraph=True, backend="eager")(ids, **options).logits
    exported = torch.export.export(copy.deepcopy(llama), (ids,), options).module()(ids, **options).logits
    expected = llama(ids, **options).logits[mask.bool()]
    for found in (compiled, exported):
        torch.testing.assert_close(found[mask.bool()], expected, atol=1e-5, rtol=1e-4)


def test_a_prompt_in_chunks_gives_what_the_prompt_gives(llama):
    ids = _ids(2, 23)
    padding = torch.ones_like(ids)
    padding[1, :5] = 0
    for mask in (None, padding):
        expected = llama(ids, attention_mask=mask).logits
        static = transformers.StaticCache(config=llama.config, max_cache_len=31)
        for cache in (transformers.DynamicCache(config=llama.config), static):
            logits, start = [], 0
            for stop in (7, 8, 15, 16, 23):
                seen = None if mask is None else mask[:, :stop]
                positions = None if mask is None else (mask.cumsum(1) - 1).clamp(min=0)[:, start:stop]
                output = llama(ids[:, start:stop], attention_mask=seen, position_ids=positions, past_key_values=cache)
                logits.append(output.logits)
                start = stop
            real = torch.ones_like(ids) if mask is None else mask
            found = torch.cat(logits, 1)
            if mask is not None:
                expected = llama(ids, attention_mask=mask, position_ids=(mask.cumsum(1) - 1).clamp(min=0)).logits
            torch.testing.assert_close(found[real.bool()], expected[real.bool()], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("left", [False, True])
def test_generation_with_a_static_cache_is_generation_with_none(llama, left):
    ids, mask = _ids(3, 9), torch.ones(3, 9, dtype=torch.long)
    if left:
        mask[1, :4] = 0
    arguments = {"attention_mask": mask, "max_new_tokens": 8, "do_sample": False, "pad_token_id": 0}
    expected = llama.generate(ids, use_cache=False, **arguments)
    assert torch.equal(llama.generate(ids, **arguments), expected)
    assert torch.equal(llama.generate(ids, cache_implementation="static", **arguments), expected)


def test_assisted_generation_is_plain_generation(llama):
    ids = _ids(1, 3).repeat(1, 3)
    arguments = {"max_new_tokens": 8, "do_sample": False, "pad_token_id": 0}
    expected = llama.generate(ids, **arguments)
    for helped in ({"prompt_lookup_num_tokens": 3}, {"assistant_model": copy.deepcopy(llama)}):
        assert torch.equal(llama.generate(ids, **arguments, **helped), expected)


def test_moba_reads_everything_once_a_cache_holds_keys_unless_told_otherwise():
    assert zoo.config("moba").decode == "full"
    assert "decode" in zoo.register_transformers.__doc__
    ids, logits = _ids(1, 20), {}
    for decode in ("full", "moba"):
        zoo.register_transformers({"moba": CAUSAL["moba"] | {"topk": 1, "decode": decode}})
        torch.manual_seed(0)
        model = transformers.LlamaForCausalLM._from_config(
            transformers.LlamaConfig(**SHAPE), attn_implementation="zoo-moba"
        )
        cache = model(ids[:, :19]).past_key_values
        logits[decode] = model(ids[:, 19:], past_key_values=cache).logits
    assert not torch.allclose(logits["full"], logits["moba"], atol=1e-4)


def test_gradients_reach_the_choice_of_heads_as_they_do_in_the_layer():
    zoo.register_transformers()
    torch.manual_seed(0)
    config = transformers.LlamaConfig(**SHAPE | {"num_hidden_layers": 1})
    host = transformers.LlamaForCausalLM._from_config(config, attn_implementation="zoo-moh-llama-attention")
    theirs, ours = host.model.layers[0].self_attn, zoo.load("moh-llama-attention", dim=32, num_heads=4)
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(2, 11, 32)
    tables = host.model.rotary_emb(x, torch.arange(11)[None])
    gradients = []
    for train in (True, False):
        for module in (theirs.train(train), ours.train(train)):
            told = {"position_embeddings": tables, "attention_mask": None} if module is theirs else {}
            output = module(x, **told)
            output = output[0] if module is theirs else output
            gradients.append(torch.autograd.grad(output.square().sum(), module.q_proj.weight)[0])
    torch.testing.assert_close(gradients[0], gradients[1])
    torch.testing.assert_close(gradients[2], gradients[3])
    assert not torch.allclose(gradients[0], gradients[2])


def test_efficient_attention_serves_encoders_with_every_kind_of_padding_and_no_decoder():
    zoo.register_transformers()
    torch.manual_seed(0)
    bert = transformers.BertModel._from_config(
        transformers.BertConfig(**SHAPE), attn_implementation="zoo-efficient-attention"
    ).eval()
    ids, mask = _ids(2, 9), torch.ones(2, 9, dtype=torch.long)
    mask[1, 5:] = 0
    expected = bert(ids, attention_mask=mask).last_hidden_state
    square = mask[:, None, None].expand(-1, 1, 9, -1)
    for given in (square.bool(), torch.zeros(square.shape).masked_fill(square == 0, -1e9)):
        found = bert(ids, attention_mask=given).last_hidden_state
        torch.testing.assert_close(found[mask.bool()], expected[mask.bool()])
    llama = transformers.LlamaForCausalLM._from_config(
        transformers.LlamaConfig(**SHAPE), attn_implementation="zoo-efficient-attention"
    )
    with pytest.raises(ConfigError, match="no such form"):
        llama(ids)
