from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import zoo
from zoo import catalogue
from zoo.nn.sparse_softmax import constrained_sparsemax, entmax15, sparsemax
from zoo_evaluate.attention_taxonomy.config import AttentionCoreConfig
from zoo_evaluate.attention_taxonomy.core import AttentionCore
from zoo_evaluate.attention_taxonomy.examples import EXAMPLES
from zoo_evaluate.attention_taxonomy.records import classified, classify, from_dict, record
from zoo_evaluate.attention_taxonomy.tables import filter_records, nearest, render, table
from zoo_evaluate.attention_taxonomy.terms import AXES, FIELDS

AXIS_VALUES = {"sequences": "self", "abstraction": "single-level", "positions": "soft", "representations": "single"}


def test_the_tree_holds_every_term():
    tree = zoo.load("attention-taxonomy")
    assert tree.find("multi-level").name == "multi-level"
    assert {node.name for node in tree.children} == set(FIELDS)
    assert "  - co-attention" in tree.render()
    with pytest.raises(zoo.InputError, match="Did you mean 'scaled-dot'"):
        tree.find("scaled dot product")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"positions": None}, "no value on the axis positions"),
        ({"positions": "sft"}, r"positions='sft' .*Did you mean 'soft'"),
        ({"abstraction": ["single-level", "multi-level"]}, "exactly one value"),
        ({"colour": "blue"}, "no field 'colour'"),
        ({"alignment": "additve"}, "Did you mean 'additive'"),
    ],
)
def test_the_validator_names_what_is_wrong(changes, message):
    facts = {name: value for name, value in (AXIS_VALUES | changes).items() if value is not None}
    with pytest.raises(zoo.InputError, match=message):
        record("mine", **facts)


def test_records_round_trip_filter_and_tabulate():
    assert [from_dict(entry.to_dict()) for entry in EXAMPLES] == list(EXAMPLES)
    hard = filter_records(EXAMPLES, positions="hard")
    assert [entry.id for entry in hard] == ["xu-2015"]
    assert {entry.id for entry in filter_records(EXAMPLES, alignment=["dot", "scaled-dot"])} == {
        "luong-2015",
        "vaswani-2017",
    }
    counts = table(EXAMPLES, "sequences", "positions")
    assert counts["distinctive"]["hard"] == 1
    assert nearest(EXAMPLES[0], EXAMPLES)[0][0].id == "xu-2015"
    assert render(EXAMPLES).count("\n") == len(EXAMPLES) + 1
    for call in (
        lambda: filter_records(EXAMPLES, nonsense="x"),
        lambda: table(EXAMPLES, "sequences", "nonsense"),
        lambda: render(EXAMPLES, ["nonsense"]),
    ):
        with pytest.raises(zoo.InputError, match="no field 'nonsense'"):
            call()


def test_tags_that_contradict_each_other_are_no_record():
    tags = ("self", "single-level", "multi-level", "soft", "single")
    offer = catalogue.current().find("moba").offer
    with pytest.raises(zoo.InputError, match="abstraction takes exactly one value"):
        classify(replace(offer, entry=replace(offer.entry, tags=tags)))


def test_every_attention_entry_of_the_catalogue_is_classified():
    records = classified()
    assert {entry.id for entry in records} == {offer.entry.id for offer in zoo.entries(kind="attention")}
    for entry in records:
        assert all(entry.value(axis) for axis in AXES)
    moba = classify(catalogue.current().find("moba").offer)
    assert moba.value("evidence") == ("reference",)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(-20, 20), min_size=1, max_size=8))
def test_sparse_distributions_are_distributions(values):
    scores = torch.tensor(values, dtype=torch.float64)
    for weights in (sparsemax(scores), entmax15(scores), constrained_sparsemax(scores, 1.0)):
        assert float(weights.sum()) == pytest.approx(1.0, abs=1e-7)
        assert bool((weights >= 0).all())
        # Scores closer than rounding share their weight.
        assert weights[scores.argmax()] == weights.max()


