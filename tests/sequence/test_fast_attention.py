from __future__ import annotations

import itertools
import math
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

import zoo
from zoo.evidence.measuring import PeakMemory
from zoo_sequence.fast_attention.attention import Fastmax, FastmaxCache, fastmax, functional, step
from zoo_sequence.fast_attention.config import FastmaxConfig, FastmaxKernelConfig
from zoo_sequence.fast_attention.conversion import replay
from zoo_sequence.fast_attention.polynomial import (
    BLOCK,
    FeatureMap,
    Polynomial,
    attend,
    by_autograd,
    divide,
    explicit_weights,
    factorised_attention,
)

TAYLOR = {1: Polynomial(a2=0.0), 2: Polynomial()}


def _random(*shapes: tuple[int, ...], seed: int = 0, dtype: torch.dtype = torch.float64) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator, dtype=dtype) for shape in shapes]


def _projected(length: int, width: int = 6, seed: int = 0, dtype: torch.dtype = torch.float64) -> list[torch.Tensor]:
    return _random(*[(2, 2, length, width)] * 3, seed=seed, dtype=dtype)


def _explicit(query, key, value, config: FastmaxKernelConfig, causal: bool, visible=None):
    """The equations of the paper, one token pair at a time, with no shared code."""
    width = query.shape[-1]
    if config.normalize == "standardize":
        query, key = (
            (x - x.mean(-1, keepdim=True)) / (x.var(-1, unbiased=False, keepdim=True) + 1e-5).sqrt()
            for x in (query, key)
        )
        divisor = config.temperature
    elif config.normalize == "scale":
        divisor = config.normalize_term * math.sqrt(width)
    else:
        real = torch.ones(len(key), key.shape[2], dtype=torch.bool) if visible is None else visible
        rows = []
        for example, row in itertools.product(range(len(query)), range(query.shape[2])):
            known = real[example] & (torch.arange(key.shape[2]) <= row) if causal else real[example]
            largest = [x[example][:, known].norm(dim=-1).amax(-1) for x in (query, key)] if known.any() else [width, 1]
            rows.append(largest[0] * largest[1] / config.lim**2 * torch.ones(query.shape[1]))
        divisor = torch.stack(rows).view(len(query), -1, query.shape[1]).mT[..., None]
    scores = query @ key.transpose(-1, -2) / divisor
    weights = config.a0 + config.a1 * scores + (config.a2 * scores**2 if config.p == 2 else 0.0)
    if causal:
        weights = weights.tril(key.shape[2] - query.shape[2])
    if visible is not None:
        weights = weights * visible[:, None, None]
    total = weights.sum(-1, keepdim=True)
    return weights @ value / total.where(total != 0, torch.ones_like(total))


