from __future__ import annotations

import pytest
import torch

import zoo
from zoo_sequence.minimal_transformer import VARIANTS, MinimalAttention, MinimalAttentionConfig, overdetermination


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
    triangle = layer.triangle()[0]
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
    with pytest.raises(zoo.InputError, match="expected side 28"):
        zoo.load("minimal-transformer/tiny")(torch.rand(1, 1, 32, 32))