@settings(max_examples=60, deadline=None)
@given(values=st.lists(st.floats(-5, 5), min_size=1, max_size=8), bound=st.floats(0.05, 1.0))
def test_bounded_weights_are_the_nearest_ones_within_the_bound(values, bound):
    scores = torch.tensor(values, dtype=torch.float64)
    weights = constrained_sparsemax(scores, bound)
    highest = max(bound, 1 / len(values))
    assert float(weights.sum()) == pytest.approx(1.0, abs=1e-9)
    assert bool((weights >= 0).all() & (weights <= highest + 1e-12).all())
    # A projection z* onto a convex set: (z - z*)'(y - z*) <= 0 for every y of the set.
    for seed in range(5):
        mix = torch.rand(len(values), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        other = constrained_sparsemax(4 * mix, bound)
        assert float((scores - weights) @ (other - weights)) <= 1e-9
    hidden = torch.cat((scores, torch.full((2,), -torch.inf)))
    torch.testing.assert_close(constrained_sparsemax(hidden, bound)[:-2], weights)


def test_gradients_of_bounded_weights():
    scores = torch.tensor([[2.0, 1.7, 0.9, 0.1], [0.3, 0.2, 0.1, 0.0]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda z: constrained_sparsemax(z, 0.45), scores)


@pytest.mark.parametrize("alignment", FIELDS["alignment"])
@pytest.mark.parametrize("distribution", FIELDS["distribution"])
def test_masks_are_obeyed_by_every_combination(alignment, distribution):
    torch.manual_seed(0)
    core = AttentionCore(AttentionCoreConfig(alignment, distribution, window=3)).eval()
    query, key, value = torch.randn(2, 3, 16), torch.randn(2, 5, 16), torch.randn(2, 5, 16)
    mask = torch.tensor([[True, True, True, False, False], [False] * 5])
    context, weights = core(query, key, value, mask)
    assert context.shape == (2, 3, 16)
    assert bool((weights[0, :, 3:] == 0).all())
    assert bool((context[1] == 0).all()), "fully masked rows return zeros"
    changed = core(
        query, torch.where(mask[..., None], key, key + 9), torch.where(mask[..., None], value, value - 9), mask
    )
    torch.testing.assert_close(changed[0], context)
    alone = core(query[:1], key[:1, :3], value[:1, :3])
    torch.testing.assert_close(alone[0], context[:1])
    with pytest.raises(zoo.MaskError):
        core(query, key, value, mask[:, :4])


@pytest.mark.parametrize("distribution", FIELDS["distribution"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_has_finite_gradients_behind_masks(distribution, dtype):
    torch.manual_seed(0)
    core = AttentionCore(AttentionCoreConfig(distribution=distribution, window=3)).to(dtype).train()
    query, key, value = (torch.randn(2, 4, 16, dtype=dtype, requires_grad=True) for _ in range(3))
    mask = torch.tensor([[True, False, False, False], [False] * 4])
    context, weights = core(query, key, value, mask)
    assert context.dtype == weights.dtype == dtype
    context.sum().backward()
    assert all(bool(part.grad.isfinite().all()) for part in (query, key, value))


def test_gates_are_independent():
    torch.manual_seed(0)
    core = AttentionCore(AttentionCoreConfig("general", "bernoulli"))
    query, key, value = torch.randn(2, 3, 16), torch.randn(2, 5, 16), torch.randn(2, 5, 16)
    opened = core.eval()(query, key, value)[1]
    assert torch.equal(opened, (core.energies(query, key) > 0).float())
    context, weights = core.train()(query, key, value)
    assert set(weights.round(decimals=5).unique().tolist()) == {0.0, 1.0}
    context.sum().backward()
    assert float(core.weight.grad.abs().sum()) > 0


@pytest.mark.parametrize("distribution", ["argmax", "sampled"])
def test_hard_attention_is_one_hot_and_trains_straight_through(distribution):
    torch.manual_seed(0)
    core = AttentionCore(AttentionCoreConfig("general", distribution))
    query, key, value = torch.randn(2, 3, 16), torch.randn(2, 5, 16), torch.randn(2, 5, 16)
    context, weights = core.train()(query, key, value)
    torch.testing.assert_close(weights.amax(-1), torch.ones(2, 3))
    context.sum().backward()
    assert float(core.weight.grad.abs().sum()) > 0
    with torch.no_grad():
        assert torch.equal(core.eval()(query, key, value)[1], core(query, key, value)[1])


def test_feature_wise_weights_sum_to_one_over_positions():
    core = AttentionCore(AttentionCoreConfig("additive", feature_wise=True))
    _, weights = core(torch.randn(2, 3, 16), torch.randn(2, 5, 16), torch.randn(2, 5, 16))
    assert weights.shape == (2, 3, 5, 16)
    torch.testing.assert_close(weights.sum(2), torch.ones(2, 3, 16))


def test_configs_that_make_no_sense_are_refused():
    with pytest.raises(zoo.ConfigError, match="dim_q=8 must equal dim_k=16"):
        zoo.load("attention-core", alignment="dot", dim_q=8)
    with pytest.raises(zoo.ConfigError, match="needs a width"):
        zoo.load("attention-taxonomy-core", distribution="gaussian-window")
    with pytest.raises(zoo.ConfigError, match="vector of scores"):
        zoo.load("attention-core", feature_wise=True)
