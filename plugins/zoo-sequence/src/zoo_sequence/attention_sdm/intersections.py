"""Intersections of Hamming balls and of caps, the beta that fits them, and what follows for radii."""

from __future__ import annotations

import math
from fractions import Fraction
from functools import lru_cache

import numpy as np
import torch
from scipy import integrate, special, stats
from torch import Tensor

from zoo.errors import InputError


@lru_cache(maxsize=256)
def ball_intersections(n: int, radius: int) -> tuple[int, ...]:
    """Exact number of addresses within ``radius`` of two points, for their distances 0..n: a ball minus its lunes."""
    counts = [sum(math.comb(n, i) for i in range(radius + 1))]
    for distance in range(1, n + 1):
        half = (distance - 1) // 2
        lune = 0
        if distance % 2 and half <= radius:
            lune = math.comb(distance - 1, half) * math.comb(n - distance, radius - half)
        counts.append(counts[-1] - lune)
    return tuple(counts)


def intersection_table(n: int, radius: int, neurons: float) -> Tensor:
    """I(v) for v = 0 .. n, float64; r / 2^n is applied before anything is rounded."""
    density = Fraction(neurons) / 2**n
    return torch.tensor([float(count * density) for count in ball_intersections(n, radius)], dtype=torch.float64)


def expected_intersection(n: int, radius: int, neurons: float, distances: Tensor) -> Tensor:
    """I(v) for integer distances (...), float64."""
    return intersection_table(n, radius, neurons)[distances.long()]


def cap_intersection(n: int, radius: int, neurons: float, cosines: Tensor) -> Tensor:
    """Expected neurons in two caps of the sphere in R^n whose axes enclose arccos(cosines); float64.

    The caps have the angle arccos(1 - 2 radius / n).

    Raises:
        InputError: caps of more than half of the sphere.
    """
    if 2 * radius > n:
        raise InputError(f"radius={radius} makes caps of more than half of the sphere; at most {n // 2} for n={n}")
    angle = math.acos(1 - 2 * radius / n)
    log_area = (n - 1) / 2 * math.log(math.pi) - special.gammaln((n - 1) / 2)
    log_sphere = math.log(2) + n / 2 * math.log(math.pi) - special.gammaln(n / 2)
    factor = 2 * neurons * math.exp(log_area - log_sphere)
    distinct, places = cosines.double().clamp(-1, 1).unique(return_inverse=True)
    values = [factor * _cap_integral(n, angle, math.acos(cosine)) for cosine in distinct.tolist()]
    return torch.tensor(values, dtype=torch.float64)[places]


def _cap_integral(n: int, angle: float, between: float) -> float:
    if between >= 2 * angle:
        return 0.0
    start = between / 2

    def integrand(phi: float) -> float:
        inside = 1 - (math.tan(start) / math.tan(phi)) ** 2 if start else 1.0
        return math.sin(phi) ** (n - 2) * special.betainc((n - 2) / 2, 0.5, min(1.0, max(0.0, inside)))

    return float(integrate.quad(integrand, start, angle, epsabs=0, epsrel=1e-10, limit=500)[0])


def fit_beta(
    n: int, radius: int, *, continuous: bool = False, estimator: str = "reference"
) -> tuple[float, float, float]:
    """Log-linear fit of the intersection against cos = 1 - 2v/n over v = 0..radius-1.

    Args:
        n, radius: the memory's.
        continuous: caps instead of balls, at the same cosines.
        estimator: "least-squares", or "reference", which is N / (N - 1) times that for N fitted points.

    Returns:
        beta, bias and R^2 of the fit.

    Raises:
        InputError: a radius below 2 leaves one distance, and no slope.
    """
    if radius < 2:
        raise InputError(f"radius={radius} leaves no two distances to fit a slope to; take 2 or more")
    distances = np.arange(radius)
    x = 1 - 2 * distances / n
    if continuous:
        counts = cap_intersection(n, radius, 1.0, torch.from_numpy(x)).numpy()
        x, counts = x[counts > 0], counts[counts > 0]
        y = np.log(counts)
    else:
        exact = [count for count in ball_intersections(n, radius)[:radius] if count > 0]
        x = x[: len(exact)]
        y = np.array([math.log(count) for count in exact])
    slope = float(np.cov(x, y, bias=True)[0, 1] / np.var(x))
    residual = y - y.mean() - slope * (x - x.mean())
    r_squared = float(1 - residual.var() / y.var())
    beta = slope * len(x) / (len(x) - 1) if estimator == "reference" else slope
    return beta, float(y.mean() - beta * x.mean()), r_squared


def hamming_from_cosine(cosines: Tensor, n: int) -> Tensor:
    """floor(n (1 - cos) / 2)."""
    return (n * (1 - cosines) / 2).floor().long()


def radius_of_fraction(n: int, fraction: float) -> int:
    """Radius of a ball that holds a fraction of {0,1}^n: the binomial quantile."""
    return int(stats.binom.ppf(fraction, n, 0.5))


def fraction_of_radius(n: int, radius: int) -> float:
    """Fraction of {0,1}^n within a radius: the binomial distribution function."""
    return float(stats.binom.cdf(radius, n, 0.5))


def optimal_fraction(patterns: float, neurons: float) -> float:
    """Fraction of space p* = (2 m r)^(-1/3) at which the signal-to-noise ratio is largest."""
    return float((2 * patterns * neurons) ** (-1 / 3))


def radius_of_beta(beta: float, n: int, *, estimator: str = "least-squares") -> int:
    """The radius, 2 to n/2 - 1, whose fitted binary beta is nearest.

    Raises:
        InputError: n is too small for any radius.
    """
    if n < 6:
        raise InputError(f"n={n} is too small for a memory: radii go from 2 to n/2 - 1")
    return min(_betas(n, estimator), key=lambda item: abs(item[1] - beta))[0]


@lru_cache(maxsize=16)
def _betas(n: int, estimator: str) -> tuple[tuple[int, float], ...]:
    return tuple((radius, fit_beta(n, radius, estimator=estimator)[0]) for radius in range(2, n // 2))
