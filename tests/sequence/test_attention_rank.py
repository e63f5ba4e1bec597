from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import zoo
from zoo_sequence.attention_rank import (
    NearestPoint,
    NearestPointConfig,
    RankEncoderConfig,
    RankHeads,
    RankHeadsConfig,
    farthest_self,
    head_inner_products,
    nearest,
    rank_one_error,
    sample_points,
    target_inner_products,
)


@settings(max_examples=20, deadline=None)
@given(dim=st.integers(2, 12), count=st.integers(1, 20), seed=st.integers(0, 100))
def test_the_exact_construction_is_exact(dim, count, seed):
    exact = RankHeads(RankHeadsConfig(dim, dim, 1, hard=True, construction="exact"))
    generator = torch.Generator().manual_seed(seed)
    points, queries = torch.randn(2, dim, count, generator=generator), torch.randn(2, dim, 3, generator=generator)
    torch.testing.assert_close(exact(points, queries), nearest(points, queries))


@pytest.mark.parametrize("dim", [2, 3, 8])
def test_inner_products_by_monte_carlo(dim):
    generator = torch.Generator().manual_seed(0)

    def unit(*shape):
        return torch.nn.functional.normalize(torch.randn(*shape, generator=generator, dtype=torch.float64), dim=-1)

    q, k = unit(2, dim), unit(2, dim)
    points, asked = unit(200_000, 2, dim), unit(200_000, dim)
    heads = []
    for index in range(2):
        scores = (points @ k[index]) * (asked @ q[index])[:, None]
        heads.append(points[torch.arange(len(points)), scores.argmax(1)])
    target = points[torch.arange(len(points)), (points @ asked[..., None])[..., 0].argmax(1)]
    measured = float((heads[0] * heads[1]).sum(-1).mean())
    assert measured == pytest.approx(float(head_inner_products(q, k)[0, 1]), abs=0.01)
    angle = (q[0] @ k[0]).arccos()[None]
    assert float((heads[0] * target).sum(-1).mean()) == pytest.approx(
        float(target_inner_products(angle, dim)[0]), abs=0.01
    )


def test_more_heads_help_and_more_dimensions_hurt():
    assert rank_one_error(2, 8) > rank_one_error(2, 64) > rank_one_error(2, 512)
    assert rank_one_error(16, 64) > rank_one_error(4, 64)


def test_samplers():
    generator = torch.Generator().manual_seed(0)
    ortho = sample_points(NearestPointConfig(8, 5, sampler="ortho", batch_size=2), generator)
    torch.testing.assert_close(ortho.transpose(1, 2) @ ortho, torch.eye(5).expand(2, 5, 5), atol=1e-5, rtol=0)
    doubled = sample_points(NearestPointConfig(8, 6, sampler="doubled", batch_size=2), generator)
    torch.testing.assert_close(doubled[:, :, 3:], -doubled[:, :, :3])
    torch.testing.assert_close(farthest_self(doubled), -doubled)
    for bad in ({"sampler": "ortho", "num_points": 9}, {"sampler": "doubled", "num_points": 5}):
        with pytest.raises(zoo.ConfigError):
            zoo.load("attention-rank", **bad)


def test_predicting_zero_scores_one_and_wrong_shapes_are_named():
    task = NearestPoint(NearestPointConfig())
    assert task.run(lambda points, queries: torch.zeros_like(queries))["error"] == pytest.approx(1.0, abs=1e-5)
    with pytest.raises(zoo.InputError, match="answers for 8 cases"):
        task.score([])
    with pytest.raises(zoo.InputError, match="expected"):
        NearestPoint(NearestPointConfig(num_points=5)).run(lambda points, queries: points)


@pytest.mark.parametrize(("heads", "count"), [(1, 280_898), (8, 397_378)])
def test_sizes_of_the_published_encoders(heads, count):
    assert zoo.info("attention-rank-encoder/fig1", num_heads=heads, width_multiplier=heads).parameters == count


def test_positions_are_added_or_appended_and_bounded():
    for changes in ({"positional_dim": 4, "dim": 8}, {"additive_positional": True, "dim": 8}):
        encoder = zoo.load("attention-rank-encoder/tiny", **changes)
        points = torch.randn(1, 8, 6)
        swapped = encoder(points[:, :, [1, 0, 2, 3, 4, 5]])
        assert not torch.allclose(swapped[:, :, [1, 0, 2, 3, 4, 5]], encoder(points), atol=1e-4)
        with pytest.raises(zoo.InputError, match="7 points, but positions for 6"):
            encoder(torch.randn(1, 8, 7))
    plain = zoo.load("attention-rank-encoder/tiny")
    torch.testing.assert_close(plain(points)[:, :, [1, 0]], plain(points[:, :, [1, 0, 2, 3, 4, 5]])[:, :, :2])
    with pytest.raises(zoo.ConfigError, match="not a multiple"):
        RankEncoderConfig(dim=9, num_heads=2)
