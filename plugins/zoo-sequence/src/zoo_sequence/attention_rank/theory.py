"""Rank-1 hard heads at N = 2 in closed form: their best combinations, and what none can reach."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional

from zoo.errors import InputError


def head_inner_products(queries: Tensor, keys: Tensor) -> Tensor:
    """C (H, H): <g_a, g_b> = 1/2 + (2/pi^2) arcsin(q_a.q_b) arcsin(k_a.k_b) of rank-1 hard heads at N = 2.

    Args:
        queries, keys: unit vectors (H, d).
    """

    def arcsine(vectors: Tensor) -> Tensor:
        return (vectors @ vectors.T).clamp(-1, 1).arcsin()

    return 0.5 + 2 / math.pi**2 * arcsine(queries) * arcsine(keys)


def target_inner_products(angles: Tensor, dim: int, *, degree: int = 61) -> Tensor:
    """b(t): <g, f> of a rank-1 hard head whose query and key enclose the angle t, at N = 2.

    Args:
        angles: t (H,), in [0, pi].
        dim: d.
        degree: highest Gegenbauer polynomial for d > 2.
    """
    if dim == 2:
        folded = math.pi / 2 - (math.pi / 2 - angles).abs()
        return 0.5 + (math.pi / 2 - angles).sign() * (0.25 - (folded / math.pi).square())
    import numpy as np
    from scipy.special import eval_gegenbauer

    order = (dim - 2) / 2
    cosines = np.cos(angles.double().numpy())
    total = np.full(len(cosines), 0.5)
    for level, coefficient in _arcsine_coefficients(dim, degree):
        sign = _sign_coefficient(level, order, dim)
        polynomial = eval_gegenbauer(level, order, cosines) / eval_gegenbauer(level, order, 1.0)
        total += sign * coefficient / math.pi * polynomial
    return torch.from_numpy(total)


def _arcsine_coefficients(dim: int, degree: int) -> Iterator[tuple[int, float]]:
    """Odd degrees l up to ``degree`` and the a_l of arcsin(x) = sum a_l G_l(x), d > 2."""
    import numpy as np
    from scipy.special import eval_gegenbauer, roots_gegenbauer

    order = (dim - 2) / 2
    # Gauss quadrature for the density (1 - x^2)^((d-3)/2).
    nodes, weights = roots_gegenbauer(400, order)
    for level in range(1, degree + 1, 2):
        polynomial = eval_gegenbauer(level, order, nodes)
        yield level, float((weights * np.arcsin(nodes) * polynomial).sum() / (weights * polynomial**2).sum())


def _sign_coefficient(level: int, order: float, dim: int) -> float:
    """int sign(x) G_l(x) rho(x) dx; the jump at 0 needs its own quadrature."""
    from scipy.integrate import quad
    from scipy.special import eval_gegenbauer

    power = (dim - 3) / 2
    mass = math.gamma(power + 1) * math.sqrt(math.pi) / math.gamma(power + 1.5)

    def integrand(angle: float) -> float:
        # x = sin(angle), so that the end points are smooth for every d.
        return float(eval_gegenbauer(level, order, math.sin(angle)) * math.cos(angle) ** (dim - 2))

    return 2 * quad(integrand, 0, math.pi / 2, limit=200)[0] / mass


def rank_one_error(dim: int, heads: int, *, seed: int = 0) -> float:
    """Error of the best combination of random rank-1 hard heads at N = 2: the low-rank lower bound, measured."""
    generator = torch.Generator().manual_seed(seed)
    queries, keys = functional.normalize(torch.randn(2, heads, dim, generator=generator, dtype=torch.float64), dim=-1)
    inner = head_inner_products(queries, keys)
    target = target_inner_products((queries * keys).sum(-1).clamp(-1, 1).arccos(), dim).double()
    mix = torch.linalg.lstsq(inner, target[:, None], driver="gelsd").solution[:, 0]
    return float(1 - 2 * target @ mix + mix @ inner @ mix)


def harmonic_shares(dim: int, *, degree: int = 61) -> list[tuple[int, float]]:
    """What the target asks of each odd degree of spherical harmonics of the query, at N = 2.

    Returns:
        For degrees 1, 3, ..., ``degree``: the number of harmonics and their share of the target's odd part.
    """
    if dim == 2:
        return [(2, 8 / (math.pi * level) ** 2) for level in range(1, degree + 1, 2)]
    from scipy.special import eval_gegenbauer

    return [
        (
            math.comb(level + dim - 1, dim - 1) - math.comb(level + dim - 3, dim - 1),
            2 / math.pi * coefficient * float(eval_gegenbauer(level, (dim - 2) / 2, 1.0)),
        )
        for level, coefficient in _arcsine_coefficients(dim, degree)
    ]


def rank_one_bound(dim: int, heads: int) -> float:
    """An error that no choice of H rank-1 hard heads falls below at N = 2, whatever their Q, K and VO.

    With u = x_1 - x_2 the target is (x_1 + x_2)/2 + sign(y.u) u/2 and a head contributes sign(q.y) sign(k.u) VO'u/2,
    a tensor product of a function of y and one of the points: H heads are an approximation of rank H. By Eckart and
    Young they miss the eigenvalues of E[sign(y.u) sign(y'.u)] |u|^2/4 = arcsin(y.y')/pi beyond the H largest, and
    those belong to the spherical harmonics of y.
    """
    missed = 1.0
    for count, share in harmonic_shares(dim):
        missed -= share * min(count, heads) / count
        heads -= min(count, heads)
    return missed / 2


def heads_needed(dim: int, error: float) -> int:
    """The fewest rank-1 hard heads for which ``rank_one_bound`` allows an error at N = 2.

    Raises:
        InputError: the error is smaller than the expansion resolves.
    """
    missed, heads = 1.0, 0
    for count, share in harmonic_shares(dim):
        if missed - share <= 2 * error:
            return heads + max(0, math.ceil(count * (missed - 2 * error) / share))
        missed, heads = missed - share, heads + count
    raise InputError(f"error={error} is below the {missed / 2:.3f} that harmonics of degree 61 leave over")
