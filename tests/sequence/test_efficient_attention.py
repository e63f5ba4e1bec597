from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import zoo
from zoo_sequence.efficient_attention.config import (
    EfficientAttentionConfig,
    EfficientAttentionFPNConfig,
    EfficientAttentionResNetConfig,
)
from zoo_sequence.efficient_attention.layer import EfficientAttention, efficient_attention
from zoo_sequence.efficient_attention.networks import EfficientAttentionFPN, WithEfficientAttention, build_resnet


def _random(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def _module(**overrides) -> EfficientAttention:
    torch.manual_seed(0)
    return EfficientAttention(EfficientAttentionConfig(**{"dim": 12, "key_channels": 8, **overrides})).eval()


@settings(max_examples=30, deadline=None)
@given(queries=st.integers(1, 9), keys=st.integers(1, 30), dim=st.integers(1, 6))
def test_scaling_is_dot_product_attention_and_softmax_rows_are_distributions(queries: int, keys: int, dim: int) -> None:
    query, key = _random(queries, dim, dtype=torch.float64), _random(keys, dim, seed=1, dtype=torch.float64)
    value = _random(keys, 5, seed=2, dtype=torch.float64)
    scaled = efficient_attention(query, key, value, normalization="scaling")
    torch.testing.assert_close(scaled, (query @ key.T / keys) @ value)
    matrix = efficient_attention(query, key, torch.eye(keys, dtype=torch.float64))
    assert (matrix >= 0).all()
    torch.testing.assert_close(matrix.sum(-1), torch.ones(queries, dtype=torch.float64))


@pytest.mark.parametrize("normalization", ["softmax", "scaling"])
def test_hidden_keys_are_as_if_they_were_not_there(normalization: str) -> None:
    module, x = _module(normalization=normalization, num_heads=2), _random(2, 7, 12)
    mask = torch.tensor([[True] * 7, [True, False, True, True, False, True, False]])
    output = module(x, mask)
    torch.testing.assert_close(output[1, mask[1]], module(x[1:, mask[1]])[0])
    torch.testing.assert_close(output[0], module(x[:1])[0])
    blind = module(x, torch.zeros_like(mask))
    torch.testing.assert_close(blind, module.reprojection.bias.expand_as(blind))
    with pytest.raises(zoo.MaskError, match="never forms the matrix"):
        module(x, torch.ones(7, 7, dtype=torch.bool))


def test_maps_volumes_and_sequences_are_one_operator() -> None:
    module, x = _module(), _random(2, 12, 3, 5)
    tokens = x.flatten(2).transpose(1, 2)
    attended = module(tokens)
    expected = attended.transpose(1, 2).view_as(x)
    torch.testing.assert_close(module(x), x + expected)
    torch.testing.assert_close(module(x[:, :, None])[:, :, 0], x + expected)
    torch.testing.assert_close(_module(residual=False)(x), expected)
    torch.testing.assert_close(_module(residual=True)(tokens), tokens + attended)
    with pytest.raises(zoo.InputError, match=r"expected \(batch, n, 12\)"):
        module(_random(2, 5, 3))


def test_positions_may_be_permuted() -> None:
    module, x = _module(num_heads=4), _random(2, 9, 12)
    order = torch.randperm(9, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(module(x)[:, order], module(x[:, order]))


def test_gradients_are_right_to_finite_differences() -> None:
    inputs = [_random(1, 2, 4, 3, seed=seed, dtype=torch.float64).requires_grad_() for seed in range(3)]
    visible = torch.tensor([[[True, True, False, True]]])
    for normalization in ("softmax", "scaling"):
        assert torch.autograd.gradcheck(
            lambda q, k, v, kind=normalization: efficient_attention(q, k, v, visible, normalization=kind), inputs
        )


def test_softmax_and_sums_are_in_float32_for_low_precision() -> None:
    query, key, value = (_random(1, 4000, 8, seed=seed).bfloat16() for seed in range(3))
    wide = efficient_attention(query.float(), key.float(), value.float())
    torch.testing.assert_close(efficient_attention(query, key, value), wide.bfloat16())


@pytest.mark.parametrize(
    ("overrides", "count"),
    [
        ({"dim": 256, "key_channels": 64, "value_channels": 64}, 65_984),
        ({"dim": 512, "key_channels": 32, "value_channels": 512}, 558_144),
        # By default d_k = 64 and d_v = C.
        ({"dim": 96, "num_heads": 4}, 2 * (96 * 64 + 64) + 2 * (96 * 96 + 96)),
    ],
)
def test_parameters(overrides: dict, count: int) -> None:
    assert zoo.info("efficient-attention", **overrides).parameters == count


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"causal": True}, "has no causal form"),
        ({"key_channels": 9, "num_heads": 2}, "key_channels=9 is not divisible by num_heads=2"),
        ({"value_channels": 9, "num_heads": 2}, "value_channels=9 is not divisible by num_heads=2"),
        ({"normalization": "l2"}, "softmax"),
    ],
)
def test_configs_that_cannot_be_are_errors(overrides: dict, message: str) -> None:
    with pytest.raises(zoo.ConfigError, match=message):
        zoo.load("efficient-attention", **overrides)


