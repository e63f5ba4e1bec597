from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import zoo
from zoo import catalogue
from zoo.nn import digits
from zoo_sequence.minimal_transformer.config import VARIANTS, MinimalAttentionConfig, MinimalTransformerConfig
from zoo_sequence.minimal_transformer.layer import MinimalAttention, lower_triangle
from zoo_sequence.minimal_transformer.network import overdetermination
from zoo_sequence.minimal_transformer.training import train


@pytest.mark.parametrize(
    ("name", "variant", "count"),
    [
        ("mnist-6-1-mlp", "unchanged", 156_298),
        ("mnist-6-4-mlp", "unchanged", 156_298),
        ("mnist-6-1-mlp", "wqk", 131_338),
        ("mnist-6-1-mlp", "wqk-no-vo", 81_418),
        ("mnist-6-1", "unchanged", 106_378),
        ("mnist-6-1", "symmetric", 68_938),
        ("mnist-6-1", "wqk-no-vo", 31_498),
        ("cifar10-6-1-mlp", "unchanged", 165_450),
        ("cifar10-6-4", "symmetric", 68_874),
    ],
)
def test_published_sizes(name, variant, count):
    assert zoo.info(f"minimal-transformer/{name}", variant=variant).parameters == count


def test_overdetermination_of_the_published_sets():
    assert overdetermination(60_000, 10, 156_298) == pytest.approx(3.84, abs=0.005)
    assert overdetermination(50_000, 10, 165_450) == pytest.approx(3.02, abs=0.005)


@pytest.mark.parametrize("heads", [1, 4])
def test_symmetric_scores_are_symmetric_and_triangles_row_major(heads):
    layer = MinimalAttention(MinimalAttentionConfig(8, heads, "symmetric"))
    scores = layer.scores(torch.randn(2, 5, 8))
    torch.testing.assert_close(scores, scores.transpose(-1, -2))
    with torch.no_grad():
        layer.tril.copy_(torch.arange(layer.tril.numel()).view_as(layer.tril))
    triangle = lower_triangle(layer.tril)[0]
    assert torch.equal(triangle, triangle.tril())
    assert triangle[1, :2].tolist() == [1.0, 2.0]


@pytest.mark.parametrize("variant", VARIANTS)
def test_both_norm_orders_train(variant):
    for norm_first in (False, True):
        model = zoo.load("minimal-transformer/tiny", variant=variant, mlp=True, norm_first=norm_first).train()
        model(torch.rand(2, 1, 28, 28)).sum().backward()
        assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in model.parameters())


def test_what_saves_nothing_is_refused():
    with pytest.raises(zoo.ConfigError, match="wqk variants have one head"):
        zoo.load("minimal-transformer/mnist-6-4", variant="wqk")
    for shape in ((1, 1, 32, 32), (1, 3, 28, 28), (1, 28, 28)):
        with pytest.raises(zoo.InputError, match=r"expected \(batch, 1, 28, 28\)"):
            zoo.load("minimal-transformer/tiny")(torch.rand(shape))
    with pytest.raises(zoo.ConfigError, match="leaves the MLP no unit"):
        zoo.load("minimal-transformer/mnist-6-1-mlp", mlp_ratio=0.01)


@pytest.mark.parametrize("mlp", [False, True])
@pytest.mark.parametrize("heads", [1, 4])
@pytest.mark.parametrize("layers", [6, 12])
@pytest.mark.parametrize(("data", "patch"), [("mnist", 49), ("cifar10", 192)])
def test_every_preset_has_the_sizes_of_the_closed_form(data: str, patch: int, layers: int, heads: int, mlp: bool):
    width = 64 // heads
    symmetric = heads * width * (width + 1) // 2
    square = 64 * 64 + 64
    attention = {
        "unchanged": 4 * square,
        "wqk": 3 * square,
        "wqk-no-vo": square,
        "symmetric": symmetric + 2 * square,
        "symmetric-no-vo": symmetric,
    }
    rest = 64 * patch + 64 + 64 + 17 * 64 + 650
    name = f"minimal-transformer/{data}-{layers}-{heads}{'-mlp' if mlp else ''}"
    for variant in VARIANTS:
        if variant.startswith("wqk") and heads > 1:
            continue
        layer = attention[variant] + 256 + 2 * square * mlp
        assert zoo.info(name, variant=variant).parameters == rest + layers * layer
        wide = attention[variant] + 256 + (2 * 4 * 64 * 64 + 5 * 64) * mlp
        assert zoo.info(name, variant=variant, mlp_ratio=4, num_layers=3).parameters == rest + 3 * wide
        assert zoo.info(name, variant=variant, num_classes=100).parameters == rest + 90 * 65 + layers * layer


KINDS = [(variant, heads) for variant in VARIANTS for heads in (1, 4) if heads == 1 or "wqk" not in variant]


def _layer(variant: str, heads: int, **options) -> MinimalAttention:
    torch.manual_seed(0)
    layer = MinimalAttention(MinimalAttentionConfig(8, heads, variant, **options)).eval()
    for parameter in layer.parameters():
        nn.init.normal_(parameter, std=0.5)
    return layer


