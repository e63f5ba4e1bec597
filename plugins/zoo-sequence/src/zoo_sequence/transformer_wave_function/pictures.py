"""The pictures on the cards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

import zoo
from zoo.evidence.plots import new_figure, saved
from zoo.targets import require
from zoo_sequence.transformer_wave_function.config import WaveFunctionConfig
from zoo_sequence.transformer_wave_function.hamiltonian import (
    Hamiltonian,
    amplitudes,
    exact_energies,
    exact_expectation,
    jastrow,
)
from zoo_sequence.transformer_wave_function.network import WaveFunction
from zoo_sequence.transformer_wave_function.optimisation import run_exact


def network(path: Path) -> None:
    """The bundled wave function of the 4 x 4 Heisenberg model: its probability of every configuration beside that of
    the exact ground state, found by diagonalising the 12,870 configurations without magnetisation."""
    model = zoo.load("transformer-wave-function/check-4x4")
    hamiltonian = Hamiltonian(4, marshall=True)
    with torch.no_grad():
        psi = amplitudes(model, hamiltonian.states).abs().square().double()
    exact = torch.from_numpy(_ground_state(hamiltonian)).abs().square()
    ours = psi / psi.sum()
    energy, truth = exact_expectation(model, hamiltonian).mean, exact_energies(hamiltonian)[0]
    figure = new_figure(figsize=(6.6, 5.4))
    axis = figure.subplots()
    axis.loglog(exact.tolist(), ours.tolist(), ".", markersize=2, alpha=0.4, rasterized=True)
    ends = [float(exact[exact > 1e-12].min()), float(exact.max())]
    axis.loglog(ends, ends, "k:", label="equal")
    axis.set(xlabel="exact probability", ylabel="the network's", xlim=(1e-7, 1), ylim=(1e-7, 1))
    axis.set_title(f"energy {energy:.4f}, exact {truth:.4f}; relative error {(energy - truth) / abs(truth):.1e}")
    axis.legend()
    saved(figure, path)


def _ground_state(hamiltonian: Hamiltonian) -> Any:
    """The lowest eigenvector, in the order of ``hamiltonian.states``."""
    linalg = require("scipy.sparse.linalg", needed_by="the exact ground state")
    return linalg.eigsh(hamiltonian.matrix(), k=1, which="SA")[1][:, 0]


def ground_state(path: Path) -> None:
    """Relative error of the energy on the 4 x 4 lattice, benchmark figures: a pair product of the best strength, a
    small wave function over its first twenty steps of optimisation from nothing, and the two bundled ones."""
    hamiltonian = Hamiltonian(4, marshall=True)
    exact = exact_energies(hamiltonian)[0]
    strengths = [step / 20 for step in range(1, 16)]
    pairs = min(exact_expectation(jastrow(4, each), hamiltonian).mean for each in strengths)
    torch.manual_seed(0)
    model = WaveFunction(WaveFunctionConfig(alpha_scale=0.3))
    energies = run_exact(model, hamiltonian, steps=20, samples=256)
    figure = new_figure(figsize=(7.5, 4.4))
    axis = figure.subplots()
    axis.semilogy(
        range(1, len(energies) + 1),
        [(each - exact) / abs(exact) for each in energies],
        "o-",
        markersize=3,
        label="optimised here",
    )
    axis.axhline((pairs - exact) / abs(exact), color="C1", label="best pair product")
    for preset, colour in (("check-4x4", "C2"), ("check-4x4-standard", "C3")):
        found = exact_expectation(zoo.load(f"transformer-wave-function/{preset}"), hamiltonian).mean
        axis.axhline((found - exact) / abs(exact), color=colour, linestyle="--", label=f"bundled {preset}")
    axis.set(xlabel="step", ylabel="(E - E0) / |E0|", title=f"J2 = 0; E0 = {exact:.4f} by diagonalisation")
    axis.set_xticks(range(0, len(energies) + 1, 5))
    axis.grid(alpha=0.3)
    axis.legend(fontsize=9)
    saved(figure, path)
