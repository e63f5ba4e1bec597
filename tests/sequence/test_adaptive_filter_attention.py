from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import zoo
from zoo.evidence.replay import read_recording
from zoo_sequence.adaptive_filter_attention.config import (
    AdaptiveFilterConfig,
    FilterNetworkConfig,
    FullFilterConfig,
    NoisyRotationConfig,
)
from zoo_sequence.adaptive_filter_attention.conversion import replay
from zoo_sequence.adaptive_filter_attention.dynamics import Dynamics
from zoo_sequence.adaptive_filter_attention.full import FullAdaptiveFilterAttention
from zoo_sequence.adaptive_filter_attention.layer import AdaptiveFilterAttention
from zoo_sequence.adaptive_filter_attention.network import FilterNetwork
from zoo_sequence.adaptive_filter_attention.rotation import NoisyRotation
from zoo_sequence.adaptive_filter_attention.training import fit

GOLDEN = Path(__file__).parent.parent / "golden" / "adaptive-filter-attention"

OPTIONS = st.fixed_dictionaries(
    {
        "additive_bias": st.sampled_from(["none", "covariance", "lag"]),
        "residual_scale": st.sampled_from(["constant", "covariance", "linear"]),
        "input_norm": st.sampled_from(["none", "all", "query-key"]),
        "residual": st.sampled_from(["none", "add", "precision-gate", "learned-gate"]),
        "robust": st.booleans(),
        "separate_dynamics": st.booleans(),
        "rotate_values": st.booleans(),
        "learn_rotations": st.booleans(),
        "decay": st.booleans(),
        "process_noise": st.booleans(),
        "full_residual": st.booleans(),
        "predict_next": st.booleans(),
    }
)


def layer(seed: int = 0, **options) -> AdaptiveFilterAttention:
    torch.manual_seed(seed)
    return AdaptiveFilterAttention(AdaptiveFilterConfig(**{"dim": 16, "max_length": 12, **options})).double().eval()


