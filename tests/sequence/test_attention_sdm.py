from __future__ import annotations

from itertools import product

import pytest
import torch

import zoo
from zoo.bridges.transformers.maps import queries_keys_values
from zoo.bridges.transformers.tiny import tiny_model
from zoo_sequence.attention_sdm.config import CriticalDistanceConfig, MemoryConfig, ProbeConfig
from zoo_sequence.attention_sdm.conversion import replay
from zoo_sequence.attention_sdm.critical_distance import CriticalDistance, retrieval
from zoo_sequence.attention_sdm.intersections import (
    ball_intersections,
    cap_intersection,
    fit_beta,
    fraction_of_radius,
    hamming_from_cosine,
    radius_of_beta,
    radius_of_fraction,
)
from zoo_sequence.attention_sdm.memory import RetrievalProjection, SparseDistributedMemory
from zoo_sequence.attention_sdm.probe import BetaProbe, probe_example


@pytest.mark.parametrize(("n", "radius"), [(8, 3), (9, 4), (10, 2)])
def test_intersections_are_counted_exactly(n, radius):
    points = list(product((0, 1), repeat=n))
    for distance in range(n + 1):
        other = (1,) * distance + (0,) * (n - distance)
        count = sum(
            sum(point) <= radius and sum(a != b for a, b in zip(point, other, strict=True)) <= radius
            for point in points
        )
        assert ball_intersections(n, radius)[distance] == count


def test_caps_that_do_not_meet_and_caps_that_coincide():
    full = cap_intersection(64, 11, 1.0, torch.tensor([1.0, -1.0]))
    assert full[1] == 0
    generator = torch.Generator().manual_seed(0)
    points = torch.nn.functional.normalize(torch.randn(400_000, 6, generator=generator), dim=1)
    share = float((points[:, 0] >= 1 - 2 * 2 / 6).float().mean())
    assert float(cap_intersection(6, 2, 1.0, torch.tensor([1.0]))[0]) == pytest.approx(share, rel=0.02)
    second = (points[:, 0] * 0.8 + points[:, 1] * 0.6 >= 1 / 3) & (points[:, 0] >= 1 / 3)
    both = float(second.float().mean())
    assert float(cap_intersection(6, 2, 1.0, torch.tensor([0.8]))[0]) == pytest.approx(both, rel=0.03)


def test_estimators_differ_by_the_named_factor():
    reference, ours = fit_beta(64, 11)[0], fit_beta(64, 11, estimator="least-squares")[0]
    assert reference == pytest.approx(ours * 11 / 10)
    assert radius_of_beta(ours, 64) == 11


def test_conversions():
    assert hamming_from_cosine(torch.tensor([1.0, 0.0, -1.0]), 64).tolist() == [0, 32, 64]
    assert radius_of_fraction(1000, 1e-3) == 451
    assert fraction_of_radius(1000, 451) == pytest.approx(1e-3, rel=0.1)


@pytest.mark.parametrize("form", ["neurons", "intersection", "attention"])
def test_every_form_cleans_up_noise(form):
    memory = SparseDistributedMemory(MemoryConfig(64, 20_000, 24, form=form, max_steps=3))
    generator = torch.Generator().manual_seed(1)
    patterns = torch.randint(2, (64, 8), generator=generator).float()
    memory.write(patterns)
    noisy = patterns.clone()
    noisy[:4] = 1 - noisy[:4]
    assert float((memory(noisy.T) == patterns.T).float().mean()) > 0.99
    task = CriticalDistance(CriticalDistanceConfig(num_patterns=8, trials=8))
    assert task.run(retrieval(memory.config))["critical_distance"] > 6
    assert task.run(lambda patterns, queries: queries)["critical_distance"] == 0
    with pytest.raises(zoo.InputError, match="answers for 31 cases"):
        task.score([])


def test_a_query_out_of_reach_comes_back_unchanged():
    memory = SparseDistributedMemory(MemoryConfig(64, 1000, 5))
    memory.write(torch.zeros(64, 1))
    far = torch.ones(1, 64)
    assert torch.equal(memory(far), far)
    with pytest.raises(zoo.InputError, match="expected"):
        memory.write(torch.zeros(32, 1))
    with pytest.raises(zoo.ConfigError, match="binary addresses"):
        zoo.load("attention-sdm-memory", form="neurons", continuous=True)


def test_continuous_memory_converges_to_a_stored_direction():
    generator = torch.Generator().manual_seed(0)
    patterns = torch.nn.functional.normalize(torch.randn(64, 10, generator=generator), dim=0)
    memory = SparseDistributedMemory(MemoryConfig(64, 10**6, 11, form="attention", continuous=True, max_steps=20))
    memory.write(patterns)
    query = torch.nn.functional.normalize(patterns[:, :1] + 0.05 * torch.randn(64, 1, generator=generator), dim=0)
    assert float(torch.cosine_similarity(memory(query.T), patterns[:, :1].T)) > 0.99


def test_every_query_settles_by_itself():
    generator = torch.Generator().manual_seed(0)
    patterns = torch.nn.functional.normalize(torch.randn(64, 10, generator=generator), dim=0)
    options = {"form": "attention", "continuous": True, "max_steps": 20, "epsilon": 0.05}
    memory = SparseDistributedMemory(MemoryConfig(64, 10**6, 20, **options))
    memory.write(patterns)
    queries = torch.nn.functional.normalize(torch.randn(6, 64, generator=generator), dim=1)
    queries[0] = patterns[:, 0]
    alone = torch.cat([memory(query) for query in queries.split(1)])
    torch.testing.assert_close(memory(queries), alone)
    assert memory(queries[:0]).shape == (0, 64)