class _Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, padding=1)
        self.second = nn.Sequential(nn.Conv2d(4, 6, 3, padding=1), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.first(x))


def test_modules_go_behind_named_layers_of_any_network() -> None:
    torch.manual_seed(0)
    network, x = _Network().requires_grad_(False), _random(2, 3, 5, 5)
    plain = [network.first(x)]
    model = WithEfficientAttention(network, {"first": 4, "second.0": 6})
    names = {name for name, _ in _Network().named_parameters()}
    assert names == {name for name, _ in model.backbone.named_parameters()}
    first, second = model.attention["first"], model.attention["second-0"]
    expected = torch.relu(second(nn.functional.conv2d(first(plain[0]), *network.second[0].parameters(), padding=1)))
    torch.testing.assert_close(model(x), expected)
    for module in (first, second):
        nn.init.zeros_(module.reprojection.weight)
        nn.init.zeros_(module.reprojection.bias)
    torch.testing.assert_close(model(x), network.second[1](network.second[0].forward(plain[0])))
    model(x).sum().backward()
    assert all(parameter.grad is None for parameter in network.parameters())
    assert first.reprojection.weight.grad is not None
    with pytest.raises(zoo.InputError, match="_Network has no layer 'third'"):
        WithEfficientAttention(network, {"third": 4})


def test_a_copy_of_a_wrapped_network_has_modules_of_its_own() -> None:
    torch.manual_seed(0)
    model, x = WithEfficientAttention(_Network(), {"first": 4}), _random(1, 3, 5, 5)
    before, twin = model(x), copy.deepcopy(model)
    nn.init.zeros_(model.attention["first"].values.weight)
    torch.testing.assert_close(twin(x), before)
    assert not torch.allclose(model(x), before)


def test_stages_of_a_transformers_backbone_can_be_wrapped() -> None:
    transformers = pytest.importorskip("transformers")
    config = transformers.ResNetConfig(embedding_size=8, hidden_sizes=[8, 12, 16], depths=[1, 1, 1], layer_type="basic")
    backbone = transformers.ResNetModel(config).eval()
    x = _random(1, 3, 32, 32)
    before = backbone(x).last_hidden_state
    model = WithEfficientAttention(backbone, {"encoder.stages.1": 12, "encoder.stages.2": 16})
    after = model(x).last_hidden_state
    assert after.shape == before.shape
    assert not torch.allclose(after, before)


