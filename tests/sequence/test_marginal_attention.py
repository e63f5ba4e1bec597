from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import zoo
from zoo_sequence.marginal_attention.config import (
    POTENTIALS,
    PRIORS,
    IterativeAttentionConfig,
    StructuralAttentionConfig,
)
from zoo_sequence.marginal_attention.conversion import convert
from zoo_sequence.marginal_attention.edges import Edges, expanding, multihop, posterior
from zoo_sequence.marginal_attention.iterative import IterativeAttention, hopfield_energy, hopfield_step, slot_step
from zoo_sequence.marginal_attention.layer import StructuralAttention, structural_attention

SETTINGS = st.fixed_dictionaries(
    {
        "prior": st.sampled_from(PRIORS),
        "potential": st.sampled_from(POTENTIALS),
        "causal": st.booleans(),
        "value": st.sampled_from(["parent", "multihop"]),
    }
)


def layer_of(**changes) -> StructuralAttention:
    torch.manual_seed(0)
    if changes.get("prior") == "expanding":
        changes["causal"] = True
    layer = StructuralAttention(StructuralAttentionConfig(8, 2, window=2, **changes)).double()
    if layer.log_prior is not None:
        torch.nn.init.normal_(layer.log_prior)
    return layer


@settings(max_examples=60, deadline=None)
@given(changes=SETTINGS, masked=st.sampled_from(["none", "padding", "edges"]), length=st.sampled_from([1, 7, 40]))
def test_no_path_changes_the_expectation(changes, masked, length):
    layer = layer_of(**changes)
    generator = torch.Generator().manual_seed(length)
    x = torch.randn(2, length, 8, generator=generator, dtype=torch.float64)
    mask = None
    if masked == "padding":
        mask = torch.rand(2, length, generator=generator) < 0.7
    elif masked == "edges":
        mask = torch.rand(2, length, length, generator=generator) < 0.5
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("zoo_sequence.marginal_attention.edges.BLOCK", 16)
        found, weights = layer(x, mask, return_posterior=True)
    projections = [projection for projection in (layer.v_proj, layer.v2_proj) if projection is not None]
    values = [projection(x).unflatten(-1, (2, 4)).transpose(1, 2) for projection in projections]
    expected = multihop(weights, *values, 1.0) if len(values) == 2 else weights @ values[0]
    torch.testing.assert_close(found, layer.out_proj(expected.transpose(1, 2).flatten(2)))
    if mask is not None:
        visible = mask[:, None, None, :] if masked == "padding" else mask[:, None]
        assert not weights.masked_select(~visible.expand_as(weights)).any()


@pytest.mark.parametrize("prior", PRIORS)
@pytest.mark.parametrize("potential", POTENTIALS)
def test_gradients_are_right_in_float64(prior, potential):
    layer = layer_of(prior=prior, potential=potential, causal=True)
    x = torch.randn(1, 4, 8, dtype=torch.float64, requires_grad=True)
    mask = torch.tensor([[False, True, True, True]])
    assert torch.autograd.gradcheck(lambda x: layer(x, mask), x)


@settings(max_examples=30, deadline=None)
@given(prior=st.sampled_from(PRIORS), potential=st.sampled_from(POTENTIALS), causal=st.booleans())
def test_posteriors_are_distributions_over_visible_parents(prior, potential, causal):
    causal = causal or prior == "expanding"
    layer = layer_of(prior=prior, potential=potential, causal=causal).float()
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
    assert float(weights[0, :, 2, 2].detach().min()) == pytest.approx(1.0)
    assert float(weights[0, :, 0, 2:].detach().max()) == 0.0


def test_hard_choices_are_one_hot():
    torch.manual_seed(0)
    for hard in ("map", "sample"):
        layer = StructuralAttention(StructuralAttentionConfig(8, 2, hard=hard))
        _, weights = layer(torch.randn(2, 5, 8), return_posterior=True)
        torch.testing.assert_close(weights.amax(-1), torch.ones(2, 2, 5))


def test_the_expanding_prior_learns_how_far_to_look():
    near, far = torch.zeros(20, 20), torch.zeros(20, 20)
    near[-1, -1], far[-1, 2] = 8.0, 8.0
    lag = torch.arange(20)[:, None] - torch.arange(20)
    rates = [float(expanding(scores, lag, 1.0, 9.0, 5).rate[-1]) for scores in (near, far)]
    assert rates[0] > rates[1]


def test_reading_stops_early_and_bounds_the_rest():
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(1, 200, generator=generator)
    lag = torch.arange(199, -1, -1)[None]
    largest = scores.amax(-1)
    full = expanding(scores, lag, 1.0, 9.0, 1)
    short = expanding(scores, lag, 1.0, 9.0, 1, largest=largest, epsilon=1e-3)
    assert int(short.window) < int(full.window) == 200
    assert bool(short.settled)
    assert not bool(full.settled)
    assert float((short.weights - full.weights).abs().sum()) <= 2e-3
    read = short.weights[0, 200 - int(short.window) :]
    assert bool((read > 0).all())
    assert float(read.sum()) == pytest.approx(1.0)
    # One distance less, and the bound would not have held.
    joint = (0.1 * 0.9**lag * scores.exp())[0].flip(0)
    evidence = joint.cumsum(0)
    stop = next(w for w in range(200) if 0.9 ** (w + 1) * float(largest.exp()) < 1e-3 * float(evidence[w]))
    assert int(short.window) == stop + 1


