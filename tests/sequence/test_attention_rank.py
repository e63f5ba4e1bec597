from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import zoo
from zoo import catalogue
from zoo_sequence.attention_rank.benchmark import (
    NearestPoint,
    farthest_self,
    nearest,
    sample_points,
)
from zoo_sequence.attention_rank.config import NearestPointConfig, RankEncoderConfig, RankHeadsConfig
from zoo_sequence.attention_rank.conversion import replay
from zoo_sequence.attention_rank.encoder import RankEncoder
from zoo_sequence.attention_rank.heads import RankHeads
from zoo_sequence.attention_rank.theory import (
    harmonic_shares,
    head_inner_products,
    heads_needed,
    rank_one_bound,
    rank_one_error,
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


@pytest.mark.parametrize("dim", [2, 3, 5, 9])
def test_the_lower_bound_of_rank_one_heads(dim):
    shares = harmonic_shares(dim)
    assert sum(share for _, share in shares) == pytest.approx(1, abs=0.03)
    # Degree 1 alone: E|y_1| is the cosine that d linear functions of the query catch.
    assert shares[0][0] == dim
    heads = heads_needed(dim, 0.05)
    assert rank_one_bound(dim, heads) <= 0.05 < rank_one_bound(dim, heads - 1)
    assert rank_one_bound(dim, 0) == 0.5
    for count in (4, 32):
        assert rank_one_error(dim, count) > rank_one_bound(dim, count)
    with pytest.raises(zoo.InputError, match="leave over"):
        heads_needed(dim, 1e-6)


def test_the_bound_is_the_singular_values_of_the_target():
    angles = torch.arange(400, dtype=torch.float64) * (2 * torch.pi / 400)
    signs = (angles[:, None] - angles + torch.pi / 400).cos().sign()
    spectrum = torch.linalg.svdvals(signs).square()
    spectrum = spectrum / spectrum.sum()
    for heads in (0, 1, 2, 4, 6):
        assert rank_one_bound(2, heads) == pytest.approx(float(spectrum[heads:].sum() / 2), abs=2e-3)


@pytest.mark.parametrize(
    ("rank", "heads", "dtype"), [(1, 3, torch.float32), (5, 1, torch.float64), (7, 2, torch.float32)]
)
def test_mechanisms_of_other_shapes_replay(rank, heads, dtype):
    generator = torch.Generator().manual_seed(0)
    state = {
        "Q": torch.randn(heads, rank, 5, generator=generator, dtype=dtype),
        "K": torch.randn(heads, rank, 5, generator=generator, dtype=dtype),
        "VO": torch.randn(heads, 5, 5, generator=generator, dtype=dtype),
    }
    points, queries = (torch.randn(2, 5, count, generator=generator, dtype=dtype) for count in (1, 4))
    config = {"dim": 5, "rank": rank, "nheads": heads}
    found = replay("mechanism", config, {}, state, {"X": points, "Y": queries})
    # With one point every head looks at it.
    expected = torch.einsum("bd,hde->be", points[:, :, 0], state["VO"])[:, :, None].expand(2, 5, 4)
    torch.testing.assert_close(found["soft"], expected)
    torch.testing.assert_close(found["hard"], expected)
    torch.testing.assert_close(found["perfect_full_rank"], points.expand(2, 5, 4))
    with pytest.raises(zoo.InputError, match="there are: mechanism"):
        replay("layer", config, {}, state, {})


@pytest.mark.parametrize(("bias", "appended", "added"), [(False, 0, False), (True, 4, True), (False, 2, False)])
def test_encoders_of_every_kind_replay(bias, appended, added):
    own = RankEncoderConfig(
        6,
        9,
        num_heads=2,
        width_multiplier=2,
        hidden_dim=5,
        bias=bias,
        positional_dim=appended,
        additive_positional=added,
    )
    model = RankEncoder(own).eval()
    state = dict(model.state_dict())
    state.setdefault("positional_encodings", torch.empty(0, 9))
    state["encoder.layers.0.self_attn.in_proj_weight"] = torch.empty(3, 1)
    config = {"dim": 6, "nheads": 2, "dim_feedforward": 5, "num_layers": 1, "width_multiplier": 2, "bias": bias}
    config |= {"positional_dim": appended, "additive_positional": added, "maxN": 9 if appended or added else 0}
    points = torch.randn(2, 6, 7, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(replay("encoder", config, {}, state, {"X": points})["out"], model(points))


def test_gradients_are_right_in_float64():
    heads = RankHeads(RankHeadsConfig(3, 2, 2)).double()
    points, queries = (torch.randn(1, 3, 4, dtype=torch.float64, requires_grad=True) for _ in range(2))
    assert torch.autograd.gradcheck(heads, (points, queries))
    with pytest.raises(zoo.InputError, match="expected"):
        heads(torch.randn(1, 4, 2), torch.randn(1, 3, 2))


@pytest.mark.parametrize(
    "shape",
    [
        {"dim": 8, "num_points": 4},
        {"dim": 8, "num_points": 6, "num_queries": -1},
        {"dim": 2, "num_points": 2},
        {"dim": 64, "num_points": 16},
    ],
    ids=str,
)
def test_whoever_knows_nothing_of_the_points_is_right_by_chance(shape):
    task = NearestPoint(NearestPointConfig(**shape))
    generator = torch.Generator().manual_seed(0)
    chance = 1 / (shape["num_points"] - (1 if "num_queries" in shape else 0))
    for trivial in (
        lambda points, queries: queries,
        lambda points, queries: -queries,
        lambda points, queries: torch.zeros_like(queries),
        lambda points, queries: queries + 0.3 * torch.randn(queries.shape, generator=generator),
        lambda points, queries: points.mean(2, keepdim=True).expand_as(queries),
        lambda points, queries: points.mean(2, keepdim=True) + 0.3 * queries,
        lambda points, queries: points[:, :, :1].expand_as(queries),
    ):
        assert task.run(trivial)["accuracy"] < chance + 0.02
    exact = nearest if "num_queries" not in shape else (lambda points, queries: farthest_self(points))
    assert task.run(exact) == {"error": 0.0, "accuracy": 1.0}
    if shape["dim"] == 8:
        roughly = task.run(lambda points, queries: exact(points, queries) + 0.05)
        assert roughly["accuracy"] > 0.99


@pytest.mark.parametrize("name", ["attention-rank-heads/full-rank", "attention-rank-heads/low-rank"])
def test_bundled_heads_reach_what_their_cards_say(name):
    scores = NearestPoint(NearestPointConfig()).run(zoo.load(name))
    says_what_was_reached(name, scores)


def test_the_bundled_encoder_reaches_what_its_card_says():
    encoder = zoo.load("attention-rank-encoder/farthest")
    scores = zoo.load("attention-rank/tiny").run(lambda points, queries: encoder(points))
    says_what_was_reached("attention-rank-encoder/farthest", scores)


def says_what_was_reached(name, scores):
    entry, _, preset = name.partition("/")
    metric = catalogue.current().find(entry).offer.entry.weights[preset].metric
    assert metric.startswith(f"error {scores['error']:.2g} ")
    assert metric.endswith(f"right point in {scores['accuracy']:.1%}")


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