def test_the_small_residual_network() -> None:
    model = zoo.load("efficient-attention-resnet/tiny")
    assert {name: module.config.dim for name, module in model.attention.items()} == {"layer2": 32, "layer3": 64}
    assert [module.config.key_channels for module in model.attention.values()] == [16, 32]
    assert model(_random(2, 3, 32, 32)).shape == (2, 10)
    modules = sum(2 * (dim * dim // 2 + dim // 2) + 2 * (dim * dim + dim) for dim in (32, 64))
    blocks = [(16, 16), (16, 32), (32, 64)]
    network = sum(9 * a * b + 9 * b * b + 4 * b + (a != b) * (a * b + 2 * b) for a, b in blocks)
    assert zoo.info("efficient-attention-resnet").parameters == 27 * 16 + 2 * 16 + network + 65 * 10 + modules
    with pytest.raises(zoo.ConfigError, match="modules follow stages 2 and 3"):
        zoo.load("efficient-attention-resnet", depths=[1, 1])


def test_resnet_50_has_the_known_size_and_its_modules() -> None:
    modules = sum(2 * dim * 64 + 128 + 2 * (dim * dim + dim) for dim in (512, 1024))
    assert zoo.info("efficient-attention-resnet/50").parameters == 25_557_032 + modules


def test_modules_that_start_at_zero_leave_a_plain_residual_network() -> None:
    torch.manual_seed(0)
    model = build_resnet(EfficientAttentionResNetConfig(zero_init=True)).eval()
    x, maps = _random(2, 3, 16, 16), model.backbone.maps(_random(2, 3, 16, 16))
    assert [tuple(each.shape[1:]) for each in maps] == [(16, 16, 16), (32, 8, 8), (64, 4, 4)]
    torch.testing.assert_close(model(x), model.backbone.fc(maps[-1].mean((-2, -1))))


def test_the_pyramid_has_one_map_per_level_each_behind_a_module() -> None:
    torch.manual_seed(0)
    model = EfficientAttentionFPN(EfficientAttentionFPNConfig()).eval()
    maps = model(_random(1, 3, 34, 30))
    assert {name: tuple(each.shape) for name, each in maps.items()} == {
        "p2": (1, 32, 34, 30),
        "p3": (1, 32, 17, 15),
        "p4": (1, 32, 9, 8),
        "p5": (1, 32, 5, 4),
        "p6": (1, 32, 3, 2),
    }
    assert zoo.info("efficient-attention-fpn/50").parameters == 30_496_192


def test_vision_transformers_take_it_and_language_models_cannot() -> None:
    model = zoo.load("efficient-attention-vit/tiny")
    assert model(_random(2, 3, 32, 32)).shape == (2, 10)
    assert {type(block.attn).__name__ for block in model.blocks} == {"EfficientAttention"}
    full = zoo.load("efficient-attention-vit/tiny", attention="full")
    assert {type(block.attn).__name__ for block in full.blocks} == {"MultiHeadAttention"}


def test_encoders_of_transformers_take_it_and_decoders_are_refused() -> None:
    transformers = pytest.importorskip("transformers")
    zoo.register_transformers()
    torch.manual_seed(0)
    sizes = {"vocab_size": 61, "hidden_size": 32, "intermediate_size": 48, "num_attention_heads": 4}
    bert = transformers.BertModel._from_config(
        transformers.BertConfig(**sizes, num_hidden_layers=2), attn_implementation="zoo-efficient-attention"
    ).eval()
    ids = torch.randint(0, 61, (2, 9), generator=torch.Generator().manual_seed(0))
    mask = torch.ones_like(ids)
    mask[1, 5:] = 0
    padded = bert(ids, attention_mask=mask).last_hidden_state
    torch.testing.assert_close(padded[1, :5], bert(ids[1:, :5]).last_hidden_state[0])
    llama = transformers.LlamaForCausalLM._from_config(
        transformers.LlamaConfig(**sizes, num_hidden_layers=1), attn_implementation="zoo-efficient-attention"
    )
    with pytest.raises(zoo.ConfigError, match="attention is causal"):
        llama(ids)


def test_what_stands_in_place_of_a_projection_is_computed():
    layer = zoo.load("efficient-attention", dim=8, num_heads=2)
    x = torch.randn(2, 5, 8, generator=torch.Generator().manual_seed(0))
    expected = layer(x)
    layer.keys = torch.nn.Sequential(layer.keys)
    torch.testing.assert_close(layer(x), expected)
    width = layer.keys[0].out_channels
    layer.keys.append(torch.nn.Conv2d(width, width, 1))
    assert not torch.allclose(layer(x), expected)
