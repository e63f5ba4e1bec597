"""Stochastic reconfiguration in sample space, with exact or Metropolis sampling."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.func import functional_call, jacrev, vmap

from zoo_sequence.transformer_wave_function.hamiltonian import (
    Hamiltonian,
    amplitudes,
    exact_expectation,
)
from zoo_sequence.transformer_wave_function.network import WaveFunction


def log_derivatives(model: WaveFunction, spins: Tensor) -> tuple[Tensor, Tensor]:
    """Real and imaginary parts of O (samples, parameters)."""
    parameters = {name: parameter.detach() for name, parameter in model.named_parameters()}

    def parts(values: dict[str, Tensor], configuration: Tensor) -> Tensor:
        return torch.view_as_real(functional_call(model, values, (configuration[None],))[0])

    jacobians = vmap(jacrev(parts), in_dims=(None, 0), chunk_size=512)(parameters, spins)
    flat = torch.cat([value.flatten(2) for value in jacobians.values()], -1)
    return flat[:, 0], flat[:, 1]


def reconfiguration_step(derivatives: tuple[Tensor, Tensor], energies: Tensor, shift: float) -> Tensor:
    """Direction (parameters,) of stochastic reconfiguration in sample space; subtract it times the rate.

    Args:
        derivatives: real and imaginary O (samples, parameters).
        energies: complex local energies (samples,).
        shift: of the diagonal.
    """
    scale = 1 / math.sqrt(len(energies))
    stacked = torch.cat([(part - part.mean(0)) * scale for part in derivatives])
    centred = (energies - energies.mean()) * scale
    target = torch.cat((centred.real, centred.imag))
    gram = stacked @ stacked.T
    gram.diagonal().add_(shift)
    return stacked.T @ torch.linalg.solve(gram, target)


def apply_step(model: WaveFunction, direction: Tensor, rate: float) -> None:
    """theta <- theta - rate * direction."""
    with torch.no_grad():
        for parameter in model.parameters():
            part, direction = direction[: parameter.numel()], direction[parameter.numel() :]
            parameter.sub_(rate * part.view_as(parameter))


def run_exact(
    model: WaveFunction,
    hamiltonian: Hamiltonian,
    *,
    steps: int = 100,
    samples: int = 512,
    rate: float = 0.1,
    shift: float = 1e-2,
    seed: int = 0,
    log: Callable[[str], None] = lambda line: None,
) -> list[float]:
    """Optimise with samples drawn exactly from |psi|^2; energies of every step, by exact summation."""
    generator = torch.Generator().manual_seed(seed)
    states, matrix = hamiltonian.states, hamiltonian.matrix()
    energies = []
    for step in range(steps):
        with torch.no_grad():
            psi = amplitudes(model, states)
        applied = torch.from_numpy(matrix @ psi.numpy())
        energies.append(float((psi.conj() * applied).sum().real))
        drawn = torch.multinomial(psi.abs().square(), samples, replacement=True, generator=generator)
        local = applied[drawn] / psi[drawn]
        apply_step(model, reconfiguration_step(log_derivatives(model, states[drawn]), local, shift), rate)
        if step % 20 == 0:
            log(f"step {step}: energy {energies[-1]:.5f}")
    energies.append(exact_expectation(model, hamiltonian, matrix).mean)
    return energies


def metropolis(
    log_psi: Callable[[Tensor], Tensor], spins: Tensor, sweeps: int, lattice_size: int, generator: torch.Generator
) -> Tensor:
    """Exchange two opposite spins at distance at most 2 per proposal, N proposals a sweep, in every chain.

    Args:
        spins: (chains, L * L), the start; magnetisation is kept.

    Returns:
        The chains' configurations after ``sweeps``.
    """
    near = _neighbourhood(lattice_size)
    chains, sites = spins.shape
    spins, logs = spins.clone(), log_psi(spins).real
    for _ in range(sweeps * sites):
        first = torch.randint(sites, (chains,), generator=generator)
        second = near[first, torch.randint(near.shape[1], (chains,), generator=generator)]
        exchanged = torch.stack((first, second), 1).to(spins.device)
        proposal = spins.scatter(1, exchanged, spins.gather(1, exchanged.flip(1)))
        new = log_psi(proposal).real
        threshold = torch.rand(chains, generator=generator, dtype=torch.float64).log().to(spins.device)
        accepted = threshold < 2 * (new - logs)
        spins, logs = torch.where(accepted[:, None], proposal, spins), torch.where(accepted, new, logs)
    return spins


def _neighbourhood(lattice_size: int) -> Tensor:
    """(sites, neighbours): sites within lattice distance 2, periodic."""
    steps = [(dx, dy) for dx in range(-2, 3) for dy in range(-2, 3) if 0 < abs(dx) + abs(dy) <= 2]
    sites = torch.arange(lattice_size**2)
    rows, columns = sites // lattice_size, sites % lattice_size
    around = [(rows + dx) % lattice_size * lattice_size + (columns + dy) % lattice_size for dx, dy in steps]
    return torch.stack(around, -1)


def run_sampled(
    model: WaveFunction,
    hamiltonian: Hamiltonian,
    *,
    steps: int,
    samples: int = 4096,
    rate: float = 0.0075,
    shift: float = 1e-4,
    seed: int = 0,
    log: Callable[[str], None] = lambda line: None,
) -> list[float]:
    """Variational Monte Carlo on any lattice, on the model's device: Metropolis chains, one sample each.

    Returns:
        The estimated (total) energy of every step.
    """
    generator = torch.Generator().manual_seed(seed)
    sites = hamiltonian.lattice_size**2
    balanced = torch.ones(sites, dtype=torch.long).index_fill(0, torch.arange(sites // 2), -1)
    spins = torch.stack([balanced[torch.randperm(sites, generator=generator)] for _ in range(samples)])
    spins = spins.to(next(model.parameters()).device)
    energies = []
    with torch.no_grad():
        spins = metropolis(model, spins, 5, hamiltonian.lattice_size, generator)
    for step in range(steps):
        with torch.no_grad():
            spins = metropolis(model, spins, 1, hamiltonian.lattice_size, generator)
            local = hamiltonian.local_energy(model, spins)
        energies.append(float(local.real.mean()))
        apply_step(model, reconfiguration_step(log_derivatives(model, spins), local, shift), rate)
        log(f"step {step}: energy per site {energies[-1] / sites:.5f}")
    return energies