def test_long_inputs_read_windows_that_depend_on_nothing_else():
    torch.manual_seed(0)
    layer = StructuralAttention(StructuralAttentionConfig(16, 2, causal=True, prior="expanding"))
    x = torch.randn(2, 700, 16)
    with torch.no_grad():
        together, alone = layer(x), layer(x[:1])
        torch.testing.assert_close(together[:1], alone)
        torch.testing.assert_close(layer(x[:, :300]), together[:, :300])
        padding = torch.ones(2, 700, dtype=torch.bool)
        padding[:, 400:500] = False
        changed = x + 50 * ~padding[..., None]
        torch.testing.assert_close(layer(x, padding)[padding], layer(changed, padding)[padding])
        exact = StructuralAttention(StructuralAttentionConfig(16, 2, causal=True, prior="expanding", epsilon=0.0))
        exact.load_state_dict(layer.state_dict())
        assert float((exact(x) - together).norm() / together.norm()) < 5e-3
    query = key = torch.randn(1, 1, 1000, 4)
    keys = [keys for _, keys, _ in Edges(query, key, None, True, 0.5, layer.config).blocks()]
    assert max(part.stop - part.start for part in keys) < 1000


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
        zoo.load("marginal-attention", prior="expanding")
    parts = [torch.randn(1, 2, 3, 4) for _ in range(3)]
    for changes in ({"prior": "table"}, {"value": "multihop"}):
        config = StructuralAttentionConfig(8, 2, **changes)
        with pytest.raises(zoo.ConfigError, match="only the layer has them"):
            structural_attention(*parts, causal=False, scale=0.5, config=config)
    config = StructuralAttentionConfig(8, 2, causal=True, prior="expanding")
    with pytest.raises(zoo.ConfigError, match="needs causal attention"):
        structural_attention(*parts, causal=False, scale=0.5, config=config)
    with pytest.raises(zoo.InputError, match="takes no context"):
        zoo.load("marginal-attention/multihop")(torch.randn(1, 3, 32), context=torch.randn(1, 4, 32))
    with pytest.raises(zoo.InputError, match="max_length=4"):
        zoo.load("marginal-attention", prior="table", max_length=4)(torch.randn(1, 5, 32))


def test_iterations_climb_what_they_marginalise():
    generator = torch.Generator().manual_seed(0)
    patterns = torch.randn(5, 4, generator=generator, dtype=torch.float64)
    state = torch.randn(4, generator=generator, dtype=torch.float64).requires_grad_()
    (slope,) = torch.autograd.grad(hopfield_energy(state, patterns, 2.0), state)
    torch.testing.assert_close(hopfield_step(state, patterns, 2.0), state - slope)
    torch.manual_seed(0)
    layer = IterativeAttention(IterativeAttentionConfig("pcn", dim=4, num_slots=3, step=0.01)).double()
    torch.nn.init.normal_(layer.log_scale)
    torch.nn.init.normal_(layer.log_prior)
    inputs, z = torch.randn(2, 6, 4).double(), torch.randn(2, 4).double().requires_grad_()
    (slope,) = torch.autograd.grad(layer.log_likelihood(inputs, z).sum(), z)
    torch.testing.assert_close(layer.update(inputs, z), z + 0.01 * slope)


def test_any_multi_head_attention_converts():
    torch.manual_seed(0)
    theirs = torch.nn.MultiheadAttention(8, 2, batch_first=True).eval()
    torch.nn.init.normal_(theirs.in_proj_bias)
    ours = StructuralAttention(StructuralAttentionConfig(8, 2, bias=True))
    zoo.fill(ours, convert(theirs.state_dict(), ours.config))
    x = torch.randn(2, 5, 8)
    torch.testing.assert_close(ours(x), theirs(x, x, x, need_weights=False)[0])
    own = ours.state_dict()
    assert convert(own, ours.config).keys() == own.keys()
    llama = {name.replace("out_proj", "o_proj"): tensor for name, tensor in own.items()}
    assert convert(llama, ours.config).keys() == own.keys()


def test_a_context_has_its_own_length():
    torch.manual_seed(0)
    x, context = torch.randn(2, 3, 8), torch.randn(2, 5, 8)
    for prior in PRIORS:
        layer = layer_of(prior=prior).float()
        for queries, parents in ((x, context), (context, x)):
            output, weights = layer(queries, context=parents, return_posterior=True)
            assert output.shape == queries.shape
            assert weights.shape == (2, 2, queries.shape[1], parents.shape[1])
            assert bool(output.isfinite().all())


@pytest.mark.parametrize("prior", ["uniform", "alibi", "expanding"])
def test_compiles_whole(prior: str):
    layer = StructuralAttention(StructuralAttentionConfig(causal=True, prior=prior)).eval()
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    x = torch.randn(2, 9, 32)
    torch.testing.assert_close(compiled(x), layer(x))