def measurements(length: int = 9, seed: int = 0, batch: int = 2):
    return torch.randn(batch, length, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def reference(module: AdaptiveFilterAttention, x: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
    """Every pair on its own, with e^{lambda dt} written out; no rotation to a common origin."""
    config = module.config
    q, k, own = module.q_proj(x), module.k_proj(x), module.v_proj(x)
    q, k, v = module.q_norm(q), module.k_norm(k), module.v_norm(own)
    values = module.dynamics.resolve(x.dtype)
    keys = module.key_dynamics.resolve(x.dtype) if module.key_dynamics else values
    nu, features = module.nu(x.dtype)[:, 0, 0], config.key_features
    latent = torch.zeros_like(v)
    for i in range(x.shape[1]):
        logits = []
        for j in range(i + 1):
            dt = times[i] - times[j]
            carried = k[:, :, j] * (keys.eigenvalues * dt).exp()
            residual = (q[:, :, i] - carried).abs().square().sum(-1)
            if not config.full_residual:
                residual = -2 * (q[:, :, i] * carried.conj()).real.sum(-1)
            covariance = keys.covariance(dt)[:, 0, 0]
            scale = {
                "constant": torch.ones_like(nu),
                "covariance": 1 / (nu * covariance),
                "linear": 1 / (keys.sigma2 * dt + keys.eta2)[:, 0, 0],
            }[config.residual_scale]
            bias = {"none": 0 * nu, "covariance": -covariance.log(), "lag": -nu * dt}[config.additive_bias]
            penalty = scale * residual / features
            penalty = (1 + penalty.clamp(min=1e-6 - 1)).log() if config.robust else penalty
            logits.append(module.tau.square() * (bias - penalty))
        stacked = torch.stack(logits, -1)
        weights = stacked.softmax(-1)
        for j in range(i + 1):
            dt = times[i] - times[j]
            # Without rotation forward the result stays where all values were turned to: the first time.
            turn = dt if config.rotate_values else times[0] - times[j]
            moved = torch.exp(values.mu[:, 0] * dt + 1j * values.omega * turn) * v[:, :, j]
            latent[:, :, i] += weights[..., j, None] * moved
        if config.residual == "add":
            latent[:, :, i] += own[:, :, i]
        elif module.gate is not None:
            prior = torch.nn.functional.softplus(module.gate.prior_raw[..., 0])
            share = 1 / (1 + prior)
            if module.gate.scale is not None:
                precision = stacked.exp().sum(-1)[..., None] ** module.gate.scale[..., 0].square()
                share = precision / (precision + prior)
            latent[:, :, i] = share * latent[:, :, i] + (1 - share) * own[:, :, i]
    step = times[1] - times[0] if len(times) > 1 else torch.tensor(1.0)
    return module.out_proj(latent * (values.eigenvalues * step).exp()[:, None] if config.predict_next else latent)


@settings(max_examples=60, deadline=None)
@given(options=OPTIONS, length=st.integers(1, 7), seed=st.integers(0, 100))
def test_every_option_is_the_equation_written_pair_by_pair(options, length, seed):
    module, x = layer(seed, **options), measurements(length, seed)
    times = 3 + torch.rand(length, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)).cumsum(0)
    with torch.no_grad():
        for parameter in (module.tau, module.nu_raw, *(module.gate.parameters() if module.gate else ())):
            parameter.add_(0.3 * torch.randn_like(parameter))
        torch.testing.assert_close(module(x, times=times), reference(module, x, times), atol=1e-9, rtol=1e-9)


@settings(max_examples=25, deadline=None)
@given(options=OPTIONS, seed=st.integers(0, 100))
def test_hidden_measurements_do_not_count(options, seed):
    module, x = layer(seed, **options), measurements(seed=seed)
    times = torch.arange(9.0)
    mask = torch.ones(2, 9, dtype=torch.bool)
    mask[:, 3:5] = False
    kept = [0, 1, 2, 5, 6, 7, 8]
    with torch.no_grad():
        found = module(x, mask, times=times)[:, kept]
        torch.testing.assert_close(found, module(x[:, kept], times=times[kept]), atol=1e-9, rtol=1e-9)
        blind = module(x, torch.zeros_like(mask))
    torch.testing.assert_close(blind, module.out_proj.bias.expand_as(blind))


@settings(max_examples=15, deadline=None)
@given(robust=st.booleans(), decay=st.booleans(), predict_next=st.booleans(), seed=st.integers(0, 100))
def test_full_layer_with_equal_features_is_the_isotropic_layer(robust, decay, predict_next, seed):
    shared = {"robust": robust, "decay": decay, "predict_next": predict_next, "residual": "precision-gate"}
    isotropic = layer(seed, **shared)
    config = FullFilterConfig(dim=16, max_length=12, **shared)
    full = FullAdaptiveFilterAttention(config).double().eval()
    state = {name: tensor for name, tensor in isotropic.state_dict().items() if name != "tau"}
    for name in ("mu_raw", "sigma_raw", "eta_raw", "gamma_raw"):
        state[f"dynamics.{name}"] = state[f"dynamics.{name}"][:, None].repeat(1, 8)
    zoo.fill(full, state)
    x = measurements(40, seed)
    mask = torch.rand(2, 40, generator=torch.Generator().manual_seed(seed)) < 0.7
    first, second = [], []
    with torch.no_grad():
        torch.testing.assert_close(
            full(x, mask, estimates=first), isotropic(x, mask, estimates=second), atol=1e-9, rtol=1e-9
        )
    torch.testing.assert_close(first[0].attention, second[0].attention, atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize("residual", ["none", "add", "precision-gate"])
@pytest.mark.parametrize(
    ("kind", "schema"),
    [(AdaptiveFilterAttention, AdaptiveFilterConfig), (FullAdaptiveFilterAttention, FullFilterConfig)],
)
def test_targets_taken_in_blocks_are_targets_taken_at_once(kind, schema, residual):
    torch.manual_seed(0)
    module = kind(schema(dim=8, max_length=12, residual=residual)).double().eval()
    x, mask = torch.randn(2, 150, 8, dtype=torch.float64), torch.rand(2, 150) < 0.8
    with torch.no_grad():
        for attn_mask in (None, mask):
            blocks = module(x, attn_mask)
            module.rows = 1000
            torch.testing.assert_close(module(x, attn_mask, estimates=[]), blocks, atol=1e-10, rtol=1e-10)
            del module.rows


def test_features_of_the_full_layer_have_uncertainties_of_their_own():
    torch.manual_seed(0)
    full = FullAdaptiveFilterAttention(FullFilterConfig(dim=8, num_heads=1, predict_next=False)).double()
    with torch.no_grad():
        full.dynamics.sigma_raw[0, 3] = 1e6
        found = []
        x = torch.randn(1, 6, 8, dtype=torch.float64)
        full(x, estimates=found)
        own = full.v_proj(x)[0, 0]
    # Where noise is strong, the past is worthless and the last measurement is the estimate.
    error = (found[0].latent[0, 0] - own).abs().amax(0)
    assert error[3] < 1e-3 < 0.1 < error[[0, 1, 2, 4, 5, 6, 7]].max()


@pytest.mark.parametrize("kind", ["isotropic", "full"])
def test_gradients_are_right_in_float64(kind):
    torch.manual_seed(0)
    shared = {"dim": 4, "num_heads": 1, "max_length": 5, "residual": "precision-gate", "input_norm": "all"}
    module = (
        AdaptiveFilterAttention(AdaptiveFilterConfig(**shared, separate_dynamics=True))
        if kind == "isotropic"
        else FullAdaptiveFilterAttention(FullFilterConfig(**shared))
    ).double()
    names = [name for name, _ in module.named_parameters()]
    mask = torch.tensor([[False, True, True]])

    def run(x, *parameters):
        return torch.func.functional_call(module, dict(zip(names, parameters, strict=True)), (x, mask))

    inputs = [torch.randn(1, 3, 4, dtype=torch.float64), *(p.detach().clone() for p in module.parameters())]
    assert torch.autograd.gradcheck(run, tuple(tensor.requires_grad_() for tensor in inputs))


def test_undamped_dynamics_have_gradients():
    x = measurements()
    module = layer(decay=False)
    module(x).sum().backward()
    gradients = [parameter.grad for parameter in module.parameters() if parameter.grad is not None]
    assert all(gradient.isfinite().all() for gradient in gradients)
    assert module.dynamics.sigma_raw.grad.any()


@settings(max_examples=20, deadline=None)
@given(shift=st.floats(-1e9, 1e9), seed=st.integers(0, 100), options=OPTIONS)
def test_time_shifts_change_nothing(shift, seed, options):
    module, x = layer(seed, **options), measurements(seed=seed)
    # Quarters are exact next to any of the shifts.
    times = torch.randint(1, 5, (2, 9), generator=torch.Generator().manual_seed(seed)).cumsum(-1).double() / 4
    with torch.no_grad():
        torch.testing.assert_close(module(x, times=times + round(shift)), module(x, times=times), atol=1e-9, rtol=1e-9)


def test_times_of_each_example_are_its_own():
    module, x = layer(), measurements()
    times = torch.rand(2, 9, dtype=torch.float64).cumsum(-1)
    together = module(x, times=times)
    for index in range(2):
        torch.testing.assert_close(together[index], module(x[index, None], times=times[index])[0])
    with pytest.raises(zoo.InputError, match=r"times of shape \(3, 9\); expected \(9,\) or \(2, 9\)"):
        module(x, times=torch.zeros(3, 9))


def test_bounds_hold_for_any_parameters():
    for value in (-50.0, 0.0, 50.0):
        module = layer(max_length=100)
        with torch.no_grad():
            for parameter in module.dynamics.parameters():
                parameter.fill_(value)
        found = module.dynamics.resolve(torch.float64)
        assert bool((found.mu <= -1e-5).all() & (found.mu >= -0.05 - 2e-5).all())
        assert bool((found.sigma2 >= 0).all() & (found.eta2 >= 1e-5).all() & (found.gamma2 >= 1e-5).all())


def test_exponents_are_bounded():
    one = torch.ones(1, 1, 1, dtype=torch.float64)
    dynamics = Dynamics(-one, torch.ones(1, 2), 2 * one, one, one, min_exponent=-3.0, max_exponent=-1.0)
    lag = torch.tensor([[[0.0, 2.0, 9.0]]], dtype=torch.float64)
    torch.testing.assert_close(dynamics.decay(lag)[0, 0].log(), torch.tensor([-1.0, -2.0, -3.0], dtype=torch.float64))
    # With sigma^2 = 2, eta^2 = gamma^2 = 1 and mu = -1 the exponentials cancel: V = 2.
    torch.testing.assert_close(dynamics.covariance(lag), 2 * one.expand(1, 1, 3))


def test_fixed_rotations_are_no_parameters():
    learned, fixed = layer(), layer(learn_rotations=False)
    assert sum(p.numel() for p in learned.parameters()) - sum(p.numel() for p in fixed.parameters()) == 8
    rates = fixed.dynamics.resolve(torch.float64).omega[0, ::2] / (10 * 2 * torch.pi / 24)
    torch.testing.assert_close(rates, 10_000.0 ** (-torch.arange(4, dtype=torch.float64) / 4), atol=1e-6, rtol=1e-6)


def test_sizes():
    assert zoo.info("adaptive-filter-attention/filter-2d").parameters == 132_044
    assert zoo.info("adaptive-filter-attention-network/filter-2d").parameters == 132_044
    block = 132_044 + 2 * 128 + 128 * 512 + 512 + 512 * 128 + 128
    assert zoo.info("adaptive-filter-attention-network/afa-transformer").parameters == 2 * block + 2 * 16_512 + 128
    recorded = read_recording(GOLDEN / "afa-network.safetensors").state
    count = sum(tensor.numel() for name, tensor in recorded.items() if not name.endswith("causal_mask"))
    assert zoo.info("adaptive-filter-attention-network/tiny").parameters == count


def test_the_network_filters_and_its_norms_are_used_as_configured():
    x = measurements(10).float()
    for input_norm, used in (("none", True), ("all", False)):
        torch.manual_seed(0)
        config = FilterNetworkConfig(dim=16, max_length=10, hidden_dim=24, norm="layer", input_norm=input_norm)
        network, estimates = FilterNetwork(config), []
        network(x, estimates=estimates).sum().backward()
        assert [tuple(found.eigenvalues.shape) for found in estimates] == [(2, 8), (2, 8)]
        assert (network.blocks[0].norm1.weight.grad is not None) == used


def recording(**changes):
    """The recorded layer with other options: its config and its state, as the authors would name them."""
    found = read_recording(GOLDEN / "isotropic-afa.safetensors")
    return {**found.config, **changes}, dict(found.state), found.call, found.inputs


def test_replay_takes_separate_dynamics_and_partial_states():
    config, state, call, inputs = recording(
        sep_params=1, learn_rotations=0, lambda_real_zero=1, zero_process_noise=1, use_complex_input_norm=2
    )
    keys = {name.replace("_v", "_k"): tensor + 0.1 for name, tensor in state.items() if name.endswith("_v")}
    unused = ("lambda_imag", "mu", "sigma")
    whole = state | keys
    partial = {name: tensor for name, tensor in whole.items() if not name.startswith(unused)}
    outputs = [replay("isotropic-afa", config, call, chosen, inputs) for chosen in (whole, partial)]
    assert outputs[0]["out"].shape == outputs[1]["out"].shape == inputs["x"].shape
    # A recorded table of frequencies is taken as it is; left out, it is the one of the config.
    assert not torch.allclose(outputs[0]["out"], outputs[1]["out"])
    del state["W_q.bias"]
    with pytest.raises(zoo.CheckpointMismatch, match=r"q_proj\.bias"):
        replay("isotropic-afa", config, call, state | keys, inputs)
    with pytest.raises(zoo.InputError, match="no component"):
        replay("afa", config, call, whole, inputs)


def test_replay_takes_recorded_masks_as_they_are():
    config, state, call, inputs = recording()
    state["causal_mask"] = torch.ones_like(state["causal_mask"])
    attention = replay("isotropic-afa", config, call, state, inputs)["attn_mat"]
    assert bool((attention > 0).all())


def test_benchmark_knows_the_optimal_filter():
    rotation = NoisyRotation(NoisyRotationConfig(dim=8, sigma2=0.3, eta2=0.5, count=20, length=41))
    scores = rotation.run(lambda channels: channels)
    assert scores["error"] == scores["last"]
    assert scores["kalman"] < 0.5 * min(scores["last"], scores["measurement"], scores["mean"])
    case = next(rotation.cases())
    assert (tuple(case.measured.shape), tuple(case.upcoming.shape)) == ((41, 8), (40, 8))
    torch.testing.assert_close(torch.linalg.eigvals(rotation.generator).imag.abs(), torch.ones(2, dtype=torch.float64))
    exact = NoisyRotation(NoisyRotationConfig(dim=8, eta2=0.0, count=2))
    assert exact.run(lambda channels: channels)["kalman"] < 1e-8
    with pytest.raises(zoo.InputError, match="answers of shape"):
        rotation.score(torch.zeros(1, 41, 8))


def test_training_lowers_the_error():
    config = AdaptiveFilterConfig(dim=16, max_length=30)
    rotation = NoisyRotation(NoisyRotationConfig(dim=16, length=30, eta2=4.0))
    before, after = (rotation.run(fit(config, rotation, epochs=epochs, seed=0))["error"] for epochs in (0, 60))
    assert after < 0.5 * before


@pytest.mark.parametrize("name", ["adaptive-filter-attention", "adaptive-filter-attention-network"])
def test_bundled_weights_reach_what_their_card_says(name):
    scores = zoo.load("adaptive-filter-attention-rotation/demo").run(zoo.load(f"{name}/filter-2d"))
    assert scores["kalman"] < scores["error"] < 0.06 * scores["measurement"]


def test_bad_configs_say_what_to_do():
    for options, message in (
        ({"causal": False}, "causal must be True"),
        ({"dim": 18}, "multiple of 4"),
        ({"value_dim": 10}, "multiple of 4"),
        ({"key_dim": 64}, "must be equal"),
        ({"min_exponent": 30.0}, "above max_exponent"),
    ):
        with pytest.raises(zoo.ConfigError, match=message):
            zoo.load("adaptive-filter-attention", weights=None, **options)
    separate = zoo.load(
        "adaptive-filter-attention", dim=16, key_dim=8, value_dim=24, separate_dynamics=True, weights=None
    )
    assert separate(torch.randn(1, 5, 16)).shape == (1, 5, 16)
