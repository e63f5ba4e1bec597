from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import zoo
from zoo_sequence.pavlovian_attention.conditioning import Conditioning
from zoo_sequence.pavlovian_attention.config import (
    RULES,
    CapacityConfig,
    ConditioningConfig,
    MemoryConfig,
    PavlovianConfig,
    PavlovianLanguageModelConfig,
)
from zoo_sequence.pavlovian_attention.conversion import replay
from zoo_sequence.pavlovian_attention.layer import PavlovianAttention
from zoo_sequence.pavlovian_attention.memory import AssociativeMemory
from zoo_sequence.pavlovian_attention.rules import Plasticity, recurrent
from zoo_sequence.pavlovian_attention.storage import (
    Capacity,
    capacity,
    error_through_depth,
    majority_error,
    memory_system,
    reliability,
    required_heads,
)
from zoo_sequence.pavlovian_attention.training import recall_accuracy, recall_batch


def projected(length: int, seed: int = 0):
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(2, 2, length, 6, generator=generator, dtype=torch.float64) for _ in range(3))


@settings(max_examples=20, deadline=None)
@given(
    rule=st.sampled_from(["hebb", "decay", "delta"]),
    length=st.integers(1, 200),
    read_first=st.booleans(),
    seed=st.integers(0, 100),
)
def test_chunked_forms_are_the_recurrence(rule, length, read_first, seed):
    layer = PavlovianAttention(PavlovianConfig(12, 2, rule=rule, read_first=read_first)).double()
    query, key, value = projected(length, seed)
    decay = 0.0 if layer.decay_logit is None else layer.decay_logit.sigmoid()
    expected, _ = recurrent(
        Plasticity(rule, layer.log_eta.exp(), decay),
        torch.nn.functional.normalize(query, dim=-1),
        torch.nn.functional.normalize(key, dim=-1),
        value,
        read_first=read_first,
    )
    torch.testing.assert_close(layer.respond(query, key, value, None), expected, atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize("rule", [*RULES, "softmax"])
def test_hidden_tokens_are_not_written(rule):
    torch.manual_seed(0)
    layer = PavlovianAttention(PavlovianConfig(16, 2, rule=rule, eta=0.1)).eval()
    x = torch.randn(2, 9, 16)
    mask = torch.ones(2, 9, dtype=torch.bool)
    mask[0, 3:5] = False
    kept = [0, 1, 2, 5, 6, 7, 8]
    with torch.no_grad():
        torch.testing.assert_close(layer(x, mask)[:1, kept], layer(x[:1, kept]), atol=1e-6, rtol=1e-5)


def test_gradients_are_right_in_float64():
    query, key, value = (tensor[:1, :1, :5].clone().requires_grad_() for tensor in projected(5))
    for rule in ("hebb", "decay", "delta"):
        layer = PavlovianAttention(PavlovianConfig(6, 1, rule=rule)).double()
        assert torch.autograd.gradcheck(lambda q, k, v, layer=layer: layer.respond(q, k, v, None), (query, key, value))


def test_protocols_of_conditioning():
    protocols = Conditioning(ConditioningConfig(eta=0.2))
    delta = protocols.run(lambda: protocols.memory("delta"))
    hebb = protocols.run(lambda: protocols.memory("hebb"))
    assert delta["acquisition"] == pytest.approx(1 - 0.8**20, abs=1e-5)
    assert hebb["acquisition"] == pytest.approx(4.0, abs=1e-5)
    assert delta["extinction"] == pytest.approx((1 - 0.8**20) * 0.8**20, abs=1e-5)
    assert hebb["extinction"] == pytest.approx(4.0, abs=1e-5)
    assert delta["overshadowing"] == pytest.approx(0.5, abs=1e-3)
    assert protocols.second_order() == pytest.approx((1 - 0.8**20) ** 2, abs=1e-3)
    decay = protocols.memory("decay")
    curve = protocols.responses(protocols.cases()[1], decay)
    assert curve[-1] == pytest.approx(curve[19] * 0.9**20, rel=1e-4)
    with pytest.raises(zoo.InputError, match="no responses for acquisition"):
        protocols.score({})


def test_theory_of_capacity_and_depth():
    assert capacity(64, snr=4) == 17
    assert majority_error(0.2, 1) == pytest.approx(0.2)
    assert majority_error(0.2, 2) == pytest.approx(0.04 + 0.5 * 0.32)
    assert majority_error(0.2, 101) < 1e-9
    heads = required_heads(0.3, 12, 0.99)
    assert reliability(0.3, heads, 12) >= 0.99
    assert error_through_depth(3, 17, 4, 64)[-1] == pytest.approx(3 * 0.25)
    with pytest.raises(zoo.InputError):
        required_heads(0.5, 12, 0.99)


def test_a_memory_remembers_until_it_forgets(tmp_path):
    memory = AssociativeMemory(MemoryConfig(8, 3, rule="delta", eta=1.0))
    keys, values = torch.eye(8)[:5], torch.randn(5, 3)
    memory.write(keys, values)
    torch.testing.assert_close(memory.read(keys), values)
    memory.reset()
    assert not memory.read(keys).any()
    with pytest.raises(zoo.InputError, match="expected"):
        memory.write(keys, values[:, :2])


@pytest.mark.parametrize("noise", [0.0, 0.5])
def test_the_capacity_experiment_measures_what_theory_says(noise):
    task = Capacity(CapacityConfig(pairs=[4, 16, 64], query_noise=noise, trials=40))
    hebb = task.run(memory_system(Plasticity("hebb")))
    for pairs in (4, 16, 64):
        assert hebb[f"error at {pairs}"] == pytest.approx(hebb[f"theory at {pairs}"], rel=0.1)
    assert hebb["recall at 4"] > 0.95
    assert hebb["recall at 4"] >= hebb["recall at 64"]
    delta = task.run(memory_system(Plasticity("delta", 1.0), presentations=10))
    assert delta["error at 4"] < (1e-4 if noise == 0 else hebb["error at 4"])
    with pytest.raises(zoo.InputError, match="answers for 3 cases"):
        task.score([])
    with pytest.raises(zoo.InputError, match="responses of shape"):
        task.run(lambda keys, values, queries: queries[:, :1])


def test_the_delta_rule_overwrites_whatever_the_size_of_keys():
    layer = PavlovianAttention(PavlovianConfig(6, 1, rule="delta", normalize=False, eta=1.0)).double()
    query, key, value = (tensor[:1, :1] for tensor in projected(30))
    # Just written and asked for: the response to k_t is v_t, however long k_t.
    torch.testing.assert_close(layer.respond(7 * key, 7 * key, value, None), value)
    long = layer.respond(query, 1000 * key, value, None)
    torch.testing.assert_close(long, layer.respond(query / 1000, key, value, None))


@settings(max_examples=30, deadline=None)
@given(rule=st.sampled_from(["hebb", "decay", "delta"]), read_first=st.booleans(), seed=st.integers(0, 50))
def test_chunks_with_hidden_tokens_are_the_recurrence(rule, read_first, seed):
    layer = PavlovianAttention(PavlovianConfig(12, 2, rule=rule, read_first=read_first)).double()
    query, key, value = projected(150, seed)
    visible = torch.rand(2, 150, generator=torch.Generator().manual_seed(seed)) < 0.6
    found = layer.respond(query, key, value, visible)
    expected, _ = recurrent(
        Plasticity(rule, layer.log_eta.exp(), 0.0 if layer.decay_logit is None else layer.decay_logit.sigmoid()),
        torch.nn.functional.normalize(query, dim=-1),
        torch.nn.functional.normalize(key, dim=-1),
        value,
        visible=visible[:, None].expand(2, 2, 150),
        read_first=read_first,
    )
    torch.testing.assert_close(found, expected, atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize("steps", [1, 13])
def test_recordings_of_other_sizes_replay(steps):
    generator = torch.Generator().manual_seed(0)
    inputs = {name: torch.randn(steps, 3, generator=generator, dtype=torch.float64) / 3 for name in ("k", "q")}
    inputs["v"] = torch.randn(steps, 7, generator=generator, dtype=torch.float64)
    config = {"eta": 0.7, "decay": 0.5, "oja_alpha": 1.2, "bcm_rho": 0.9}
    found = replay("rules", config, {}, {}, inputs)
    key, value = inputs["k"][0], inputs["v"][0]
    if steps == 1:
        for rule in ("hebb", "decay", "oja", "delta"):
            torch.testing.assert_close(found[f"{rule}_state"], 0.7 * value[:, None] * key)
        active = 0.7 * value * (value - 0.9 * value.square())
        torch.testing.assert_close(found["bcm_state"], active[:, None] * key)
    assert all(tensor.isfinite().all() for tensor in found.values())


def test_sizes_of_the_language_models():
    def count(layers, dim, heads, head_dim, *, decays=0):
        inner = heads * head_dim
        block = 4 * dim * inner + heads + 4 * dim + 2 * 4 * dim**2 + 5 * dim
        return (64 + 128 + 64) * dim + layers * block + decays * heads + 2 * dim

    assert zoo.info("pavlovian-lm/tiny").parameters == count(2, 32, 2, 16)
    assert zoo.info("pavlovian-lm/small").parameters == count(6, 384, 6, 64)
    mixed = zoo.info("pavlovian-lm/tiny", head_dim=8, rules=["decay", "hebb"])
    assert mixed.parameters == count(2, 32, 2, 8, decays=1)


def test_the_bundled_language_model_recalls():
    model = zoo.load("pavlovian-attention-lm/recall")
    config = PavlovianLanguageModelConfig()
    found = recall_accuracy(model, config, torch.Generator().manual_seed(1))
    assert found["recall of 2"] > 0.95
    assert found["recall of 4"] > 0.9
    assert found["recall of 8"] > 0.75
    # Beyond the key size of a head there is only what fits.
    assert found["recall of 32"] < found["recall of 16"] < found["recall of 8"]
    with pytest.raises(zoo.InputError, match="33 pairs"):
        recall_batch(config, 1, torch.Generator(), 33)


def test_options_without_a_state_to_act_on_are_refused():
    with pytest.raises(zoo.ConfigError, match="keeps no state"):
        zoo.load("pavlovian-attention", rule="softmax", read_first=True)
    layers = zoo.load("pavlovian-lm/tiny", rules=["softmax", "delta"], features="elu+1", eta=0.3, weights=None).blocks
    assert [block.attn.config.features for block in layers] == ["identity", "elu+1"]
    assert float(layers[1].attn.log_eta[0].detach().exp()) == pytest.approx(0.3)


def test_bidirectional_use_is_refused():
    with pytest.raises(zoo.ConfigError, match="depends on what came before"):
        zoo.load("pavlovian-attention", causal=False)
    with pytest.raises(zoo.ConfigError, match="3 rules for 2 layers"):
        zoo.load("pavlovian-attention-lm", rules=["hebb", "delta", "oja"])
    with pytest.raises(zoo.InputError, match="positions end at"):
        zoo.load("pavlovian-attention-lm/tiny")(torch.zeros(1, 129, dtype=torch.long))


def test_padding_before_the_first_token_leaves_gradients_finite_with_a_normaliser():
    torch.manual_seed(0)
    layer = PavlovianAttention(PavlovianConfig(features="elu+1", normalizer=True))
    mask = torch.ones(2, 7, dtype=torch.bool)
    mask[0, :3] = False
    x = torch.randn(2, 7, 32, requires_grad=True)
    layer(x, mask).square().sum().backward()
    assert x.grad.isfinite().all()
    assert all(parameter.grad.isfinite().all() for parameter in layer.parameters())


def test_the_language_model_has_a_loss_and_generates_like_any_other():
    model = zoo.load("pavlovian-attention-lm/tiny", weights=None)
    ids = torch.randint(64, (2, 9), generator=torch.Generator().manual_seed(0))
    expected = torch.nn.functional.cross_entropy(model(ids[:, :-1]).flatten(0, 1), ids[:, 1:].flatten())
    torch.testing.assert_close(model.loss(ids), expected)
    longer = model.generate(ids, 3)
    assert longer.shape == (2, 12)
    assert torch.equal(longer[:, 9], model(ids)[:, -1].argmax(-1))


@pytest.mark.parametrize("rule", ["oja", "bcm"])
def test_rules_that_run_token_by_token_say_that_a_program_would_hold_one_length(rule: str) -> None:
    layer = zoo.load("pavlovian-attention", dim=8, num_heads=2, rule=rule)
    with pytest.raises(zoo.ConfigError, match="one token after the other"):
        torch.export.export(layer, (torch.randn(2, 5, 8),))


def test_onnx_refuses_the_triangular_systems_of_the_delta_rule() -> None:
    pytest.importorskip("onnxscript")
    layer = zoo.load("pavlovian-attention", dim=8, num_heads=2, rule="delta")
    with pytest.raises(torch.onnx.errors.OnnxExporterError) as caught:
        torch.onnx.export(layer, (torch.randn(2, 5, 8),), dynamo=True, verbose=False)
    first: BaseException = caught.value
    while first.__cause__ is not None:
        first = first.__cause__
    assert isinstance(first, zoo.ConfigError)
    assert "triangular systems" in str(first)
