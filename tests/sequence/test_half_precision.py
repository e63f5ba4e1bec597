"""Autocast, half precision and empty inputs of the layers whose mathematics leaves half precision's range."""

from __future__ import annotations

import pytest
import torch

import zoo
from zoo.nn.attention import dense_attention, scores
from zoo.nn.blocks import blocks

LAYERS = [
    ("adaptive-filter-attention/tiny", {}),
    ("adaptive-filter-attention/tiny", {"residual": "precision-gate", "separate_dynamics": True}),
    ("adaptive-filter-attention-full/tiny", {}),
    ("better-attention/tiny", {"causal": True}),
    ("dual-attention/tiny", {"causal": True}),
    ("dual-attention/tiny", {"relation_activation": "softmax"}),
    ("dual-attention/tiny", {"symbol_retrieval": "position_relative"}),
    ("efficient-attention/tiny", {}),
    ("efficient-attention/tiny", {"normalization": "scaling"}),
    ("fast-attention/tiny", {"causal": True}),
    ("fast-attention/tiny", {"causal": True, "p": 1, "normalize": "standardize"}),
    ("marginal-attention", {"hard": "map"}),
    ("marginal-attention", {"hard": "map", "potential": "gaussian", "prior": "null-parent"}),
    ("moh-llama-attention/tiny", {}),
    ("pavlovian-attention/tiny", {"normalizer": True}),
    ("softmax-limits-attention", {"normaliser": "sparsemax"}),
]
each_layer = pytest.mark.parametrize(("name", "options"), LAYERS, ids=lambda value: str(value))


def build(name, options):
    torch.manual_seed(0)
    return zoo.load(name, weights=None, **options)


def gradients(layer, x, dtype=None):
    """Output and gradients; losses are scaled as a GradScaler does, so that half precision has small numbers too."""
    layer.zero_grad()
    with torch.autocast("cpu", dtype or torch.bfloat16, enabled=dtype is not None):
        output = layer(x)
    (1024 * output.float().square().mean()).backward()
    return output.detach().float(), {name: p.grad / 1024 for name, p in layer.named_parameters() if p.grad is not None}


@each_layer
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.bfloat16, 0.05), (torch.float16, 0.01)], ids=str)
def test_autocast_stays_within_half_precision(name, options, dtype, tolerance):
    layer = build(name, options)
    x = torch.randn(2, 9, zoo.config(name)["dim"], generator=torch.Generator().manual_seed(1))
    plain, wanted = gradients(layer, x)
    half, found = gradients(layer, x, dtype)
    assert (half - plain).norm() <= tolerance * plain.norm()
    for key, gradient in wanted.items():
        assert found[key].isfinite().all(), key
        assert (found[key] - gradient).norm() <= 4 * tolerance * gradient.norm() + 1e-5, key


@each_layer
@pytest.mark.parametrize("shape", [(0, 5), (2, 0)], ids=str)
def test_nothing_gives_nothing(name, options, shape):
    layer = build(name, options)
    x = torch.zeros(*shape, zoo.config(name)["dim"], requires_grad=True)
    for mask in (None, torch.ones(shape, dtype=torch.bool)):
        output = layer(x, mask)
        assert output.shape == x.shape
        output.sum().backward()


def test_scores_of_float16_do_not_end_at_65504():
    query = torch.full((1, 1, 3, 4), 200.0)
    assert float(scores(query, query).max()) == 160_000
    assert float(scores(query.half(), query.half()).max()) == 160_000
    for dtype, width in ((torch.float16, torch.float32), (torch.bfloat16, torch.bfloat16)):
        with torch.autocast("cpu", dtype):
            assert scores(query, query).dtype == width
            assert scores(query, query).isfinite().all()


@pytest.mark.parametrize("projections", [("wq_attn", "wk_attn"), ("wq_rel", "wk_rel")], ids=str)
def test_large_scores_of_dual_attention_are_finite_where_standard_attention_is(projections):
    layer = build("dual-attention/tiny", {"relation_activation": "softmax"}).half()
    relational = layer.dual_attn.relational_attention
    with torch.no_grad():
        for projection in projections:
            getattr(relational, projection).weight.mul_(2_000)
    x = torch.randn(2, 7, 24).half()
    query, key = (getattr(relational, projection)(x) for projection in projections)
    assert float((query.float() @ key.float().mT).detach().abs().max()) > 65504
    assert dense_attention(query[:, None], key[:, None], key[:, None] / 100).isfinite().all()
    assert layer(x).isfinite().all()


def test_blocks_cover_a_range():
    assert list(blocks(0, 7, 3)) == [slice(0, 3), slice(3, 6), slice(6, 7)]
    assert list(blocks(2, 2, 3)) == [slice(2, 2)]
