"""The ground state of a small lattice, from which the bundled weights come."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from zoo_sequence.transformer_wave_function.config import WaveFunctionConfig
from zoo_sequence.transformer_wave_function.hamiltonian import Hamiltonian, exact_energies
from zoo_sequence.transformer_wave_function.network import WaveFunction, attention_input_dependence
from zoo_sequence.transformer_wave_function.optimisation import run_exact


def train(
    config: WaveFunctionConfig, *, preset: str | None, seed: int, log: Callable[[str], None]
) -> tuple[nn.Module, dict[str, float]]:
    """Ground state of the 4 x 4 Heisenberg model (J2 = 0, Marshall signs) by the robust recipe; about a minute."""
    torch.manual_seed(seed)
    model = WaveFunction(config)
    hamiltonian = Hamiltonian(config.lattice_size, marshall=True)
    before = attention_input_dependence(model, hamiltonian.states[::50])
    steps = 100 if config.attention in ("factored", "positional-softmax") else 250
    energies = run_exact(model, hamiltonian, steps=steps, seed=seed, log=log)
    exact = exact_energies(hamiltonian)[0]
    after = attention_input_dependence(model, hamiltonian.states[::50])
    return model, {
        "energy": energies[-1],
        "exact energy": exact,
        "relative error": (energies[-1] - exact) / abs(exact),
        "input dependence before": before,
        "input dependence after": after,
    }
