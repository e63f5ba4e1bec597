"""Transformer wave functions: ground states of spin lattices, and what becomes of attention in them.

Source: "Are queries and keys always relevant? A case study on Transformer wave functions" (2024), arXiv 2405.18874.

A network maps a configuration of +-1 spins on an L x L lattice to a complex log amplitude log psi. Patches of b x b
spins are embedded without positions; attention carries those. Per head

    A_i = sum_j alpha_ij (V x)_j

with alpha either computed from queries and keys (``standard``: softmax of q.k / sqrt(d/h) plus a learned bias per
periodic offset) or free parameters of the offset alone (``factored``), the same for every configuration. The paper
finds the factored form as accurate at a fraction of the cost, and trained query-key maps that hardly depend on the
input.

The Hamiltonian is H = J1 sum_nn S_i.S_j + J2 sum_nnn S_i.S_j on the periodic square lattice, spin 1/2. Energies are
minimised by stochastic reconfiguration in sample space: with O_sk = d log psi(s) / d theta_k, centred and stacked into
real and imaginary rows X, and local energies f alike, the step is X' (X X' + shift)^{-1} f.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import combinations
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, jacrev, vmap

import zoo
from zoo import Measurement
from zoo.errors import ConfigError, InputError
from zoo.targets import require

VARIANTS = ("factored", "standard", "decoupled", "positional-softmax")


@dataclass
class WaveFunctionConfig:
    """Config of the network."""

    lattice_size: int = zoo.field(4, "side L of the lattice", unit="sites", minimum=2)
    patch_size: int = zoo.field(2, "side b of a patch", unit="sites", minimum=1)
    num_layers: int = zoo.field(2, "blocks", minimum=1)
    dim: int = zoo.field(16, "model width d", unit="features", minimum=1)
    num_heads: int = zoo.field(4, "heads h", minimum=1)
    attention: str = zoo.field("factored", "what the weights depend on", choices=VARIANTS)
    translation_invariant: bool = zoo.field(True, "whether weights depend on periodic offsets only")
    head: str = zoo.field(
        "normalised", "log cosh of normalised maps, or of a complex linear map", choices=("normalised", "plain")
    )
    alpha_scale: float = zoo.field(1.0, "factor on the initial factored weights", minimum=0.0)

    def __post_init__(self) -> None:
        if self.lattice_size % self.patch_size:
            raise ConfigError(
                f"lattice_size={self.lattice_size} is not a multiple of patch_size={self.patch_size}",
                field="patch_size",
            )
        if self.dim % self.num_heads or self.dim == self.num_heads:
            raise ConfigError(
                f"dim={self.dim} must be a multiple of num_heads={self.num_heads} and more than one feature a head",
                field="num_heads",
            )

    @property
    def side(self) -> int:
        """Patches along a side."""
        return self.lattice_size // self.patch_size

    @property
    def num_patches(self) -> int:
        """Patches n."""
        return self.side**2


@dataclass
class LatticeConfig:
    """Config of the ground-state benchmark."""

    lattice_size: int = zoo.field(4, "side L", unit="sites", minimum=2)
    j1: float = zoo.field(1.0, "coupling of nearest neighbours")
    j2: float = zoo.field(0.0, "coupling of diagonal neighbours")
    marshall: bool = zoo.field(True, "change signs between sublattices: a unitary map, the same energies")


def offsets(side: int) -> Tensor:
    """(n, n) int64: flat index of the periodic offset from patch i to patch j."""
    rows, columns = torch.arange(side).repeat_interleave(side), torch.arange(side).repeat(side)
    down = (rows[None] - rows[:, None]) % side
    right = (columns[None] - columns[:, None]) % side
    return down * side + right


class PatchAttention(nn.Module):
    """Attention over patches, (batch, n, d) to the same shape."""

    def __init__(self, config: WaveFunctionConfig) -> None:
        super().__init__()
        self.config = config
        heads, patches, dim = config.num_heads, config.num_patches, config.dim
        shape = (heads, patches) if config.translation_invariant else (heads, patches, patches)
        self.alpha = nn.Parameter(torch.empty(shape))
        self.v = nn.Linear(dim, dim)
        self.W = nn.Linear(dim, dim)
        content = config.attention in ("standard", "decoupled")
        self.q = nn.Linear(dim, dim) if content else None
        self.k = nn.Linear(dim, dim) if content else None
        self.offsets: Tensor
        self.register_buffer("offsets", offsets(config.side), persistent=False)

    def positional(self) -> Tensor:
        """The free part (heads, n, n)."""
        return self.alpha[:, self.offsets] if self.config.translation_invariant else self.alpha

    def weights(self, x: Tensor) -> Tensor:
        """alpha of every configuration: (batch or 1, heads, n, n)."""
        free = self.positional()[None]
        kind = self.config.attention
        if kind == "factored":
            return free
        if kind == "positional-softmax" or self.q is None or self.k is None:
            return free.softmax(-1)
        query, key = (self._split(projection(x)) for projection in (self.q, self.k))
        scores = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])
        return (scores + free).softmax(-1) if kind == "standard" else scores.softmax(-1) + free

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.config.num_heads, -1)).transpose(-3, -2)

    def forward(self, x: Tensor) -> Tensor:
        """Attend."""
        mixed = self.weights(x) @ self._split(self.v(x))
        return self.W(mixed.transpose(-3, -2).flatten(-2))


class Block(nn.Module):
    """Pre-norm block."""

    def __init__(self, config: WaveFunctionConfig) -> None:
        super().__init__()
        dim = config.dim
        self.layer_norm_1 = nn.LayerNorm(dim, eps=1e-6)
        self.attn = PatchAttention(config)
        self.layer_norm_2 = nn.LayerNorm(dim, eps=1e-6)
        self.ff = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(approximate="tanh"), nn.Linear(4 * dim, dim))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, n, d) to the same shape."""
        x = x + self.attn(self.layer_norm_1(x))
        return x + self.ff(self.layer_norm_2(x))


