from __future__ import annotations

import pytest
import torch

import zoo
from zoo_sequence.transformer_wave_function.benchmark import GroundState
from zoo_sequence.transformer_wave_function.config import VARIANTS, LatticeConfig, WaveFunctionConfig
from zoo_sequence.transformer_wave_function.conversion import replay
from zoo_sequence.transformer_wave_function.hamiltonian import (
    Hamiltonian,
    bonds,
    exact_energies,
    exact_expectation,
    sector,
)
from zoo_sequence.transformer_wave_function.network import WaveFunction, attention_input_dependence, example, log_cosh
from zoo_sequence.transformer_wave_function.optimisation import log_derivatives, metropolis, run_sampled


def model(**changes) -> WaveFunction:
    torch.manual_seed(0)
    return WaveFunction(WaveFunctionConfig(**changes)).eval()


def test_the_published_size():
    assert zoo.info("transformer-wave-function/pretrained").parameters == 434_760


def test_bonds_are_two_per_site_of_each_kind():
    near, diagonal = bonds(4)
    assert (len(near), len(diagonal)) == (32, 32)
    assert len({frozenset(bond) for bond in near + diagonal}) == 64


def test_marshall_signs_do_not_change_the_spectrum():
    plain, signed = (exact_energies(Hamiltonian(4, j2=0.3, marshall=marshall), 2) for marshall in (False, True))
    assert plain == pytest.approx(signed, abs=1e-9)


@pytest.mark.parametrize(("size", "j1", "j2", "total_sz"), [(2, 1.0, 0.4, 0), (2, 0.7, 0.0, 1), (4, -1.0, 0.2, 5)])
def test_energies_are_the_lowest_of_the_dense_matrix_degenerate_ones_counted(size, j1, j2, total_sz):
    hamiltonian = Hamiltonian(size, j1, j2, total_sz=total_sz)
    dense = torch.linalg.eigvalsh(torch.from_numpy(hamiltonian.matrix().toarray()))
    assert exact_energies(hamiltonian, 3) == pytest.approx(dense[:3].tolist(), abs=1e-9)


@pytest.mark.parametrize(
    ("size", "patch", "dim", "heads", "invariant"), [(4, 2, 12, 3, False), (6, 3, 8, 2, True), (3, 1, 6, 1, True)]
)
def test_recordings_of_other_shapes_replay(size, patch, dim, heads, invariant):
    own = WaveFunctionConfig(size, patch, 1, dim, heads, translation_invariant=invariant)
    recorded = {
        "embed.weight": "Embed_0.embed.kernel",
        "embed.bias": "Embed_0.embed.bias",
        "layers.0.attn.alpha": "Encoder_0.layers_0.attn.alpha",
    }
    wave, state = WaveFunction(own), {}
    for name, tensor in wave.state_dict().items():
        flax = name.replace("layers.0", "Encoder_0.layers_0").replace("head.", "OuputHead_0.")
        flax = flax.replace(".ff.0", ".ff.layers_0").replace(".ff.2", ".ff.layers_2")
        kind = "scale" if "norm" in name else "kernel"
        flax = recorded.get(name, flax.replace(".weight", f".{kind}"))
        state[flax] = tensor.T if flax.endswith(".kernel") else tensor
    config = {"num_layers": 1, "d_model": dim, "n_heads": heads, "patch_size": patch, "L": size}
    spins = 2 * torch.randint(2, (4, size**2), generator=torch.Generator().manual_seed(0)) - 1
    outputs = replay("vit-factored", {**config, "transl_invariant": invariant}, {}, state, {"spins": spins})
    torch.testing.assert_close(outputs["log_psi_imag"], wave(spins).imag)
    with pytest.raises(zoo.InputError, match="there are: vit-factored"):
        replay("vit", {}, {}, {}, {})