@settings(max_examples=40, deadline=None)
@given(
    length=st.integers(1, 2 * BLOCK + 30),
    width=st.integers(1, 9),
    p=st.sampled_from([1, 2]),
    kernel=st.sampled_from(
        [
            {"normalize_term": 8.0},
            {"normalize_term": 3.0, "a0": 1.5, "a1": 0.7, "a2": 0.4},
            {"normalize": "standardize", "temperature": 20.0},
            {"normalize": "maxnorm", "lim": 0.8},
        ]
    ),
    causal=st.booleans(),
    padded=st.booleans(),
    seed=st.integers(0, 99),
)
def test_every_mode_is_the_explicit_polynomial_attention(length, width, p, kernel, causal, padded, seed):
    query, key, value = _projected(length, width, seed)
    config = FastmaxKernelConfig(p=p, **kernel)
    visible = None
    if padded:
        visible = torch.rand(2, length, generator=torch.Generator().manual_seed(seed)) < 0.7
        visible[:, seed % length] = True
    ours = fastmax(query, key, value, config, causal=causal, visible=visible, visible_queries=visible)
    torch.testing.assert_close(ours, _explicit(query, key, value, config, causal, visible), atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize("queries", [1, 5, BLOCK + 3])
def test_the_last_query_sees_every_key(queries):
    _, key, value = _projected(2 * BLOCK + 9)
    query = _random((2, 2, queries, 6), seed=3)[0]
    config = FastmaxKernelConfig()
    for causal in (False, True):
        ours = fastmax(query, key, value, config, causal=causal)
        torch.testing.assert_close(ours, _explicit(query, key, value, config, causal), atol=1e-10, rtol=1e-9)


def test_causal_order_needs_a_key_per_query():
    query, key, value = _projected(5)
    with pytest.raises(zoo.InputError, match="5 queries for 4 keys"):
        fastmax(query, key[:, :, :4], value[:, :, :4], FastmaxKernelConfig(), causal=True)


@pytest.mark.parametrize("width", [1, 2, 5, 8])
def test_features_give_the_polynomial_of_the_scores(width):
    query, key, _ = _random(*[(7, width)] * 3)
    for polynomial in (Polynomial(0.3, 0.9, 0.2), Polynomial(0.3, 0.9, 0.0)):
        phi = FeatureMap(polynomial, query)
        # Odd widths have the pairs half-way round twice.
        pairs = (width + 1) * (width + 2 + width % 2) // 2
        assert phi.size == (pairs if polynomial.a2 else width + 1)
        assert phi(query).shape == (7, phi.size)
        scores = (phi(query) * phi.weights[:, 0]) @ phi(key).mT
        torch.testing.assert_close(scores, polynomial(query @ key.mT))


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("degree", [1, 2])
def test_own_gradient_is_right(degree, causal, monkeypatch):
    monkeypatch.setattr("zoo_sequence.fast_attention.polynomial.BLOCK", 3)
    monkeypatch.setattr(FeatureMap, "chunk", 2)
    for queries in (8, 3):
        query, key, value = (tensor[:1, :1] for tensor in _projected(8, 3))
        value[..., -1] = 1.0
        value[:, :, 2] = 0.0
        inputs = [tensor.requires_grad_() for tensor in (query[:, :, -queries:] * 0.3, key, value)]
        assert torch.autograd.gradcheck(
            partial(_factorised, polynomial=TAYLOR[degree], causal=causal), inputs, atol=1e-6
        )


def _factorised(query, key, value, polynomial, causal):
    return factorised_attention(query, key, value, polynomial, causal)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("normalize", ["standardize", "scale", "maxnorm"])
def test_own_gradient_agrees_with_autograd_of_both_forms(normalize, causal):
    inputs = [tensor.requires_grad_() for tensor in _projected(BLOCK + 40)]
    config = FastmaxKernelConfig(normalize=normalize)
    visible = torch.ones(2, BLOCK + 40, dtype=torch.bool)
    visible[0, :4] = visible[1, -9:] = False
    ours = fastmax(*inputs, config, causal=causal, visible=visible, visible_queries=visible)
    weight = _random(ours.shape, seed=7)[0]
    dense = _explicit(*inputs, config, causal, visible)
    for mine, theirs in zip(
        torch.autograd.grad((ours * weight).sum(), inputs),
        torch.autograd.grad((dense * weight).sum(), inputs),
        strict=True,
    ):
        torch.testing.assert_close(mine, theirs, atol=1e-9, rtol=1e-8)
    query, key, value = inputs
    ones = F.pad(value, (0, 1), value=1.0)
    plain = divide(attend(query, key, ones, FeatureMap(TAYLOR[2], query), causal=causal)[0])[0]
    own = factorised_attention(query, key, ones, TAYLOR[2], causal)
    for mine, theirs in zip(
        torch.autograd.grad((own * weight).sum(), inputs),
        torch.autograd.grad((plain * weight).sum(), inputs),
        strict=True,
    ):
        torch.testing.assert_close(mine, theirs, atol=1e-10, rtol=1e-9)


def test_forward_and_backward_form_no_square_and_are_linear_in_memory():
    peaks = []
    for length in (4_096, 8_192):
        inputs = [tensor[:1, :1].clone().requires_grad_() for tensor in _projected(length, 16, dtype=torch.float32)]
        with PeakMemory() as memory:
            fastmax(*inputs, FastmaxKernelConfig(), causal=True).sum().backward()
        peaks.append(memory.peak)
    assert peaks[1] < 2.05 * peaks[0]
    assert peaks[1] < 8_192**2 * 4 / 20


@settings(max_examples=20, deadline=None)
@given(
    cuts=st.lists(st.integers(1, 40), min_size=1, max_size=5),
    p=st.sampled_from([1, 2]),
    normalize=st.sampled_from(["scale", "standardize"]),
)
def test_steps_from_a_constant_state_are_the_causal_form(cuts, p, normalize):
    query, key, value = _projected(sum(cuts))
    # Standardised scores of degree 1 have poles: a temperature keeps them away.
    config = FastmaxKernelConfig(p=p, normalize=normalize, temperature=20.0 if normalize == "standardize" else 1.0)
    state, outputs, start = None, [], 0
    for count in cuts:
        here = (tensor[:, :, start : start + count] for tensor in (query, key, value))
        output, state = step(*here, state, config=config)
        outputs.append(output)
        assert state.shape == (2, 2, 28 if p == 2 else 7, 7)
        start += count
    torch.testing.assert_close(torch.cat(outputs, 2), fastmax(query, key, value, config, causal=True))


def test_maxnorm_needs_all_tokens_so_far():
    query, key, value = _projected(4)
    config = FastmaxKernelConfig(normalize="maxnorm")
    with pytest.raises(zoo.ConfigError, match="cannot run token by token"):
        step(query, key, value, config=config)
    with pytest.raises(zoo.ConfigError, match="1 queries for 4 keys"):
        functional(query[:, :, -1:], key, value, causal=True, scale=1.0, config=config)


def test_low_precision_is_summed_in_float32():
    query, key, value = _projected(3_000, 8, dtype=torch.float32)
    exact = fastmax(query, key, value, FastmaxKernelConfig(), causal=True)
    rough = fastmax(*(x.bfloat16() for x in (query, key, value)), FastmaxKernelConfig(), causal=True)
    assert rough.dtype == torch.bfloat16
    torch.testing.assert_close(rough.float(), exact, atol=0.02, rtol=0.02)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(fastmax(query, key, value, FastmaxKernelConfig(), causal=True), exact)


@settings(max_examples=15, deadline=None)
@given(
    causal=st.booleans(),
    normalize=st.sampled_from(["scale", "standardize", "maxnorm"]),
    hidden=st.sets(st.integers(0, 8), max_size=8),
)
def test_hidden_tokens_might_as_well_not_be_there(causal, normalize, hidden):
    torch.manual_seed(0)
    layer = Fastmax(FastmaxConfig(dim=12, num_heads=3, causal=causal, normalize=normalize)).double()
    x = _random((1, 9, 12))[0]
    kept = [index for index in range(9) if index not in hidden]
    mask = torch.ones(1, 9, dtype=torch.bool)
    mask[0, list(hidden)] = False
    poisoned = x.masked_fill(~mask[..., None], 1e3)
    with torch.no_grad():
        torch.testing.assert_close(layer(poisoned, mask)[:, kept], layer(x[:, kept]))


@settings(max_examples=10, deadline=None)
@given(order=st.permutations(range(8)))
def test_without_order_it_is_equivariant(order):
    torch.manual_seed(0)
    layer, x = Fastmax(FastmaxConfig(dim=8, num_heads=2)).double(), _random((2, 8, 8))[0]
    with torch.no_grad():
        torch.testing.assert_close(layer(x)[:, order], layer(x[:, order]))


def test_the_layer_splits_rows_into_q_k_v_then_head_then_dim():
    torch.manual_seed(0)
    layer, x = Fastmax(FastmaxConfig(dim=8, num_heads=2)).double(), _random((2, 5, 8))[0]
    q, k, v = (part.view(2, 5, 2, 4).transpose(1, 2) for part in layer.qkv(x).split(8, -1))
    expected = layer.out(_explicit(q, k, v, layer.config, False).transpose(1, 2).reshape(2, 5, 8))
    torch.testing.assert_close(layer(x), expected)


@pytest.mark.parametrize("variant", ["standard", "1d", "quadratic"])
@pytest.mark.parametrize("p", [1, 2])
@pytest.mark.parametrize("causal", [False, True])
def test_dropout_is_for_training_and_right_on_average(variant, p, causal):
    config = FastmaxKernelConfig(p=p, normalize_term=4.0, feature_dropout=0.2, dropout_variant=variant)
    query, key, value = (tensor[:1] for tensor in _projected(BLOCK + 2))
    plain = fastmax(query, key, value, config, causal=causal)
    torch.testing.assert_close(
        plain, fastmax(query, key, value, FastmaxKernelConfig(p=p, normalize_term=4.0), causal=causal)
    )
    torch.manual_seed(0)
    many = torch.cat([fastmax(query, key, value, config, causal=causal, training=True) for _ in range(60)])
    assert not torch.allclose(many[0], many[1])
    # Kept features are scaled up: sums are right on average, and their quotient nearly so.
    assert (many.mean(0) - plain[0]).abs().mean() < 0.02
    inputs = [tensor.requires_grad_() for tensor in (query, key, value)]
    fastmax(*inputs, config, causal=causal, training=True).sum().backward()
    assert all(bool(tensor.grad.isfinite().all()) for tensor in inputs)


def test_what_each_variant_drops():
    torch.manual_seed(0)
    config = FastmaxKernelConfig(feature_dropout=0.5, dropout_variant="1d", normalize="maxnorm")
    query, key, value = _projected(6)
    whole = FeatureMap(Polynomial(), query, dropout=0.5)
    found, plain = whole(query), FeatureMap(Polynomial(), query)(query)
    assert torch.equal(found[..., ~whole.products], plain[..., ~whole.products])
    products, kept = plain[..., whole.products], found[..., whole.products]
    assert bool(((kept == 0) | torch.isclose(kept, 2 * products)).all())
    assert 0.4 < float((kept == 0).double().mean()) < 0.6
    output = fastmax(query, key, value, config, training=True)
    assert output.shape == value.shape


def test_quadratic_dropout_draws_the_same_numbers_backward():
    """Outputs are linear in the values, so a finite difference shows the very numbers that were drawn forward."""
    config = FastmaxKernelConfig(feature_dropout=0.3)
    query, key, value = (tensor[:1, :1].requires_grad_() for tensor in _projected(BLOCK + 5, 3))

    def run(value):
        torch.manual_seed(5)
        return fastmax(query, key, value, config, causal=True, training=True).sum()

    (grad,) = torch.autograd.grad(run(value), value)
    shift = torch.zeros_like(value)
    shift[0, 0, 7, 1] = 1.0
    change = float((run(value + shift) - run(value)).detach())
    assert change == pytest.approx(float(grad[0, 0, 7, 1]), rel=1e-6)


def test_a_layer_goes_on_from_its_cache():
    torch.manual_seed(0)
    layer, x = Fastmax(FastmaxConfig(dim=12, num_heads=2, causal=True)).double(), _random((2, 9, 12))[0]
    cache = layer.new_cache()
    parts = [layer(x[:, :4], cache=cache), *(layer(x[:, i : i + 1], cache=cache) for i in range(4, 9))]
    torch.testing.assert_close(torch.cat(parts, 1), layer(x))
    assert cache.length == 9
    assert cache.moments.shape == (2, 2, 28, 7)
    both = Fastmax(FastmaxConfig(dim=12, num_heads=2))
    assert not both.supports_cache
    with pytest.raises(zoo.InputError, match="causal=True"):
        both(x.float(), cache=FastmaxCache())


def test_masks_that_are_more_than_padding_are_refused():
    layer, x = zoo.load("fastmax/tiny"), torch.zeros(2, 5, 16)
    for shape in ((5, 5), (2, 5, 5), (2, 1, 5, 5)):
        with pytest.raises(zoo.MaskError, match="can only leave out keys"):
            layer(x, torch.ones(shape, dtype=torch.bool))


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"dim": 10, "num_heads": 4}, "not divisible"),
        ({"normalize": "maxnorm", "temperature": 2.0}, "temperature=2.0 belongs to normalize='standardize'"),
        ({"lim": 0.5}, "lim=0.5 belongs to normalize='maxnorm'"),
        ({"normalize_term": 0.0}, "leaves no scores"),
        ({"p": 3}, "p"),
        ({"dropout_variant": "2d"}, "dropout_variant"),
    ],
)
def test_bad_configs(overrides, message):
    with pytest.raises(zoo.ConfigError, match=message):
        zoo.load("fastmax", **overrides)