def _by_definition(layer: MinimalAttention, x: Tensor) -> Tensor:
    """One example, token by token and head by head."""
    heads, kind = layer.config.num_heads, layer.config.variant
    width = 8 // heads
    triangles = None if layer.tril is None else lower_triangle(layer.tril)
    rows = []
    for i in range(len(x)):
        mixed = []
        for head in range(heads):
            part, scores = slice(head * width, (head + 1) * width), []
            for j in range(i + 1 if layer.config.causal else len(x)):
                if triangles is not None:
                    score = (x[i, part] @ triangles[head]) @ (x[j, part] @ triangles[head])
                elif kind.startswith("wqk"):
                    score = (layer.qk.weight @ x[i] + layer.qk.bias) @ x[j]
                else:
                    score = layer.query(x[i])[part] @ layer.key(x[j])[part]
                scores.append(score / math.sqrt(width))
            values = x if kind.endswith("no-vo") else layer.value(x)
            mixed.append(torch.stack(scores).softmax(0) @ values[: len(scores), part])
        rows.append(torch.cat(mixed))
    output = torch.stack(rows)
    return output if kind.endswith("no-vo") else layer.out(output)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(("variant", "heads"), KINDS)
def test_variants_are_what_their_equations_say(variant: str, heads: int, causal: bool):
    layer, x = _layer(variant, heads, causal=causal), torch.randn(2, 5, 8)
    torch.testing.assert_close(layer(x)[1], _by_definition(layer, x[1]))


LAYERS = {(kind, causal): _layer(*kind, causal=causal) for kind in KINDS for causal in (False, True)}


@settings(max_examples=30, deadline=None)
@given(bits=st.lists(st.booleans(), min_size=12, max_size=12), kind=st.sampled_from(sorted(LAYERS)))
def test_hidden_tokens_have_no_influence(bits: list[bool], kind: tuple):
    layer, mask = LAYERS[kind], torch.tensor(bits).view(2, 6)
    x = torch.randn(2, 6, 8, generator=torch.Generator().manual_seed(0))
    output = layer(x, mask)
    assert output.isfinite().all()
    torch.testing.assert_close(layer(torch.where(mask[..., None], x, x + 3), mask)[mask], output[mask])
    for example in range(2):
        real = mask[example]
        if real.any():
            torch.testing.assert_close(layer(x[example : example + 1, real])[0], output[example, real])


@pytest.mark.parametrize(("variant", "heads"), KINDS)
def test_gradients_are_right_to_finite_differences(variant: str, heads: int):
    layer = _layer(variant, heads, causal=True).double()
    mask = torch.tensor([[True, True, False], [False, False, True], [True, True, True]])
    x = torch.randn(1, 3, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    assert torch.autograd.gradcheck(lambda y: layer(y, mask), (x,))


def test_dropout_is_of_weights_and_in_training_only():
    x = torch.randn(1, 5, 8)
    layer = _layer("unchanged", 4, dropout=0.5)
    torch.testing.assert_close(layer(x), _layer("unchanged", 4)(x))
    layer.train()
    assert not torch.allclose(layer(x), layer(x))
    assert torch.equal(_layer("wqk-no-vo", 1, dropout=1.0).train()(x), torch.zeros_like(x))


@pytest.mark.parametrize(("variant", "heads"), KINDS)
def test_hosts_take_every_variant_by_name(variant: str, heads: int):
    name = f"minimal-transformer-attention/{variant}"
    vit = zoo.load("efficient-attention-vit/tiny", attention=name, num_heads=heads)
    lm = zoo.load("moba-lm/tiny", weights=None, attention=name, num_heads=heads, num_kv_heads=heads)
    layers = [block.attn for block in vit.blocks] + [layer.self_attn for layer in lm.model.layers]
    assert {(layer.config.variant, layer.config.num_heads) for layer in layers} == {(variant, heads)}
    ids = torch.randint(0, 97, (1, 9))
    torch.testing.assert_close(lm(ids)[:, :4], lm(ids[:, :4]))


def test_long_inputs_never_need_the_matrix_of_scores():
    layer, shapes = _layer("symmetric", 1), []

    class Watch(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            output = func(*args, **(kwargs or {}))
            shapes.extend(tuple(tensor.shape) for tensor in (output,) if isinstance(tensor, Tensor))
            return output

    with torch.no_grad(), Watch():
        layer(torch.randn(1, 300, 8))
    assert shapes
    assert not any(shape[-2:] == (300, 300) for shape in shapes)


def test_the_bundled_weights_reach_what_the_card_says():
    reached = digits.measure(zoo.load("minimal-transformer/digits"))
    entry = catalogue.current().find("minimal-transformer").offer.entry
    assert entry.weights["digits"].metric.startswith(f"{reached.accuracy:.2%}")
    assert reached.accuracy > digits.linear_accuracy()
    with pytest.raises(zoo.ConfigError, match="take minimal-transformer/digits"):
        train(MinimalTransformerConfig(), preset=None, seed=0, log=print)