def test_local_energies_average_to_the_expectation():
    hamiltonian, wave = Hamiltonian(4, j2=0.5, marshall=True), model()
    states, _ = sector(4)
    with torch.no_grad():
        log_psi = wave(states)
        weights = (2 * (log_psi.real - log_psi.real.max())).exp()
        chosen = weights.argsort(descending=True)[:400]
        local = hamiltonian.local_energy(wave, states[chosen])
        matrix = hamiltonian.matrix()
        psi = (log_psi - log_psi.real.max()).exp()
        applied = torch.from_numpy(matrix @ psi.numpy()) / psi
    torch.testing.assert_close(local, applied[chosen], atol=1e-8, rtol=1e-8)


def test_log_cosh_is_stable_and_right():
    real, imaginary = torch.tensor([-800.0, -1.0, 0.5, 900.0]).double(), torch.tensor([0.3, 0.2, -0.4, 1.0]).double()
    found = log_cosh(real, imaginary)
    assert bool(torch.isfinite(torch.view_as_real(found)).all())
    torch.testing.assert_close(found[1:3].exp(), torch.complex(real, imaginary)[1:3].cosh())


@pytest.mark.parametrize("attention", VARIANTS)
@pytest.mark.parametrize("invariant", [True, False])
def test_only_query_key_variants_depend_on_the_input(attention, invariant):
    wave = model(attention=attention, translation_invariant=invariant)
    spins = example(wave.config, 6)["spins"]
    dependence = attention_input_dependence(wave, spins)
    assert (dependence > 1e-9) == (attention in ("standard", "decoupled"))


def test_derivatives_agree_with_autograd():
    wave = model()
    spins = example(wave.config, 2)["spins"]
    real, imaginary = log_derivatives(wave, spins)
    for part, derivatives in (("real", real), ("imag", imaginary)):
        gradients = torch.autograd.grad(
            getattr(wave(spins[1:2]), part).sum(), list(wave.parameters()), allow_unused=True, materialize_grads=True
        )
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        torch.testing.assert_close(derivatives[1], flat)


def test_metropolis_keeps_magnetisation_and_samples_the_distribution():
    generator = torch.Generator().manual_seed(0)
    start = example(WaveFunctionConfig(), 300)["spins"]

    def ferromagnet(spins):
        pairs = torch.tensor(bonds(4)[0])
        return (0.1 * (spins[:, pairs[:, 0]] * spins[:, pairs[:, 1]]).sum(-1).double()).to(torch.complex128)

    samples = metropolis(ferromagnet, start, 20, 4, generator)
    assert bool((samples.sum(1) == 0).all())
    states, _ = sector(4)
    weights = (2 * ferromagnet(states).real).softmax(0)
    expected = float((weights * ferromagnet(states).real).sum())
    assert float(ferromagnet(samples).real.mean()) == pytest.approx(expected, abs=0.15)


def test_sampled_optimisation_lowers_the_energy():
    wave = model(alpha_scale=0.3)
    energies = run_sampled(wave, Hamiltonian(4, marshall=True), steps=12, samples=200, rate=0.1, shift=1e-2)
    assert energies[-1] < energies[0] - 2


def test_bundled_wave_functions_reach_what_their_card_says():
    benchmark = GroundState(LatticeConfig())
    for preset in ("check-4x4", "check-4x4-standard"):
        scores = benchmark.run(zoo.load(f"transformer-wave-function/{preset}"))
        assert 0 <= scores["error"] < 5e-3
    with pytest.raises(zoo.InputError, match="answers for one case"):
        benchmark.score([])


def test_limits_are_named():
    with pytest.raises(zoo.ConfigError, match="more than one feature a head"):
        zoo.load("transformer-wave-function", dim=4, num_heads=4)
    with pytest.raises(zoo.InputError, match="at most 16 sites"):
        exact_expectation(lambda spins: spins, Hamiltonian(6))
    with pytest.raises(zoo.InputError, match="9 spins; expected 16"):
        model()(torch.ones(1, 9))