def _blocks(layers: int, dim: int) -> int:
    return layers * (12 * dim**2 + 13 * dim) + 2 * dim


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("fastmax/tiny", 4 * 16**2 + 4 * 16),
        ("fastmax-vit/mnist-vit", 16 * 32 + 32 + 49 * 32 + _blocks(3, 32) + 32 * 10 + 10),
        ("fastmax-vit/tiny", 16 * 16 + 16 + 13 * 16 + _blocks(1, 16) + 170),
        ("fastmax-encoder/lra-listops", (18 + 2000) * 512 + _blocks(6, 512) + 5130),
        ("fastmax-encoder/lra-text", (257 + 4000) * 256 + _blocks(4, 256) + 514),
        ("fastmax-encoder/lra-retrieval", (257 + 4000) * 128 + _blocks(4, 128) + 2 * 128 * 2 + 2),
        ("fastmax-encoder/lra-image", (256 + 1024) * 64 + _blocks(3, 64) + 650),
        ("fastmax-encoder/lra-pathfinder", (256 + 1024) * 128 + _blocks(4, 128) + 258),
        ("fastmax-encoder/tiny", (18 + 13) * 16 + _blocks(1, 16) + 170),
        ("fastmax-gpt/nanogpt-char", (65 + 256) * 384 + _blocks(6, 384)),
        ("fastmax-gpt/tiny", (18 + 13) * 16 + _blocks(1, 16)),
    ],
)
def test_sizes_follow_the_table_under_both_names(name, expected):
    assert zoo.info(name).parameters == expected
    assert zoo.info(name.replace("fastmax", "fast-attention")).parameters == expected
    assert zoo.info(name, p=1).parameters == expected


