from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import zoo
from zoo_sequence.model_maps import tiny_gpt2
from zoo_sequence.softmax_limits import (
    NORMALISERS,
    SoftmaxLimits,
    SoftmaxLimitsConfig,
    critical_n,
    distance_bounds,
    gradient_sensitivity,
    normalise,
    random_set_second_moment,
    select,
)


def rows(seed: int, length: int = 12, dim: int = 5):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(3, length, generator=generator, dtype=torch.float64)
    return logits, torch.randn(3, length, dim, generator=generator, dtype=torch.float64)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1000), kind=st.sampled_from(NORMALISERS), hidden=st.integers(0, 5))
def test_normalisers_give_distributions_and_hide_what_is_hidden(seed, kind, hidden):
    logits, _ = rows(seed)
    logits[:, :hidden] = -torch.inf
    alpha = normalise(logits, kind, temperature=0.7)
    torch.testing.assert_close(alpha.sum(-1), torch.ones(3, dtype=torch.float64))
    assert bool((alpha[:, :hidden] == 0).all())
    assert bool((alpha >= 0).all())


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1000), count=st.integers(1, 11))
def test_triangle_bounds_hold(seed, count):
    logits, x = rows(seed)
    alpha = normalise(logits)
    selection, bounds = select(alpha, x, count), distance_bounds(alpha, x, count)
    assert bool((selection.distance() <= bounds["upper"] + 1e-12).all())
    assert bool((selection.distance() >= bounds["lower"] - 1e-12).all())
    assert bool((selection.distance("sum") <= bounds["upper_sum"] + 1e-12).all())


def test_random_set_identity_by_enumeration():
    from itertools import combinations

    logits, x = rows(0, length=6)
    weighted = normalise(logits)[..., None] * x
    for count in (1, 3, 6):
        squares = [
            (weighted.sum(1) - 2 * weighted[:, list(chosen)].sum(1)).square().sum(-1)
            for chosen in combinations(range(6), count)
        ]
        torch.testing.assert_close(torch.stack(squares).mean(0), random_set_second_moment(weighted, count))


def test_critical_n_of_a_curve_that_settles():
    alpha = torch.tensor([[0.9, 0.05, 0.05] + [1e-9] * 20], dtype=torch.float64)
    x = torch.ones(23, 1, dtype=torch.float64)
    assert int(critical_n(alpha, x)) == 3
    assert int(critical_n(alpha[:, :2], x[:2])) == 2


def test_the_probe_reads_any_transformers_model():
    probe = SoftmaxLimits(SoftmaxLimitsConfig(top_n=[1, 4]))
    ids = torch.arange(40).view(2, 20)
    result = probe(tiny_gpt2(), {"input_ids": ids})
    assert result.distance[4].shape == (2, 4)
    assert bool((result.distance[4] <= result.upper[4] + 1e-9).all())
    curves = probe.sweep_length(tiny_gpt2(), ids, [5, 10, 20])
    assert set(curves) == {5, 10, 20}
    with pytest.raises(zoo.InputError, match="exceeds"):
        SoftmaxLimits(SoftmaxLimitsConfig(top_n=[50]))(tiny_gpt2(), {"input_ids": ids})
    model = tiny_gpt2()
    model.set_attn_implementation("sdpa")
    with pytest.raises(zoo.InputError, match="eager"):
        probe(model, {"input_ids": ids})


def test_finite_differences_agree_with_the_jacobian():
    logits, _ = rows(3)
    found = gradient_sensitivity(logits, [1.0])[1.0]
    assert found["finite difference"] <= found["spectral"] + 1e-6
    with pytest.raises(zoo.InputError, match="is not one of"):
        normalise(logits, "hardmax")
    with pytest.raises(zoo.InputError, match="not between"):
        select(normalise(logits), torch.ones(12, 2), 13)
