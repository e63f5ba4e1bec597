from __future__ import annotations

import dataclasses

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import zoo
from zoo.nn.attention import KeyValueCache, MultiHeadAttention, dense_attention
from zoo.nn.drop_path import DropPath, linear_rates
from zoo.nn.language_model import LanguageModel, LanguageModelConfig, sinusoidal_positions
from zoo.nn.masks import causal_mask
from zoo.nn.patch_embed import PatchEmbed
from zoo.nn.rotary import apply_rotary, rotary_tables
from zoo.nn.vision_transformer import VisionTransformer, VisionTransformerConfig

TINY = {"vocab_size": 31, "dim": 16, "num_layers": 2, "num_heads": 4, "hidden_dim": 24, "max_length": 32}

ACCUMULATOR = {
    "catalogue": """
        from zoo import Entry, Paper, hookimpl
        @hookimpl
        def zoo_papers():
            yield Paper(id="running-mean", title="Mean", year=2020, entries=(
                Entry(id="running-mean", kind="attention", summary="mean so far", build="PKG.code:RunningMean",
                      config="PKG.code:Config"),))
    """,
    "code": """
        from dataclasses import dataclass
        import torch
        import zoo

        @dataclass
        class Config:
            dim: int = zoo.field(8, "width")
            causal: bool = zoo.field(True, "always")
            gain: float = zoo.field(1.0, "factor")

            def __post_init__(self):
                if not self.causal:
                    raise zoo.ConfigError("a running mean only looks back", field="causal")

        class RunningMean(torch.nn.Module):
            def __init__(self, config):
                super().__init__()
                self.gain = config.gain

            def forward(self, x, attn_mask=None):
                return self.gain * x.cumsum(1) / torch.arange(1, x.shape[1] + 1)[:, None]
    """,
}


