"""The ground-state energy of a small lattice as a benchmark of wave functions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from zoo.errors import InputError
from zoo_sequence.transformer_wave_function.config import LatticeConfig, WaveFunctionConfig
from zoo_sequence.transformer_wave_function.hamiltonian import Energy, Hamiltonian, exact_energies, exact_expectation
from zoo_sequence.transformer_wave_function.network import WaveFunction


@dataclass(frozen=True)
class GroundStateCase:
    """One Hamiltonian whose ground state is asked for."""

    hamiltonian: Hamiltonian


class GroundState:
    """Benchmark: how close a wave function comes to the exact ground-state energy of a 4 x 4 lattice."""

    def __init__(self, config: LatticeConfig) -> None:
        self.hamiltonian = Hamiltonian(config.lattice_size, config.j1, config.j2, config.marshall)

    def cases(self) -> tuple[GroundStateCase, ...]:
        """The configured Hamiltonian."""
        return (GroundStateCase(self.hamiltonian),)

    def score(self, answers: list[Energy]) -> dict[str, float]:
        """Relative error (E - E0) / |E0| and V-score of one energy."""
        if len(answers) != 1:
            raise InputError(f"{len(answers)} answers for one case")
        exact = exact_energies(self.hamiltonian)[0]
        found = answers[0]
        return {
            "energy": found.mean,
            "exact": exact,
            "error": (found.mean - exact) / abs(exact),
            "v_score": found.v_score,
        }

    def run(self, system: Callable[[Tensor], Tensor]) -> dict[str, float]:
        """Score a system that maps spins to complex log amplitudes."""
        return self.score([exact_expectation(system, self.hamiltonian)])


def ground_state_example(config: LatticeConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Any]:
    """A fresh factored wave function."""
    torch.manual_seed(seed)
    return {"system": WaveFunction(WaveFunctionConfig(lattice_size=config.lattice_size)).eval()}