def test_sizes_with_overrides():
    pixels = zoo.info("fastmax-vit/mnist-vit", patch_size=1, dim=64).parameters
    assert pixels == 64 + 64 + 784 * 64 + _blocks(3, 64) + 650
    softmax = zoo.info("fastmax-gpt/nanogpt-char", attention="full").parameters
    assert softmax == zoo.info("fastmax-gpt/nanogpt-char").parameters


def test_images_by_patch_and_by_pixel():
    images = torch.rand(2, 1, 28, 28)
    for overrides in ({}, {"patch_size": 1, "num_layers": 1, "p": 1}, {"attention": "full"}):
        model = zoo.load("fastmax-vit/mnist-vit", **overrides)
        assert model(images).shape == (2, 10)
    assert model.cls_token is None
    with pytest.raises(zoo.InputError, match="expected 4 x 52"):
        zoo.load("fastmax-vit/tiny")(images)


def test_padding_changes_no_class():
    torch.manual_seed(0)
    model = zoo.load("fastmax-encoder/tiny").double()
    ids = torch.randint(18, (2, 13), generator=torch.Generator().manual_seed(0))
    mask = torch.ones(2, 13, dtype=torch.bool)
    mask[1, 8:] = False
    with torch.no_grad():
        torch.testing.assert_close(model(ids, mask)[1:], model(ids[1:, :8]))
        assert bool(model(ids, torch.zeros_like(mask)).isfinite().all())
    for wrong in (mask[:, :-1], mask[:1], mask.float(), mask[0]):
        with pytest.raises(zoo.MaskError):
            model(ids, wrong)
    with pytest.raises(zoo.InputError, match="positions end at max_length=13"):
        model(torch.zeros(1, 14, dtype=torch.long))


