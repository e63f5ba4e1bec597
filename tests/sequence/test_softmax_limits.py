from __future__ import annotations

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import zoo
from zoo import catalogue
from zoo.bridges.transformers.tiny import tiny_model, tiny_tokenizer
from zoo.nn.sparse_softmax import entmax15
from zoo.testing.forms import forms
from zoo.testing.gradients import scalar
from zoo.testing.specimens import stir
from zoo_sequence.softmax_limits.attention import normalised_attention
from zoo_sequence.softmax_limits.config import NORMALISERS, NormalisedAttentionConfig, SoftmaxLimitsConfig
from zoo_sequence.softmax_limits.normalisers import normalise
from zoo_sequence.softmax_limits.probe import SoftmaxLimits
from zoo_sequence.softmax_limits.quantities import (
    critical_n,
    distance_bounds,
    gradient_sensitivity,
    jacobian,
    jacobian_norms,
    random_set_second_moment,
    select,
)


def rows(seed: int, length: int = 12, dim: int = 5):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(3, length, generator=generator, dtype=torch.float64)
    return logits[:, None], torch.randn(3, length, dim, generator=generator, dtype=torch.float64)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1000), kind=st.sampled_from(NORMALISERS), hidden=st.integers(0, 5))
def test_normalisers_give_distributions_and_hide_what_is_hidden(seed, kind, hidden):
    logits, _ = rows(seed)
    logits[..., :hidden] = -torch.inf
    alpha = normalise(logits, kind, temperature=0.7)
    torch.testing.assert_close(alpha.sum(-1), torch.ones(3, 1, dtype=torch.float64))
    assert bool((alpha[..., :hidden] == 0).all())
    assert bool((alpha >= 0).all())
    # What is hidden is as if it were not there: its place in the row counts for nothing.
    torch.testing.assert_close(alpha[..., hidden:], normalise(logits[..., hidden:], kind, temperature=0.7))


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
    alpha = normalise(logits)
    weighted = alpha[:, 0, :, None] * x
    for count in (1, 3, 6):
        squares = [
            (weighted.sum(1) - 2 * weighted[:, list(chosen)].sum(1)).square().sum(-1)
            for chosen in combinations(range(6), count)
        ]
        torch.testing.assert_close(torch.stack(squares).mean(0), random_set_second_moment(alpha, x, count)[:, 0])


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), count=st.integers(1, 12), temperature=st.sampled_from([0.05, 1.0, 20.0]))
def test_quantities_are_their_definitions(seed, count, temperature):
    logits, x = rows(seed)
    alpha = normalise(logits, temperature=temperature)
    selection, weighted = select(alpha, x, count), alpha[:, 0, :, None] * x
    chosen = selection.selected[:, 0]
    assert bool((chosen.sum(-1) == count).all())
    context = (weighted * chosen[..., None]).sum(1)
    gaps = (weighted - context[:, None]).norm(dim=-1)
    close = {"atol": 1e-6, "rtol": 1e-6}
    torch.testing.assert_close(selection.gaps[:, 0], gaps, **close)
    torch.testing.assert_close(selection.distance()[:, 0], (weighted.sum(1) - 2 * context).norm(dim=-1), **close)
    torch.testing.assert_close(selection.distance("sum")[:, 0], (gaps * ~chosen).sum(-1), **close)
    torch.testing.assert_close(selection.radius()[:, 0], gaps.masked_fill(chosen, torch.inf).amin(-1), **close)
    matrix = jacobian(alpha, temperature)
    for ours, order in zip(jacobian_norms(alpha, temperature), (2, "fro"), strict=True):
        torch.testing.assert_close(ours, torch.linalg.matrix_norm(matrix, order), **close)


def test_norms_of_jacobians_at_the_edges():
    for row, spectral in (([1.0], 0.0), ([1.0, 0.0, 0.0], 0.0), ([0.5, 0.5, 0.0], 0.5), ([0.25] * 4, 0.25)):
        assert float(jacobian_norms(torch.tensor(row).double())[0]) == pytest.approx(spectral, abs=1e-12)


def test_known_rows_of_the_normalisers():
    logits = torch.tensor([2.0, 0.0, -1.0]).double()
    weights = torch.tensor([1.0, 1 / 3, 0.0]).double() * logits.softmax(0)
    torch.testing.assert_close(normalise(logits, "self-adjusted-softmax"), weights / weights.sum())
    flat = torch.full((4,), -2.0)
    torch.testing.assert_close(normalise(flat, "self-adjusted-softmax"), torch.full((4,), 0.25))
    torch.testing.assert_close(normalise(logits, "scalable-softmax", scale=2.0), (logits * 2 * math.log(3)).softmax(0))
    assert normalise(logits, "sparsemax").tolist() == [1.0, 0.0, 0.0]


@pytest.mark.parametrize("kind", NORMALISERS)
def test_attention_with_any_normaliser(kind):
    config = NormalisedAttentionConfig(8, 2, normaliser=kind, temperature=0.5)
    generator = torch.Generator().manual_seed(0)
    query, key, value = (torch.randn(2, 2, 7, 4, generator=generator, dtype=torch.float64) for _ in range(3))
    mask = torch.rand(2, 2, 7, 7, generator=generator) < 0.6
    mask[0, 0, 3] = False
    for causal in (False, True):
        found = normalised_attention(query, key, value, mask, causal=causal, scale=0.5, config=config, chunk=3)
        seen = mask & torch.ones(7, 7, dtype=torch.bool).tril() if causal else mask
        for place in ((1, 0, 4), (0, 1, 6)):
            keep = seen[place]
            logits = 0.5 * (query[place] @ key[place[:2]].T)[keep]
            expected = normalise(logits, kind, temperature=0.5) @ value[place[:2]][keep]
            torch.testing.assert_close(found[place], expected if keep.any() else torch.zeros(4).double())
        assert not found[0, 0, 3].any()
    inputs = tuple(tensor[:1, :, :3].clone().requires_grad_() for tensor in (query, key, value))

    def attend(*parts):
        return normalised_attention(*parts, mask[:1, :, 1:4, :3], causal=False, scale=0.5, config=config)

    assert torch.autograd.gradcheck(attend, inputs)


