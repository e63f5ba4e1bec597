"""The J1-J2 model: local energies on any lattice, exact diagonalisation and expectations on small ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zoo.errors import InputError
from zoo.targets import require


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
        ratio = (in_parts(log_psi, swapped) - log_psi(spins)[row]).exp()
        return energy.index_add(0, row, ratio * (0.5 * couplings[bond] * signs[bond]))

    def matrix(self) -> Any:
        """Sparse matrix in the sector, in the order of ``states``."""
        sparse = require("scipy.sparse", needed_by="exact diagonalisation")
        states, index = sector(self.lattice_size, self.total_sz)
        spins = states.numpy()
        pairs, couplings, signs = (tensor.numpy() for tensor in self.terms())
        rows, columns, values = [np.arange(len(spins))], [np.arange(len(spins))], [np.zeros(len(spins))]
        codes = bit_codes(spins)
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


def bit_codes(spins: np.ndarray) -> np.ndarray:
    """Configurations (states, sites) as integers, one bit per spin up."""
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
    index[bit_codes(spins)] = np.arange(len(spins))
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
        psi = amplitudes(log_psi, states)
    matrix = hamiltonian.matrix() if matrix is None else matrix
    applied = torch.from_numpy(matrix @ psi.numpy())
    mean = float((psi.conj() * applied).sum().real)
    return Energy(mean, float(applied.abs().square().sum()) - mean**2, states.shape[1])


def in_parts(log_psi: Callable[[Tensor], Tensor], spins: Tensor) -> Tensor:
    """log psi of any number of configurations in bounded memory."""
    return torch.cat([log_psi(part) for part in spins.split(4096)])


def amplitudes(log_psi: Callable[[Tensor], Tensor], states: Tensor) -> Tensor:
    """Normalised psi of all states."""
    logs = in_parts(log_psi, states)
    psi = (logs - logs.real.max()).exp()
    return psi / psi.abs().square().sum().sqrt()


def jastrow(lattice_size: int, coefficient: float) -> Callable[[Tensor], Tensor]:
    """The trial state log psi = c sum over nearest-neighbour bonds of s_i s_j."""
    pairs = torch.tensor(bonds(lattice_size)[0])

    def log_psi(spins: Tensor) -> Tensor:
        products = spins[:, pairs[:, 0]] * spins[:, pairs[:, 1]]
        return (coefficient * products.sum(-1).double()).to(torch.complex128)

    return log_psi