class OutputHead(nn.Module):
    """Sum of patches to a complex number: sum over features of log cosh."""

    def __init__(self, config: WaveFunctionConfig) -> None:
        super().__init__()
        dim = config.dim
        self.out_layer_norm = nn.LayerNorm(dim, eps=1e-6)
        self.output_layer0 = nn.Linear(dim, dim)
        self.output_layer1 = nn.Linear(dim, dim)
        normalised = config.head == "normalised"
        self.norm2: nn.Module = nn.LayerNorm(dim, eps=1e-6) if normalised else nn.Identity()
        self.norm3: nn.Module = nn.LayerNorm(dim, eps=1e-6) if normalised else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(batch, n, d) to complex (batch,)."""
        z = self.out_layer_norm(x.sum(-2))
        return log_cosh(self.norm2(self.output_layer0(z)), self.norm3(self.output_layer1(z))).sum(-1)


def log_cosh(real: Tensor, imaginary: Tensor) -> Tensor:
    """log cosh(real + i imaginary), without overflow: flip to Re >= 0, then u + log1p(exp(-2u)) - log 2."""
    if real.dtype != torch.float64:
        real, imaginary = real.float(), imaginary.float()
    u = torch.complex(real, imaginary)
    u = torch.where(real < 0, -u, u)
    return u + torch.log1p(torch.exp(-2 * u)) - math.log(2)


class WaveFunction(nn.Module):
    """Spins (batch, L * L), +-1 in row-major order, to complex log amplitudes (batch,), float64 by default."""

    def __init__(self, config: WaveFunctionConfig) -> None:
        super().__init__()
        self.config = config
        self.embed = nn.Linear(config.patch_size**2, config.dim)
        self.layers = nn.ModuleList(Block(config) for _ in range(config.num_layers))
        self.head = OutputHead(config)
        self.double()
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Xavier uniform for matrices and alpha, zero biases."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)
            elif isinstance(module, PatchAttention):
                nn.init.xavier_uniform_(module.alpha)
                with torch.no_grad():
                    module.alpha.mul_(self.config.alpha_scale)

    def patches(self, spins: Tensor) -> Tensor:
        """(batch, n, b * b): row-major patches, row-major inside.

        Raises:
            InputError: another number of spins.
        """
        side, size = self.config.side, self.config.patch_size
        if spins.shape[-1] != self.config.lattice_size**2:
            raise InputError(f"{spins.shape[-1]} spins; expected {self.config.lattice_size**2}")
        blocks = spins.unflatten(-1, (side, size, side, size)).transpose(-3, -2)
        return blocks.flatten(-2).flatten(-3, -2).to(self.embed.weight.dtype)

    def forward(self, spins: Tensor) -> Tensor:
        """Log amplitudes."""
        x = self.embed(self.patches(spins))
        for layer in self.layers:
            x = layer(x)
        return self.head(x)

    def attention_weights(self, spins: Tensor) -> list[Tensor]:
        """alpha (batch or 1, heads, n, n) of every layer."""
        x, found = self.embed(self.patches(spins)), []
        for layer in self.layers:
            assert isinstance(layer, Block)
            found.append(layer.attn.weights(layer.layer_norm_1(x)))
            x = layer(x)
        return found


def attention_input_dependence(model: WaveFunction, spins: Tensor) -> float:
    """Variance over configurations of each attention weight, divided by its mean squared; the mean of all."""
    with torch.no_grad():
        ratios = [
            (weights.var(0, correction=0) / weights.mean(0).square().clamp(min=1e-30)).mean()
            for weights in model.attention_weights(spins)
        ]
    return float(torch.stack(ratios).mean())


@lru_cache(maxsize=8)
def bonds(lattice_size: int) -> tuple[tuple[tuple[int, int], ...], tuple[tuple[int, int], ...]]:
    """Nearest-neighbour and diagonal bonds (site, site), 2 N each, periodic."""

    def site(x: int, y: int) -> int:
        return x % lattice_size * lattice_size + y % lattice_size

    places = [(x, y) for x in range(lattice_size) for y in range(lattice_size)]
    near = [(site(x, y), site(x + dx, y + dy)) for x, y in places for dx, dy in ((1, 0), (0, 1))]
    diagonal = [(site(x, y), site(x + dx, y + dy)) for x, y in places for dx, dy in ((1, 1), (1, -1))]
    return tuple(near), tuple(diagonal)


@dataclass(frozen=True)
class Hamiltonian:
    """The J1-J2 model on the L x L lattice.

    Args:
        lattice_size, j1, j2, marshall: as in ``LatticeConfig``.
        total_sz: magnetisation of the sector that exact methods enumerate.
    """

    lattice_size: int
    j1: float = 1.0
    j2: float = 0.0
    marshall: bool = False
    total_sz: int = 0

    @property
    def states(self) -> Tensor:
        """All configurations (states, L * L) of the sector."""
        return sector(self.lattice_size, self.total_sz)[0]

    def terms(self, device: torch.device | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Bonds (B, 2), their couplings (B,), and the sign of their exchange (B,)."""
        near, diagonal = bonds(self.lattice_size)
        pairs = torch.tensor(near + diagonal)
        couplings = torch.tensor([self.j1] * len(near) + [self.j2] * len(diagonal), dtype=torch.float64)
        rows, columns = pairs // self.lattice_size, pairs % self.lattice_size
        between = ((rows + columns) % 2).sum(-1) == 1
        signs = torch.where(between & torch.tensor(self.marshall), -1.0, 1.0).double()
        return pairs.to(device), couplings.to(device), signs.to(device)

    def local_energy(self, log_psi: Callable[[Tensor], Tensor], spins: Tensor) -> Tensor:
        """E_loc(s) = sum_s' H_ss' psi(s') / psi(s), complex (batch,), for spins (batch, L * L)."""
        pairs, couplings, signs = self.terms(spins.device)
        first, second = spins[:, pairs[:, 0]], spins[:, pairs[:, 1]]
        opposite = first != second
        energy = (torch.where(opposite, -0.25, 0.25).double() * couplings).sum(-1).to(torch.complex128)
        row, bond = opposite.nonzero(as_tuple=True)
        swapped = spins[row]
        swapped = swapped.scatter(1, pairs[bond], -swapped.gather(1, pairs[bond]))
        ratio = (_in_parts(log_psi, swapped) - log_psi(spins)[row]).exp()
        return energy.index_add(0, row, ratio * (0.5 * couplings[bond] * signs[bond]))

    def matrix(self) -> Any:
        """Sparse matrix in the sector, in the order of ``states``."""
        sparse = require("scipy.sparse", needed_by="exact diagonalisation")
        states, index = sector(self.lattice_size, self.total_sz)
        spins = states.numpy()
        pairs, couplings, signs = (tensor.numpy() for tensor in self.terms())
        rows, columns, values = [np.arange(len(spins))], [np.arange(len(spins))], [np.zeros(len(spins))]
        codes = _codes(spins)
        for (a, b), coupling, sign in zip(pairs, couplings, signs, strict=True):
            opposite = np.nonzero(spins[:, a] != spins[:, b])[0]
            values[0] += np.where(spins[:, a] == spins[:, b], 0.25, -0.25) * coupling
            flipped = codes[opposite] ^ (1 << int(a)) ^ (1 << int(b))
            rows.append(opposite)
            columns.append(index[flipped])
            values.append(np.full(len(opposite), 0.5 * coupling * sign))
        shape = (len(spins), len(spins))
        entries = (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns)))
        return sparse.coo_matrix(entries, shape=shape).tocsr()