@pytest.mark.parametrize("options", [{}, {"form": "attention"}, {"form": "neurons", "neurons": 500}, {"max_steps": 4}])
def test_a_memory_is_traced_with_what_it_holds(options):
    memory = SparseDistributedMemory(MemoryConfig(**{"n": 64, "neurons": 10**6, "radius": 20, **options}))
    generator = torch.Generator().manual_seed(1)
    patterns = torch.randint(2, (64, 12), generator=generator).float()
    memory.write(patterns)
    noisy = patterns.T.clone()
    noisy[:, :6] = 1 - noisy[:, :6]
    shapes = {"queries": {0: torch.export.Dim.DYNAMIC}}
    program = torch.export.export(memory, (), {"queries": noisy[:5].clone()}, dynamic_shapes=shapes).module()
    torch.testing.assert_close(program(queries=noisy), memory(noisy))
    for refused in ({"finite_neurons": True}, {"continuous": True}):
        odd = SparseDistributedMemory(MemoryConfig(64, 10**6, 20, **refused))
        with pytest.raises(zoo.InputError, match=r"no program|for a program"):
            torch.export.export(odd, (noisy,))


def test_the_probe_measures_norms():
    case = probe_example(ProbeConfig())
    result = BetaProbe(ProbeConfig())(**case)
    assert result.mean.shape == (2, 4)
    assert bool((result.largest >= result.mean).all())
    last = BetaProbe(ProbeConfig(positions="last"))(**case)
    assert bool((last.largest <= result.largest + 1e-6).all())
    assert result.head_dim == 16
    assert bool((result.largest_logit <= result.largest).all())
    query, key, _ = queries_keys_values(**case)[1]
    beta = query[:, 2].norm(dim=-1)[:, :, None] * key[:, 2].norm(dim=-1)[:, None] / 4
    assert float(result.mean[1, 2]) == pytest.approx(float(beta.mean()), rel=1e-5)
    assert float(result.largest[1, 2]) == pytest.approx(float(beta.max()), rel=1e-5)
    padded = {**case["inputs"], "attention_mask": torch.zeros(2, 20, dtype=torch.long)}
    with pytest.raises(zoo.InputError, match="padded"):
        BetaProbe(ProbeConfig())(case["model"], padded)
    with pytest.raises(zoo.InputError, match="too small"):
        BetaProbe(ProbeConfig())(tiny_model("gpt2", n_embd=16), {"input_ids": torch.arange(6)[None]})


def test_the_learned_scale_of_normalised_queries_and_keys_is_beta():
    transformers = pytest.importorskip("transformers")
    config = transformers.Qwen3Config(
        vocab_size=50,
        hidden_size=32,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
    )
    model = transformers.Qwen3Model(config).eval()
    attention = model.layers[0].self_attn
    torch.nn.init.constant_(attention.q_norm.weight, 3.0)
    torch.nn.init.constant_(attention.k_norm.weight, 2.0)
    result = BetaProbe(ProbeConfig())(model, {"input_ids": torch.arange(10)[None]})
    # Root mean square 3 and 2 over 8 features: |q| |k| / sqrt(8) = 3 sqrt(8).
    torch.testing.assert_close(result.mean, torch.full((1, 4), 6 * 8**0.5), rtol=1e-3, atol=0)


@pytest.mark.parametrize(("n", "neurons", "radii", "step"), [(24, 5e5, [4, 7], 7), (1100, 10**6, [430], 470)])
def test_recordings_of_other_sizes_replay(n, neurons, radii, step):
    generator = torch.Generator().manual_seed(0)
    patterns = torch.randint(2, (n, 5), generator=generator)
    inputs = {
        "distances": torch.arange(n + 1),
        "cosines": torch.tensor([1.0, 0.5, -1.0]).double(),
        "patterns": patterns,
        "queries": patterns[:, :2],
    }
    config = {"n": n, "r": neurons, "radii": radii, "step_radius": step}
    found = replay("sdm", config, {}, {}, inputs)
    assert bool(found[f"intersection_d{radii[0]}"].isfinite().all())
    assert torch.equal(found["binary_sdm_step"], patterns[:, :2].int())
    assert "continuous_attention_step" not in found
    with pytest.raises(zoo.InputError, match="there is: sdm"):
        replay("memory", config, {}, {}, inputs)


def test_fits_that_do_not_exist_are_refused():
    with pytest.raises(zoo.InputError, match="no two distances"):
        fit_beta(64, 1)
    with pytest.raises(zoo.ConfigError, match="no two distances"):
        zoo.load("sdm", radius=1, form="attention")
    with pytest.raises(zoo.ConfigError, match="half of the sphere"):
        zoo.load("sdm", radius=40, continuous=True)
    with pytest.raises(zoo.InputError, match="half of the sphere"):
        cap_intersection(64, 40, 1.0, torch.ones(1))


def test_a_learned_projection_trains():
    torch.manual_seed(0)
    patterns = torch.nn.functional.normalize(torch.rand(12, 20), dim=1)
    model = RetrievalProjection(20, 8, lambda cosines: torch.exp(8 * cosines))
    queries = patterns + 0.1 * torch.randn_like(patterns)
    before = model.loss(patterns, queries, patterns)
    optimizer = torch.optim.Adam(model.parameters(), 0.02)
    for _ in range(60):
        optimizer.zero_grad()
        model.loss(patterns, queries, patterns).backward()
        optimizer.step()
    assert model.loss(patterns, queries, patterns).item() < 0.7 * before.item()
