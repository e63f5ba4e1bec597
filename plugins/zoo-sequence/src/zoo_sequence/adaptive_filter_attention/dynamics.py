"""The stochastic linear dynamics inside a head: decay, rotation, and how uncertainty grows with lag.

A feature follows dx = lambda x dt + sigma dW with lambda = mu + i omega, and is measured with noise eta^2. Carried over
a lag dt, a measurement is an estimate with covariance

    V(dt) = sigma^2 (1 - e^{2 mu dt}) / (-2 mu) + eta^2 e^{2 mu dt} + gamma^2

the solution of dV/dt = 2 mu V + sigma^2 from V(0) = eta^2, plus the noise gamma^2 of the query. For mu -> 0 the
fraction is dt.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo_sequence.adaptive_filter_attention.config import FilterConfig


@dataclass(frozen=True)
class Dynamics:
    """Dynamics of every head, shaped to broadcast against lags.

    Args:
        mu, sigma2, eta2, gamma2: decay rate (at most 0), process noise, measurement noise, query noise:
            (heads, 1, 1) against lags (..., 1, i, j), or (heads, 1, d_h, 1) against lags (..., 1, i, 1, j).
        omega: angular frequencies (heads, d_h), in pairs +w, -w.
        min_exponent, max_exponent: bounds of mu dt.
        eps: |mu| below which the covariance takes its limit mu = 0.
    """

    mu: Tensor
    omega: Tensor
    sigma2: Tensor
    eta2: Tensor
    gamma2: Tensor
    min_exponent: float = -20.0
    max_exponent: float = 20.0
    eps: float = 1e-5

    @property
    def eigenvalues(self) -> Tensor:
        """lambda (heads, d_h), complex, per unit of time."""
        return torch.complex(self.mu.flatten(1).expand_as(self.omega), self.omega)

    def exponent(self, lag: Tensor) -> Tensor:
        """mu dt, bounded."""
        return (self.mu * lag).clamp(self.min_exponent, self.max_exponent)

    def decay(self, lag: Tensor) -> Tensor:
        """e^{mu dt}."""
        return self.exponent(lag).exp()

    def covariance(self, lag: Tensor) -> Tensor:
        """V(dt)."""
        doubled = 2 * self.exponent(lag)
        undamped = self.mu.abs() < self.eps
        rate = torch.where(undamped, -1.0, 2 * self.mu)
        growth = torch.where(undamped, lag, torch.expm1(doubled) / rate)
        return self.sigma2 * growth + self.eta2 * doubled.exp() + self.gamma2

    def rotation(self, times: Tensor) -> Tensor:
        """e^{i omega t}: (..., heads, length, d_h) for times (..., length)."""
        angles = self.omega[:, None] * times[..., None, :, None]
        return torch.polar(torch.ones_like(angles), angles)

    def transition(self, step: Tensor) -> Tensor:
        """e^{lambda step}: (..., heads, 1, d_h) for steps (...)."""
        return (self.eigenvalues[:, None] * step[..., None, None, None]).exp()


class LinearDynamics(nn.Module):
    """Learned dynamics: unbounded parameters and the bounded quantities that they stand for.

    With L = ``max_length``: mu = -sigmoid(-mu_raw) 10/(2L) - eps, so that over L steps a value fades to e^-5 at most;
    omega = omega_raw 10 * 2 pi/(2L); every noise is a softplus.

    Args:
        config: of the layer.
        features: per head, even.
        per_feature: whether every feature has its own decay and noise, or all of a head share them.
    """

    def __init__(self, config: FilterConfig, features: int, *, per_feature: bool) -> None:
        super().__init__()
        self.config = config
        heads, pairs = config.num_heads, features // 2
        shape = (heads, 1, features, 1) if per_feature else (heads, 1, 1)
        self._broadcast = shape
        own = (heads, features) if per_feature else (heads,)
        self.mu_raw = nn.Parameter(torch.empty(own))
        self.sigma_raw = nn.Parameter(torch.empty(own))
        self.eta_raw = nn.Parameter(torch.empty(own))
        self.gamma_raw = nn.Parameter(torch.empty(own))
        self.omega_raw: Tensor
        if config.learn_rotations:
            self.omega_raw = nn.Parameter(torch.empty(heads, pairs))
        else:
            fixed = 10_000.0 ** (-torch.arange(pairs, dtype=torch.float32) / pairs)
            self.register_buffer("omega_raw", fixed.repeat(heads, 1))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Standard normal."""
        for parameter in self.parameters():
            nn.init.normal_(parameter)

    def resolve(self, dtype: torch.dtype) -> Dynamics:
        """The quantities themselves, in ``dtype``."""
        config = self.config
        mu, omega, sigma, eta, gamma = (
            raw.to(dtype) for raw in (self.mu_raw, self.omega_raw, self.sigma_raw, self.eta_raw, self.gamma_raw)
        )
        rate = 10 / (2 * config.max_length)
        # -sigmoid(-x) is sigmoid(x) - 1 without the cancellation for large x.
        mu = -rate * torch.sigmoid(-mu) - config.eps if config.decay else torch.zeros_like(mu)
        omega = omega * (2 * math.pi * rate)
        sigma2 = functional.softplus(sigma) if config.process_noise else torch.zeros_like(sigma)
        return Dynamics(
            mu.view(self._broadcast),
            torch.stack((omega, -omega), -1).flatten(1),
            sigma2.view(self._broadcast),
            (functional.softplus(eta) + config.eps).view(self._broadcast),
            (functional.softplus(gamma) + config.eps).view(self._broadcast),
            config.min_exponent,
            config.max_exponent,
            config.eps,
        )