def test_two_documents_are_encoded_apart_and_read_side_by_side():
    torch.manual_seed(0)
    model = zoo.load("fastmax-encoder/lra-retrieval", num_layers=1, dim=16, max_length=9).double()
    ids = torch.randint(257, (3, 2, 9), generator=torch.Generator().manual_seed(0))
    mask = torch.ones(3, 2, 9, dtype=torch.bool)
    mask[0, 1, 5:] = False
    with torch.no_grad():
        parts = [model.trunk(ids[:1, 0]).mean(1), model.trunk(ids[:1, 1, :5]).mean(1)]
        torch.testing.assert_close(model(ids, mask)[:1], model.head(torch.cat(parts, -1)))
    with pytest.raises(zoo.InputError, match=r"expected \(batch, 2, length\)"):
        model(ids[:, 0])
    with pytest.raises(zoo.InputError, match=r"expected \(batch, length\)"):
        zoo.load("fastmax-encoder/tiny")(ids)


def test_generation_from_the_state_is_generation_from_scratch():
    torch.manual_seed(0)
    model = zoo.load("fastmax-gpt/tiny", max_length=40, num_layers=2).double()
    ids = torch.randint(18, (2, 5), generator=torch.Generator().manual_seed(0))
    assert model.supports_cache
    assert all(isinstance(cache, FastmaxCache) for cache in model.new_caches())
    assert torch.equal(model.generate(ids, 20), model.generate(ids, 20, use_cache=False))
    softmax = zoo.load("fastmax-gpt/tiny", attention="full", max_length=40).double()
    assert torch.equal(softmax.generate(ids, 20), softmax.generate(ids, 20, use_cache=False))
    with pytest.raises(zoo.InputError, match="positions end at max_length=40"):
        model.generate(ids, 50)


def test_other_language_models_generate_from_the_state_too():
    torch.manual_seed(0)
    model = zoo.load("moba-lm/tiny", attention="fast-attention", weights=None).double()
    ids = torch.randint(97, (2, 5), generator=torch.Generator().manual_seed(0))
    assert isinstance(model.new_caches()[0], FastmaxCache)
    assert torch.equal(model.generate(ids, 12), model.generate(ids, 12, use_cache=False))