def test_normalisers_reach_hosts_by_name():
    model = zoo.load(
        "moba-lm/tiny", attention="softmax-limits-attention", attention_options={"normaliser": "entmax15"}, weights=None
    )
    ids = torch.arange(12)[None]
    changed = ids.clone()
    changed[0, -1] = 40
    torch.testing.assert_close(model(ids)[:, :-1], model(changed)[:, :-1])
    with pytest.raises(zoo.ConfigError, match="not divisible"):
        zoo.load("softmax-limits-attention", dim=10, num_heads=4)


def test_critical_n_of_a_curve_that_settles():
    alpha = torch.tensor([[0.9, 0.05, 0.05] + [1e-9] * 20], dtype=torch.float64)
    x = torch.ones(23, 1, dtype=torch.float64)
    assert int(critical_n(alpha, x)) == 3
    assert int(critical_n(alpha[:, :2], x[:2])) == 2


def test_critical_n_by_its_definition_on_long_rows():
    generator = torch.Generator().manual_seed(0)
    alpha = torch.randn(2, 3, 40, 150, generator=generator, dtype=torch.float64).softmax(-1)
    x = torch.randn(2, 1, 150, 700, generator=generator, dtype=torch.float64)
    row, tokens = alpha[1, 2, 37:38], x[1, 0]
    curve = [float(select(row, tokens, count).distance()) for count in range(1, 151)]
    changes = [abs(after - before) / before for before, after in itertools.pairwise(curve)]
    runs = [max(changes[n : n + 3]) for n in range(147)]
    # Steady for the first time beyond the first 64 tokens, if at all.
    tolerance = 0.999 * min(runs[:80])
    expected = next((n + 1 for n, run in enumerate(runs) if run < tolerance), 150)
    assert int(critical_n(alpha, x, tolerance=tolerance)[1, 2, 37]) == expected > 64


def test_the_probe_reads_any_transformers_model():
    probe = SoftmaxLimits(SoftmaxLimitsConfig(top_n=[1, 4]))
    ids = torch.arange(40).view(2, 20)
    result = probe(tiny_model("gpt2"), {"input_ids": ids})
    assert result.distance[4].shape == (2, 4)
    assert bool((result.distance[4] <= result.upper[4] + 1e-9).all())
    assert bool((result.distance[4] >= result.lower[4] - 1e-9).all())
    assert result.separable_sphere[4].shape == result.entropy.shape == result.critical.shape == (2, 4)
    by_value = SoftmaxLimits(SoftmaxLimitsConfig(top_n=[4], tokens="value"))(tiny_model("gpt2"), {"input_ids": ids})
    assert not torch.allclose(by_value.distance[4], result.distance[4])
    curves = probe.sweep_length(tiny_model("gpt2"), ids, [5, 10, 20])
    assert set(curves) == {5, 10, 20}
    with pytest.raises(zoo.InputError, match="exceeds"):
        SoftmaxLimits(SoftmaxLimitsConfig(top_n=[50]))(tiny_model("gpt2"), {"input_ids": ids})
    text = " ".join(f"w{index}" for index in range(3, 23))
    from_text = probe(tiny_model("gpt2"), text, tiny_tokenizer())
    from_ids = probe(tiny_model("gpt2"), {"input_ids": torch.arange(3, 23)[None]})
    assert torch.equal(from_text.distance[4], from_ids.distance[4])


def test_finite_differences_agree_with_the_jacobian():
    logits, _ = rows(3)
    found = gradient_sensitivity(logits, [1.0])[1.0]
    assert found["finite difference"] <= found["spectral"] + 1e-6
    with pytest.raises(zoo.InputError, match="is not one of"):
        normalise(logits, "hardmax")
    with pytest.raises(zoo.InputError, match="not between"):
        select(normalise(logits), torch.ones(12, 2), 13)


def test_supports_that_are_not_taken_have_no_gradient():
    # The support of four has a spread of exactly 1, whose square root of 0 has an infinite slope.
    scores = torch.tensor([0.0, 0.0, -2.0, -2.0], dtype=torch.float64, requires_grad=True)
    weights = entmax15(scores)
    torch.testing.assert_close(weights, torch.tensor([0.5, 0.5, 0.0, 0.0], dtype=torch.float64))
    (gradient,) = torch.autograd.grad(weights[0], scores)
    slope = math.sqrt(0.5) / 2
    assert gradient.tolist() == pytest.approx([slope, -slope, 0.0, 0.0])


def test_self_adjusted_rows_have_finite_gradients_in_half_precision():
    target = catalogue.current().find("softmax-limits-attention")
    causal = next(
        form for form in forms(target.offer.entry, causal=True) if form.instance.normaliser == "self-adjusted-softmax"
    )
    layer, x = stir(causal.module), causal.inputs["x"]
    with torch.autocast("cpu", torch.float16):
        output = layer(x)
    gradients = torch.autograd.grad(scalar([output]), list(layer.parameters()))
    assert all(gradient.isfinite().all() for gradient in gradients)
