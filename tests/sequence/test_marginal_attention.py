from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import zoo
from zoo_sequence.marginal_attention import (
    PRIORS,
    StructuralAttention,
    StructuralAttentionConfig,
    expanding,
    multihop,
    posterior,
    read_until_certain,
    slot_step,
)


@settings(max_examples=30, deadline=None)
@given(prior=st.sampled_from(PRIORS), potential=st.sampled_from(["dot", "gaussian", "linear"]), causal=st.booleans())
def test_posteriors_are_distributions_over_visible_parents(prior, potential, causal):
    torch.manual_seed(0)
    layer = StructuralAttention(
        StructuralAttentionConfig(8, 2, causal=causal, prior=prior, potential=potential, window=2)
    )
    x = torch.randn(2, 7, 8)
    mask = torch.ones(2, 7, dtype=torch.bool)
    mask[1, 4:] = False
    _, weights = layer(x, mask, return_posterior=True)
    assert bool((weights[1, :, :, 4:] == 0).all())
    total = weights.sum(-1)
    assert bool((total <= 1 + 1e-5).all())
    if prior != "null-parent":
        seen = total[0] if causal or prior != "window" else total[0, :, :5]
        torch.testing.assert_close(seen, torch.ones_like(seen))
    if causal:
        assert weights.triu(1).abs().max().item() == 0


def test_a_graph_is_a_mask():
    torch.manual_seed(0)
    layer = zoo.load("marginal-attention/graph-attention")
    x = torch.randn(1, 5, 32)
    adjacency = torch.eye(5, dtype=torch.bool)
    adjacency[0, 1] = True
    _, weights = layer(x, adjacency[None], return_posterior=True)
    assert float(weights[0, :, 2, 2].min()) == pytest.approx(1.0)
    assert float(weights[0, :, 0, 2:].max()) == 0.0


def test_hard_choices_are_one_hot():
    torch.manual_seed(0)
    for hard in ("map", "sample"):
        layer = StructuralAttention(StructuralAttentionConfig(8, 2, hard=hard))
        _, weights = layer(torch.randn(2, 5, 8), return_posterior=True)
        torch.testing.assert_close(weights.amax(-1), torch.ones(2, 2, 5))


def test_the_expanding_prior_learns_how_far_to_look():
    near, far = torch.zeros(20, 20), torch.zeros(20, 20)
    near[-1, -1], far[-1, 2] = 8.0, 8.0
    rates = [float(expanding(scores, 1.0, 9.0, 5)[1][-1]) for scores in (near, far)]
    assert rates[0] > rates[1]


def test_reading_stops_early_and_bounds_the_rest():
    generator = torch.Generator().manual_seed(0)
    scores, values = torch.randn(200, generator=generator), torch.randn(200, 3, generator=generator)
    short = read_until_certain(scores, values, 0.3, epsilon=1e-3)
    full = read_until_certain(scores, values, 0.3, epsilon=0.0)
    assert short.window < full.window == 200
    assert float((short.output - full.output).norm()) <= 2 * short.bound * float(values.norm(dim=1).max())


def test_multihop_of_a_chain_follows_two_edges():
    weights = torch.zeros(4, 4)
    weights[0, 1] = weights[1, 2] = weights[2, 3] = weights[3, 3] = 1.0
    value = torch.eye(4)
    assert multihop(weights, value, value, 1.0).argmax(-1).tolist()[2] == 3
    torch.testing.assert_close(multihop(weights, value, value, 2.0)[0], torch.tensor([0.0, 1.0, 2.0, 0.0]))
    torch.testing.assert_close(multihop(weights, value, value, 2.0)[3], torch.tensor([0.0, 0.0, 0.0, 3.0]))


def test_a_slot_prior_pulls_towards_the_origin():
    inputs, slots = torch.full((5, 2), 4.0), torch.full((1, 2), 1.0)
    free, pulled = slot_step(inputs, slots, 1.0), slot_step(inputs, slots, 1.0, prior_variance=0.2)
    torch.testing.assert_close(free, torch.full((1, 2), 4.0))
    torch.testing.assert_close(pulled, torch.full((1, 2), 2.0))
    assert posterior(torch.zeros(1, 3), None, torch.zeros(1, 3, dtype=torch.bool)).sum() == 0


def test_what_the_mathematics_excludes_is_refused():
    with pytest.raises(zoo.ConfigError, match="needs causal=True"):
        zoo.load("marginal-attention", expanding=True)
    with pytest.raises(zoo.ConfigError, match="log potentials"):
        zoo.load("marginal-attention/expanding", potential="linear")
    with pytest.raises(zoo.InputError, match="takes no context"):
        zoo.load("marginal-attention/multihop")(torch.randn(1, 3, 32), context=torch.randn(1, 4, 32))
    with pytest.raises(zoo.InputError, match="max_length=4"):
        zoo.load("marginal-attention", prior="table", max_length=4)(torch.randn(1, 5, 32))