def test_the_language_model_learns():
    torch.manual_seed(0)
    model = zoo.load("fastmax-gpt/tiny").train()
    ids = torch.arange(12).remainder(5).expand(4, -1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    losses = []
    for _ in range(60):
        loss = model.loss(ids)
        losses.append(float(loss.detach()))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert losses[-1] < 0.2 < losses[0]


def test_recordings_name_their_component():
    with pytest.raises(zoo.InputError, match="there are: fastmax, fastmax-maxnorm"):
        replay("other", {}, {}, {}, {})


SIZES = {"vocab_size": 61, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}


def _llama(**config):
    transformers = pytest.importorskip("transformers")
    assert "zoo-fast-attention" in zoo.register_transformers()
    torch.manual_seed(0)
    return transformers.LlamaForCausalLM._from_config(
        transformers.LlamaConfig(**SIZES, num_key_value_heads=2, max_position_embeddings=64, **config),
        attn_implementation="zoo-fast-attention",
    ).eval()


@pytest.mark.parametrize("left", [False, True])
def test_llama_is_causal_and_obeys_padding(left):
    model = _llama()
    ids = torch.randint(61, (2, 9), generator=torch.Generator().manual_seed(0))
    changed = torch.cat((ids[:, :5], (ids[:, 5:] + 1) % 61), 1)
    torch.testing.assert_close(model(changed).logits[:, :5], model(ids).logits[:, :5])
    mask = torch.ones_like(ids)
    real = slice(4, None) if left else slice(0, 5)
    mask[1, slice(0, 4) if left else slice(5, None)] = 0
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    padded = model(ids, attention_mask=mask, position_ids=positions).logits
    torch.testing.assert_close(padded[1, real], model(ids[1:, real]).logits[0], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(padded[0], model(ids[:1]).logits[0], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("cache", [None, "static"])
@pytest.mark.parametrize("left", [False, True])
def test_llama_generates_the_same_with_a_cache(cache, left):
    model = _llama()
    ids = torch.randint(1, 61, (2, 7), generator=torch.Generator().manual_seed(2))
    mask = torch.ones_like(ids)
    if left:
        mask[1, :3] = 0
    arguments = {"attention_mask": mask, "max_new_tokens": 9, "do_sample": False, "pad_token_id": 0}
    kinds = {} if cache is None else {"cache_implementation": cache}
    cached = model.generate(ids, use_cache=True, **arguments, **kinds)
    assert torch.equal(cached, model.generate(ids, use_cache=False, **arguments))


def test_a_causal_mask_of_transformers_is_understood_and_others_are_refused():
    model = _llama()
    ids = torch.randint(61, (2, 9), generator=torch.Generator().manual_seed(0))
    causal = torch.ones(9, 9, dtype=torch.bool).tril().expand(2, 1, -1, -1).clone()
    torch.testing.assert_close(model(ids, attention_mask=causal).logits, model(ids).logits)
    causal[1, :, :, :3] = False
    padding = torch.ones_like(ids)
    padding[1, :3] = 0
    padded = model(ids, attention_mask=padding).logits
    torch.testing.assert_close(model(ids, attention_mask=causal).logits, padded)
    window = causal & ~causal.tril(-3)
    with pytest.raises(zoo.MaskError, match="can only leave out keys"):
        model(ids, attention_mask=window)


def test_masks_shared_by_a_batch_and_of_another_type():
    query, key, value = _projected(6)
    call = partial(functional, scale=1.0, config=FastmaxKernelConfig())
    shared = torch.ones(1, 1, 6, 6, dtype=torch.bool).tril()
    expected = call(query, key, value, None, causal=True)
    torch.testing.assert_close(call(query, key, value, shared, causal=False), expected)
    torch.testing.assert_close(call(query[:, :, 2:], key, value, shared[:, :, 2:], causal=False), expected[:, :, 2:])
    free = F.pad(shared, (0, 3))
    longer = [F.pad(tensor, (0, 0, 0, 3), value=9.0) for tensor in (key, value)]
    torch.testing.assert_close(call(query, *longer, free, causal=False), expected)
    everything = call(query, key, value, torch.ones_like(shared), causal=False)
    torch.testing.assert_close(everything, call(query, key, value, None, causal=False))
    for wrong in (shared.double(), shared.mT, shared.roll(1, -1)):
        with pytest.raises(zoo.MaskError):
            call(query, key, value, wrong, causal=False)


def test_bert_obeys_padding():
    transformers = pytest.importorskip("transformers")
    zoo.register_transformers()
    torch.manual_seed(0)
    bert = transformers.BertModel._from_config(
        transformers.BertConfig(**SIZES), attn_implementation="zoo-fast-attention"
    ).eval()
    ids = torch.randint(61, (2, 9), generator=torch.Generator().manual_seed(0))
    mask = torch.ones_like(ids)
    mask[1, 5:] = 0
    padded = bert(ids, attention_mask=mask).last_hidden_state
    torch.testing.assert_close(padded[1, :5], bert(ids[1:, :5]).last_hidden_state[0])


def test_functional_is_the_explicit_form_with_grouped_keys_and_the_models_scale():
    query, key, value = _projected(7)
    grouped, values = key[:, :1], value[:, :1]
    config = FastmaxKernelConfig(normalize_term=2.0)
    ours = functional(query, grouped, values, causal=True, scale=0.3, config=config)
    weights = explicit_weights(query * 0.15, grouped, Polynomial(), causal=True)
    torch.testing.assert_close(ours, weights @ values)
    dropping = partial(functional, causal=True, scale=1.0, config=FastmaxKernelConfig(feature_dropout=0.5))
    plain = functional(query, key, value, causal=True, scale=1.0, config=FastmaxKernelConfig())
    torch.testing.assert_close(dropping(query, key, value), plain)
    assert not torch.allclose(dropping(query, key, value, training=True), plain)


class TestSecondDerivatives:
    @pytest.mark.parametrize("causal", [False, True])
    @pytest.mark.parametrize("degree", [1, 2])
    def test_of_the_function(self, degree, causal):
        query, key, value = (tensor.requires_grad_() for tensor in _random((1, 4, 3), (1, 6, 3), (1, 6, 3)))
        # Small scores: for degree 1 denominators stay away from zero.
        run = lambda q, k, v: factorised_attention(q / 8, k, v, TAYLOR[degree], causal)  # noqa: E731
        assert torch.autograd.gradgradcheck(run, (query, key, value))

    @pytest.mark.parametrize("named", ["q", "k", "v"])
    def test_where_one_input_alone_has_a_gradient(self, named):
        tensors = dict(zip("qkv", _random(*[(1, 5, 3)] * 3), strict=True))
        tensors[named].requires_grad_()
        second = []
        for run in (factorised_attention, by_autograd):
            arguments = (tensors["q"] / 8, tensors["k"], tensors["v"], TAYLOR[2], True)
            (first,) = torch.autograd.grad(run(*arguments).pow(3).sum(), tensors[named], create_graph=True)
            second.append(torch.autograd.grad(first.square().sum(), tensors[named])[0])
        torch.testing.assert_close(*second)

    @pytest.mark.parametrize("causal", [False, True])
    def test_a_penalty_on_the_gradient_reaches_the_weights(self, causal):
        torch.manual_seed(0)
        layer = Fastmax(FastmaxConfig(dim=8, num_heads=2, causal=causal)).double()
        x = torch.randn(2, 5, 8, dtype=torch.float64, requires_grad=True)

        def penalty(weight):
            output = torch.func.functional_call(layer, {"qkv.weight": weight}, (x,))
            (first,) = torch.autograd.grad(output.square().sum(), x, create_graph=True)
            return first.square().sum()

        weight = layer.qkv.weight.detach().clone().requires_grad_()
        assert torch.autograd.gradcheck(penalty, (weight,), rtol=1e-4)


class TestFunctionTransforms:
    @pytest.mark.parametrize("causal", [False, True])
    @pytest.mark.parametrize("length", [5, BLOCK + 3])
    def test_are_right_to_any_order(self, length, causal):
        inputs = [tensor / 4 for tensor in _random((2, length, 3), (2, length, 3), (2, length, 3))]
        many = [torch.stack((tensor, 2 * tensor, tensor - 0.1)) for tensor in inputs]
        mixed = many[0], inputs[1], many[2].transpose(0, 1)

        def loss(attention, *given):
            return attention(*given, TAYLOR[2], causal).sin().sum()

        def slope(attention, *given):
            return torch.func.grad(partial(loss, attention), 1)(*given).square().sum()

        def attend(attention):
            return lambda *given: attention(*given, TAYLOR[2], causal)

        for transform in (
            lambda attention: torch.func.grad(partial(loss, attention), (0, 1, 2))(*inputs),
            lambda attention: torch.func.vjp(attend(attention), *inputs)[1](inputs[0][..., :2]),
            lambda attention: torch.func.grad(partial(slope, attention), (0, 1, 2))(*inputs),
            lambda attention: torch.func.vmap(attend(attention))(*many),
            lambda attention: torch.func.vmap(attend(attention), (0, None, 1))(*mixed),
            lambda attention: torch.func.vmap(torch.func.grad(partial(loss, attention), (0, 1, 2)))(*many),
            lambda attention: torch.func.jacrev(attend(attention))(*(tensor[:1, :4] for tensor in inputs)),
        ):
            torch.testing.assert_close(transform(factorised_attention), transform(by_autograd))
        with pytest.raises(zoo.InputError, match=r"torch.func.jacrev\(torch.func.jacrev"):
            torch.func.hessian(partial(loss, factorised_attention))(*inputs)

    @pytest.mark.parametrize("causal", [False, True])
    def test_a_layer_gives_forward_and_per_sample_derivatives(self, causal):
        torch.manual_seed(0)
        layer = Fastmax(FastmaxConfig(dim=8, num_heads=2, causal=causal)).double()
        x, direction = torch.randn(2, 3, 5, 8, dtype=torch.float64)
        output, slope = torch.func.jvp(layer, (x,), (direction,))
        torch.testing.assert_close((output, (output * slope).sum()), (layer(x), _pulled(layer, x, direction)))
        weights = dict(layer.named_parameters())

        def loss(weights, x):
            return torch.func.functional_call(layer, weights, (x[None],)).square().sum()

        per_sample = torch.func.vmap(torch.func.grad(loss), (None, 0))(weights, x)
        for example in range(3):
            alone = torch.autograd.grad(loss(weights, x[example]), list(weights.values()))
            torch.testing.assert_close([grads[example] for grads in per_sample.values()], list(alone))


def _pulled(layer, x, direction):
    """Half the derivative of the summed squares of a layer's output along a direction, by the backward pass."""
    x = x.clone().requires_grad_()
    (grad,) = torch.autograd.grad(layer(x).square().sum() / 2, x)
    return (grad * direction).sum()


class TestPrograms:
    @pytest.mark.parametrize("degree", [1, 2])
    def test_a_causal_program_runs_at_any_length_and_stays_linear(self, degree):
        layer = Fastmax(FastmaxConfig(dim=8, num_heads=2, causal=True, p=degree)).eval()
        shapes = {"x": {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}}
        program = torch.export.export(layer, (), {"x": torch.randn(2, 13, 8)}, dynamic_shapes=shapes).module()
        for length in (2, BLOCK, BLOCK + 1, 3 * BLOCK - 5):
            x = torch.randn(3, length, 8)
            torch.testing.assert_close(program(x=x), layer(x), atol=1e-5, rtol=1e-4)
        peaks = []
        for length in (8 * BLOCK, 32 * BLOCK):
            with torch.no_grad(), PeakMemory() as memory:
                program(x=torch.randn(1, length, 8))
            peaks.append(memory.peak)
        assert peaks[1] < 5 * peaks[0]


class TestHalfPrecision:
    @pytest.mark.parametrize("options", [{}, {"causal": True}, {"normalize": "maxnorm"}, {"p": 1}], ids=str)
    def test_large_scores_stay_finite(self, options):
        # Of degree 1, denominators may come as near to zero as chance will have it.
        torch.manual_seed(0)
        layer = Fastmax(FastmaxConfig(dim=8, num_heads=2, normalize_term=8.0, **options)).half()
        torch.nn.init.normal_(layer.qkv.weight, std=20)
        x = torch.randn(2, 7, 8).half() * 10
        query = layer.qkv(x).float()
        assert float(query.detach().square().amax()) > 65504
        assert layer(x).isfinite().all()

    def test_autocast_does_not_reach_the_polynomial(self):
        torch.manual_seed(0)
        layer = Fastmax(FastmaxConfig(dim=8, num_heads=2, causal=True, feature_dropout=0.0))
        x = torch.randn(2, 7, 8)
        for dtype, tolerance in ((torch.bfloat16, 2e-2), (torch.float16, 3e-3)):
            layer.zero_grad()
            with torch.autocast("cpu", dtype):
                output = layer(x)
            output.float().square().sum().backward()
            assert (output - layer(x)).norm() < tolerance * layer(x).norm()
            assert layer.qkv.weight.grad.isfinite().all()


@pytest.mark.parametrize("shape", [(0, 5, 8), (2, 0, 8)])
@pytest.mark.parametrize("options", [{}, {"causal": True}, {"normalize": "maxnorm"}], ids=str)
def test_nothing_gives_nothing(shape, options):
    layer = Fastmax(FastmaxConfig(dim=8, num_heads=2, **options))
    x = torch.zeros(shape, requires_grad=True)
    for mask in (None, torch.ones(shape[:2], dtype=torch.bool)):
        output = layer(x, mask)
        assert output.shape == shape
        output.sum().backward()