def _codes(spins: np.ndarray) -> np.ndarray:
    return ((spins > 0).astype(np.int64) << np.arange(spins.shape[1])).sum(1)


@lru_cache(maxsize=2)
def sector(lattice_size: int, total_sz: int = 0) -> tuple[Tensor, np.ndarray]:
    """All configurations (states, L * L) of a magnetisation, and the place of every bit code among them.

    Raises:
        InputError: more than 16 sites, or more spins up than there are sites.
    """
    sites = lattice_size**2
    if sites > 16:
        raise InputError(f"exact enumeration is for at most 16 sites, not {sites}")
    if not 0 <= sites // 2 + total_sz <= sites:
        raise InputError(f"total_sz={total_sz} does not exist on {sites} sites of spin 1/2")
    chosen = np.array(list(combinations(range(sites), sites // 2 + total_sz)), dtype=np.int64)
    spins = -np.ones((len(chosen), sites), dtype=np.int64)
    np.put_along_axis(spins, chosen, 1, axis=1)
    index = np.full(1 << sites, -1, dtype=np.int64)
    index[_codes(spins)] = np.arange(len(spins))
    return torch.from_numpy(spins), index


def exact_energies(hamiltonian: Hamiltonian, count: int = 1) -> list[float]:
    """The lowest eigenvalues of the sector, degenerate ones counted (sparse Lanczos).

    Lanczos from one start sees one vector of a degenerate level, so vectors that were found are lifted above the
    rest before the next is looked for.
    """
    linalg = require("scipy.sparse.linalg", needed_by="exact diagonalisation")
    matrix = hamiltonian.matrix()
    size = matrix.shape[0]
    if size <= 64:
        return [float(value) for value in np.linalg.eigvalsh(matrix.toarray())[:count]]
    lift = 4 * float(abs(matrix).sum(1).max())
    start = np.random.default_rng(0).normal(size=size)
    values, found = [], np.zeros((size, 0))
    for _ in range(count):
        lifted = linalg.LinearOperator(
            matrix.shape, dtype=float, matvec=lambda v, known=found: matrix @ v + lift * (known @ (known.T @ v))
        )
        value, vector = linalg.eigsh(lifted, k=1, which="SA", v0=start, ncv=40)
        values.append(float(value[0]))
        found = np.concatenate((found, vector), 1)
    return values


@dataclass(frozen=True)
class Energy:
    """Variational energy (total), its variance, and the V-score N Var / E^2."""

    mean: float
    variance: float
    sites: int

    @property
    def v_score(self) -> float:
        """N Var(E) / E^2."""
        return self.sites * self.variance / self.mean**2


def exact_expectation(log_psi: Callable[[Tensor], Tensor], hamiltonian: Hamiltonian, matrix: Any = None) -> Energy:
    """<psi|H|psi> over the whole sector: no sampling error."""
    states = hamiltonian.states
    with torch.no_grad():
        psi = _amplitudes(log_psi, states)
    matrix = hamiltonian.matrix() if matrix is None else matrix
    applied = torch.from_numpy(matrix @ psi.numpy())
    mean = float((psi.conj() * applied).sum().real)
    return Energy(mean, float(applied.abs().square().sum()) - mean**2, states.shape[1])


def _in_parts(log_psi: Callable[[Tensor], Tensor], spins: Tensor) -> Tensor:
    """log psi of any number of configurations in bounded memory."""
    return torch.cat([log_psi(part) for part in spins.split(4096)])


def _amplitudes(log_psi: Callable[[Tensor], Tensor], states: Tensor) -> Tensor:
    """Normalised psi of all states."""
    logs = _in_parts(log_psi, states)
    psi = (logs - logs.real.max()).exp()
    return psi / psi.abs().square().sum().sqrt()


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
            psi = _amplitudes(model, states)
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


def example(config: WaveFunctionConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random balanced configurations."""
    generator = torch.Generator().manual_seed(seed)
    sites = config.lattice_size**2
    spins = torch.rand(batch_size, sites, generator=generator).argsort(1)
    return {"spins": torch.where(spins < sites // 2, 1, -1)}


def ground_state_example(config: LatticeConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Any]:
    """A fresh factored wave function."""
    torch.manual_seed(seed)
    return {"system": WaveFunction(WaveFunctionConfig(lattice_size=config.lattice_size)).eval()}


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


_RENAMED = (
    ("Embed_0.embed", "embed"),
    ("Encoder_0.layers_", "layers."),
    ("OuputHead_0", "head"),
    ("OutputHead_0", "head"),
    (".ff.layers_", ".ff."),
    (".kernel", ".weight"),
    (".scale", ".weight"),
)


def convert(state: Mapping[str, Tensor], config: Any) -> dict[str, Tensor]:
    """flax names to ours; kernels (in, out) are transposed."""
    renamed = {}
    for name, tensor in state.items():
        new = name
        for old, ours in _RENAMED:
            new = new.replace(old, ours)
        renamed[new] = tensor.T if name.endswith(".kernel") else tensor
    return renamed


def replay(
    component: str,
    config: Mapping[str, Any],
    call: Mapping[str, Any],
    state: Mapping[str, Tensor],
    inputs: Mapping[str, Tensor],
) -> dict[str, Tensor]:
    """``vit-factored``: the network; ``exact-4x4``: exact diagonalisation with a Jastrow trial state."""
    if component == "vit-factored":
        own = WaveFunctionConfig(
            lattice_size=config["L"],
            patch_size=config["patch_size"],
            num_layers=config["num_layers"],
            dim=config["d_model"],
            num_heads=config["n_heads"],
            translation_invariant=config["transl_invariant"],
        )
        model = WaveFunction(own).eval()
        zoo.fill(model, convert(state, own), dtype=torch.float64)
        log_psi = model(inputs["spins"])
        return {"log_psi_real": log_psi.real, "log_psi_imag": log_psi.imag}
    if component != "exact-4x4":
        raise InputError(f"no component {component!r}; there are: vit-factored, exact-4x4")
    model_of = partial(Hamiltonian, config["L"], config["J1"], total_sz=config.get("total_sz", 0))
    energies = [exact_energies(model_of(float(j2)), 2) for j2 in inputs["J2"]]
    trial = jastrow(config["L"], config["jastrow_coefficient"])
    hamiltonian = model_of(config["jastrow_J2"])
    return {
        "ground_energy": torch.tensor([low for low, _ in energies], dtype=torch.float64),
        "gap": torch.tensor([high - low for low, high in energies], dtype=torch.float64),
        "jastrow_energy": torch.tensor(exact_expectation(trial, hamiltonian).mean, dtype=torch.float64),
        "jastrow_local_energy": hamiltonian.local_energy(trial, inputs["spins"]).real,
    }


def jastrow(lattice_size: int, coefficient: float) -> Callable[[Tensor], Tensor]:
    """The trial state log psi = c sum over nearest-neighbour bonds of s_i s_j."""
    pairs = torch.tensor(bonds(lattice_size)[0])

    def log_psi(spins: Tensor) -> Tensor:
        products = spins[:, pairs[:, 0]] * spins[:, pairs[:, 1]]
        return (coefficient * products.sum(-1).double()).to(torch.complex128)

    return log_psi


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
    return (energy - exact) / abs(exact), sum(p.numel() for p in model.parameters()), seconds


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
    torch.manual_seed(0)
    before = attention_input_dependence(zoo.load(name, weights=None), states)
    after = attention_input_dependence(zoo.load(name), states)
    return Measurement(
        f"{before:.3f} before, {after:.3f} after 250 steps",
        after < before,
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
        kept = sum(p.numel() for part in (layer.v, layer.W) for p in part.parameters())
        counts[name] = sum(p.numel() for p in layer.parameters()) - kept
    expected = (10 * 25, 10 * 25**2, 2 * 60**2 + 2 * 60 + 10 * 25)
    return Measurement(
        f"h n = {counts['factored']}, h n^2 = {counts['free']}, queries and keys "
        f"{counts['standard'] - counts['factored']} beside their h n biases (h = 10, n = 25, d = 60)",
        tuple(counts.values()) == expected,
    )