def _random(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def _model(**overrides) -> LanguageModel:
    torch.manual_seed(0)
    return LanguageModel(LanguageModelConfig(**{**TINY, **overrides})).eval()


def _ids(batch: int = 2, length: int = 9) -> torch.Tensor:
    return torch.randint(0, 31, (batch, length), generator=torch.Generator().manual_seed(1))


@settings(max_examples=20, deadline=None)
@given(start=st.integers(0, 500), shift=st.integers(0, 500), distance=st.integers(0, 50))
def test_rotary_products_depend_on_the_distance_alone(start: int, shift: int, distance: int) -> None:
    query, key = _random(1, 1, 1, 8, dtype=torch.float64), _random(1, 1, 1, 8, seed=1, dtype=torch.float64)

    def product(at: int) -> torch.Tensor:
        tables = rotary_tables(torch.tensor([at, at + distance]), 8, dtype=torch.float64)
        turned = apply_rotary(torch.cat((key, query), 2), *tables)
        return (turned[..., 0, :] * turned[..., 1, :]).sum()

    torch.testing.assert_close(product(start), product(start + shift))


def test_dense_attention_is_softmax_attention_with_grouped_heads() -> None:
    query, key, value = _random(2, 4, 5, 8), _random(2, 2, 7, 8, seed=1), _random(2, 2, 7, 8, seed=2)
    scores = query @ key.repeat_interleave(2, 1).transpose(-1, -2) * 0.3
    hidden = ~causal_mask(5, 7)
    expected = scores.masked_fill(hidden, float("-inf")).softmax(-1) @ value.repeat_interleave(2, 1)
    torch.testing.assert_close(dense_attention(query, key, value, causal=True, scale=0.3), expected)


def test_rows_that_see_nothing_are_zero_and_have_finite_gradients() -> None:
    query = _random(2, 1, 3, 4).requires_grad_()
    mask = torch.tensor([[False, False, True], [False, False, False]])
    output = dense_attention(query, query, query, mask, causal=True)
    assert torch.equal(output[0, :, :2], torch.zeros(1, 2, 4))
    assert torch.equal(output[1], torch.zeros(1, 3, 4))
    output.sum().backward()
    assert torch.isfinite(query.grad).all()


def test_a_cached_layer_continues_where_it_stopped() -> None:
    layer = MultiHeadAttention(16, 4, 2, causal=True, rope_theta=100.0)
    x, cache = _random(2, 7, 16), KeyValueCache()
    pieces = [layer(x[:, :4], cache=cache), layer(x[:, 4:5], cache=cache), layer(x[:, 5:], cache=cache)]
    torch.testing.assert_close(torch.cat(pieces, 1), layer(x))
    assert cache.length == 7


def test_drop_path_drops_whole_examples_and_keeps_the_mean() -> None:
    torch.manual_seed(0)
    dropped = DropPath(0.25)(torch.ones(4000, 2))
    assert torch.equal(dropped[:, 0], dropped[:, 1])
    assert dropped.mean() == pytest.approx(1.0, abs=0.05)
    assert torch.equal(DropPath(0.25).eval()(torch.ones(3)), torch.ones(3))
    assert linear_rates(0.2, 3) == [0.0, 0.1, 0.2]


def test_patches_are_row_major_and_must_divide_the_image() -> None:
    embed = PatchEmbed(2, 4, in_channels=1)
    images = _random(1, 1, 4, 6)
    one = embed(images[..., 2:4, 4:6])
    torch.testing.assert_close(embed(images)[:, 5:6], one)
    with pytest.raises(zoo.InputError, match="does not divide into patches of 2"):
        embed(_random(1, 1, 4, 5))


def test_llama_of_transformers_and_the_host_share_names_and_numbers() -> None:
    transformers = pytest.importorskip("transformers")
    theirs = transformers.LlamaForCausalLM(
        transformers.LlamaConfig(
            vocab_size=31, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=2, rms_norm_eps=1e-5, rope_theta=500.0, max_position_embeddings=32,
        )
    ).eval()  # fmt: skip
    ours = zoo.fill(_model(num_kv_heads=2, rope_theta=500.0), theirs.state_dict())
    torch.testing.assert_close(ours(_ids()), theirs(_ids()).logits, atol=1e-5, rtol=1e-5)


def test_generation_with_a_cache_gives_the_tokens_of_generation_without() -> None:
    model, ids = _model(), _ids()
    cached = model.generate(ids, 12)
    assert torch.equal(cached, model.generate(ids, 12, use_cache=False))
    assert torch.equal(cached[:, :9], ids)
    sampled = [
        model.generate(ids, 12, temperature=1.0, generator=torch.Generator().manual_seed(3), use_cache=use_cache)
        for use_cache in (True, False)
    ]
    assert torch.equal(*sampled)
    with pytest.raises(zoo.InputError, match="at least one token"):
        model.generate(ids[:, :0], 1)
    for odd in ({"max_new_tokens": -1}, {"temperature": -1.0}, {"temperature": float("nan")}):
        with pytest.raises(zoo.InputError, match="neither may be below zero"):
            model.generate(ids, **{"max_new_tokens": 1, **odd})
    for few in (ids[:, :1], ids[0]):
        with pytest.raises(zoo.InputError, match="two tokens or more"):
            model.loss(few)


def test_padding_on_the_right_changes_nothing_before_it() -> None:
    model, ids = _model(), _ids()
    mask = torch.ones_like(ids, dtype=torch.bool)
    mask[1, 6:] = False
    torch.testing.assert_close(model(ids, mask)[1, :6], model(ids[:, :6])[1])


def test_any_drop_in_layer_fills_the_hosts_by_name(install) -> None:
    install("mean", **ACCUMULATOR)
    model = _model(attention="running-mean", attention_options={"gain": 2.0})
    assert [layer.self_attn.gain for layer in model.model.layers] == [2.0, 2.0]
    torch.testing.assert_close(model.model.position_table, sinusoidal_positions(32, 16))
    assert not model.supports_cache
    assert model.generate(_ids(), 3).shape == (2, 12)
    with pytest.raises(zoo.InputError, match="positions end at max_length=32"):
        model(_ids(length=33))
    mixed = _model(attention_pattern=["full", "running-mean"])
    assert [type(layer.self_attn).__name__ for layer in mixed.model.layers] == ["MultiHeadAttention", "RunningMean"]
    with pytest.raises(zoo.ConfigError, match="only looks back"):
        VisionTransformer(
            VisionTransformerConfig(image_size=8, patch_size=4, dim=8, num_heads=2, attention="running-mean")
        )


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("positions", ["learned", "sinusoidal"])
def test_tokens_and_positions_begin_at_one_scale(tied: bool, positions: str) -> None:
    config = LanguageModelConfig(
        vocab_size=500, dim=64, num_layers=1, num_heads=4, hidden_dim=8, max_length=256, tie_embeddings=tied
    )
    model = LanguageModel(dataclasses.replace(config, positions=positions)).model
    added = model.position_table if positions == "sinusoidal" else model.embed_positions.weight
    token, position = (table.square().mean().sqrt() for table in (model.embed_tokens.weight, added))
    torch.testing.assert_close(token, position, atol=0.0, rtol=0.05)
    rotary = LanguageModel(config).model.embed_tokens.weight
    torch.testing.assert_close(rotary.square().mean().sqrt(), token, atol=0.0, rtol=0.05)


def test_positions_are_added_only_where_layers_have_none() -> None:
    assert _model().model.position_table is None
    assert _model(positions="learned").model.embed_positions.weight.shape == (32, 16)
    assert _model(positions="sinusoidal").model.position_table.shape == (32, 16)


def test_tied_embeddings_share_one_tensor() -> None:
    model = _model(tie_embeddings=True)
    assert model.lm_head.weight is model.model.embed_tokens.weight


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"num_heads": 3}, "dim=16 is not divisible by num_heads=3"),
        ({"num_kv_heads": 3}, "not a multiple of num_kv_heads=3"),
        ({"attention_pattern": ["full"]}, "1 names for num_layers=2"),
        ({"attention_options": {"gain": 1.0}}, "attention_options are for drop-in layers"),
        ({"attention": "fulll"}, "No installed plugin"),
    ],
)
def test_shapes_that_cannot_be_are_errors(overrides: dict, message: str) -> None:
    with pytest.raises(zoo.ZooError, match=message):
        _model(**overrides)


@pytest.mark.parametrize("pool", ["cls", "mean"])
def test_the_vision_transformer_classifies_images_of_its_size(pool: str) -> None:
    config = VisionTransformerConfig(
        image_size=8, patch_size=4, in_channels=1, num_classes=5, dim=8, num_layers=2, num_heads=2, pool=pool
    )
    torch.manual_seed(0)
    model = VisionTransformer(config).eval()
    images = _random(3, 1, 8, 8)
    assert model(images).shape == (3, 5)
    torch.testing.assert_close(model(images)[:1], model(images[:1]))
    assert model.features(images).shape == (3, config.num_tokens, 8)
    with pytest.raises(zoo.InputError, match="expected 8 x 8"):
        model(_random(1, 1, 8, 12))


def test_causal_attention_exports_with_any_batch_and_length():
    layer = MultiHeadAttention(16, 2, causal=True).eval()
    dynamic = torch.export.Dim.DYNAMIC
    program = torch.export.export(layer, (torch.randn(2, 7, 16),), dynamic_shapes=({0: dynamic, 1: dynamic},))
    for shape in ((2, 7), (3, 11), (4, 2)):
        x = torch.randn(*shape, 16)
        torch.testing.assert_close(program.module()(x), layer(x))
