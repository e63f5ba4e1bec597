"""Checks of what the paper claims."""

from __future__ import annotations

import time

import torch

import zoo
from zoo import Measurement
from zoo.evidence.measuring import count_parameters
from zoo_sequence.transformer_wave_function.config import VARIANTS, WaveFunctionConfig
from zoo_sequence.transformer_wave_function.hamiltonian import Hamiltonian, exact_energies, exact_expectation
from zoo_sequence.transformer_wave_function.network import (
    PatchAttention,
    WaveFunction,
    attention_input_dependence,
    example,
)
from zoo_sequence.transformer_wave_function.optimisation import run_exact


def check_exact_energies() -> Measurement:
    """Ground-state energies of the 4 x 4 lattice."""
    found = [exact_energies(Hamiltonian(4, j2=j2))[0] for j2 in (0.0, 0.2, 0.5)]
    expected = (-11.228483, -9.917983, -8.457923)
    close = all(abs(ours - theirs) < 2e-6 for ours, theirs in zip(found, expected, strict=True))
    return Measurement(", ".join(f"{value:.6f}" for value in found) + " for J2 = 0, 0.2, 0.5", close)


def _trained_error(attention: str, j2: float, steps: int) -> tuple[float, int, float]:
    """Relative energy error after the robust recipe, parameters, and seconds a step."""
    hamiltonian = Hamiltonian(4, j2=j2, marshall=True)
    torch.manual_seed(0)
    model = WaveFunction(WaveFunctionConfig(attention=attention, alpha_scale=0.3))
    started = time.perf_counter()
    energy = run_exact(model, hamiltonian, steps=steps)[-1]
    seconds = (time.perf_counter() - started) / steps
    exact = exact_energies(hamiltonian)[0]
    return (energy - exact) / abs(exact), count_parameters(model), seconds


def check_factored_against_standard() -> Measurement:
    """Relative energy errors at equal steps, J2 = 0, and what they cost."""
    factored, standard = (_trained_error(kind, 0.0, 100) for kind in ("factored", "standard"))
    return Measurement(
        f"{factored[0]:.1e} (factored) against {standard[0]:.1e} (standard) after 100 steps, with {factored[1]} "
        f"against {standard[1]} parameters and {factored[2]:.2f} s against {standard[2]:.2f} s a step",
        factored[0] <= standard[0] and factored[0] < 5e-3 and factored[1] < standard[1],
        "J2 = 0, learning rate 0.1, shift 1e-2, initial alpha times 0.3",
    )


def check_frustrated() -> Measurement:
    """Relative energy error of the factored network at J2 = 0.5."""
    error, _, _ = _trained_error("factored", 0.5, 120)
    return Measurement(f"{error:.1e} after 120 steps", 0 <= error <= 2.9e-2, "learning rate 0.1, shift 1e-2")


def check_variational_bound() -> Measurement:
    """Energies of a random network of every variant and of the bundled, trained ones against the exact one."""
    hamiltonian = Hamiltonian(4, marshall=True)
    exact, matrix = exact_energies(hamiltonian)[0], hamiltonian.matrix()
    models = []
    for attention in VARIANTS:
        torch.manual_seed(0)
        models.append(WaveFunction(WaveFunctionConfig(attention=attention)))
    models += [zoo.load(f"transformer-wave-function/{preset}") for preset in ("check-4x4", "check-4x4-standard")]
    above = [exact_expectation(model, hamiltonian, matrix).mean - exact for model in models]
    return Measurement(
        f"E - E0 is {min(above[: len(VARIANTS)]):.2f} or more for random networks, {above[-2]:.4f} (factored) and "
        f"{above[-1]:.4f} (standard) for the bundled ones",
        min(above) >= 0,
        f"J2 = 0, E0 = {exact:.4f}",
    )


def check_input_independence() -> Measurement:
    """Input dependence of query-key maps before and after training: the bundled weights against their start."""
    states, name = Hamiltonian(4).states[::50], "transformer-wave-function/check-4x4-standard"
    before = []
    for seed in range(5):
        torch.manual_seed(seed)
        before.append(attention_input_dependence(zoo.load(name, weights=None), states))
    after = attention_input_dependence(zoo.load(name), states)
    return Measurement(
        f"{min(before):.3f} to {max(before):.3f} of five starts, {after:.3f} after 250 steps",
        after < min(before),
        "4 x 4, J2 = 0, exact sampling; the paper's lattices and training are far larger",
    )


def check_translation_invariance() -> Measurement:
    """log psi under shifts by whole patches."""
    worst = 0.0
    for attention in ("factored", "standard", "positional-softmax"):
        torch.manual_seed(0)
        config = WaveFunctionConfig(lattice_size=6, attention=attention)
        model, spins = WaveFunction(config), example(WaveFunctionConfig(lattice_size=6), 8)["spins"]
        for shift in ((2, 0), (0, 2), (4, 2)):
            rolled = spins.view(-1, 6, 6).roll(shift, (1, 2)).flatten(1)
            worst = max(worst, float((model(rolled) - model(spins)).abs().max().detach()))
    return Measurement(f"difference {worst:.1e} in float64", worst < 1e-10)


def check_parameter_cost() -> Measurement:
    """Parameters of the weights per layer."""
    config = WaveFunctionConfig(lattice_size=10, dim=60, num_heads=10)
    counts = {}
    for name, changes in (
        ("factored", {}),
        ("free", {"translation_invariant": False}),
        ("standard", {"attention": "standard"}),
    ):
        layer = PatchAttention(WaveFunctionConfig(**{**vars(config), **changes}))
        kept = count_parameters(layer.v, layer.W)
        counts[name] = count_parameters(layer) - kept
    expected = (10 * 25, 10 * 25**2, 2 * 60**2 + 2 * 60 + 10 * 25)
    return Measurement(
        f"h n = {counts['factored']}, h n^2 = {counts['free']}, queries and keys "
        f"{counts['standard'] - counts['factored']} beside their h n biases (h = 10, n = 25, d = 60)",
        tuple(counts.values()) == expected,
    )
