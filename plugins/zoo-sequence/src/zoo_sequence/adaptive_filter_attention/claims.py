"""Checks of the paper's claims."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from zoo import Measurement
from zoo.evidence.measuring import PeakMemory
from zoo.nn.attention import dense_attention
from zoo.nn.rotary import apply_rotary
from zoo.targets import require
from zoo_sequence.adaptive_filter_attention.config import AdaptiveFilterConfig
from zoo_sequence.adaptive_filter_attention.dynamics import Dynamics
from zoo_sequence.adaptive_filter_attention.layer import (
    AdaptiveFilterAttention,
    factorised_residual,
    visibility,
)
from zoo_sequence.adaptive_filter_attention.training import fit, rotation_for


def check_rotary_limit() -> Measurement:
    """Attention maps without decay and noise, against real softmax attention with rotary positions."""
    torch.manual_seed(0)
    config = AdaptiveFilterConfig(
        dim=32,
        max_length=40,
        input_norm="all",
        decay=False,
        process_noise=False,
        robust=False,
        additive_bias="none",
        residual_scale="constant",
    )
    layer, x = AdaptiveFilterAttention(config), torch.randn(3, 40, 32)
    with torch.no_grad():
        # Small angles: over the whole sequence no feature turns by more than a tenth of a circle.
        layer.dynamics.omega_raw.mul_(0.01)
        ours = layer.estimate(x, x, x, visibility(None, x, config.num_heads)).attention
        angles = -layer.dynamics.resolve(x.dtype).omega[:, None] * torch.arange(40.0)[:, None]
        cos, sin = (function(angles).repeat(1, 1, 2) for function in (torch.cos, torch.sin))
        query, key = (
            apply_rotary(torch.cat((z.real, z.imag), -1), cos, sin)
            for z in (layer.q_norm(layer.q_proj(x)), layer.k_norm(layer.k_proj(x)))
        )
        # Values of one: the output is the attention map.
        values = torch.eye(40).expand(3, 2, 40, 40)
        maps = dense_attention(query, key, values, causal=True, scale=2 / config.key_features)
    difference = float((ours - maps).abs().max())
    turned = float(angles.abs().max())
    return Measurement(
        f"largest difference {difference:.1e}",
        difference < 1e-4,
        f"length 40, angles up to {turned:.2f} rad",
    )


def _scalar_dynamics(mu: float, sigma2: float, eta2: float, gamma2: float) -> Dynamics:
    mu_, sigma2_, eta2_, gamma2_ = (
        torch.full((1, 1, 1), number, dtype=torch.float64) for number in (mu, sigma2, eta2, gamma2)
    )
    return Dynamics(mu_, torch.zeros(1, 2, dtype=torch.float64), sigma2_, eta2_, gamma2_)


def check_lyapunov() -> Measurement:
    """The covariance against two integrations of dV/dt = 2 mu V + sigma^2 from eta^2, up to lag 10."""
    integrate = require("scipy.integrate", needed_by="integrating the Lyapunov equation")
    end, steps, euler_error, ode_error = 10.0, 10_000, 0.0, 0.0
    for mu, sigma2, eta2, gamma2 in ((-0.1, 0.3, 0.5, 0.2), (-0.5, 0.5, 2.0, 1.0), (-1.5, 2.0, 0.1, 0.0)):
        dynamics = _scalar_dynamics(mu, sigma2, eta2, gamma2)

        def slope(time: float, state: Tensor, mu: float = mu, sigma2: float = sigma2) -> Tensor:
            return 2 * mu * state + sigma2

        lags = torch.linspace(0, end, 51, dtype=torch.float64)
        closed = dynamics.covariance(lags).flatten()
        solved = integrate.solve_ivp(slope, (0, end), [eta2], t_eval=lags.numpy(), rtol=1e-12, atol=1e-13)
        ode = torch.from_numpy(solved.y[0]) + gamma2
        ode_error = max(ode_error, float(((closed - ode) / ode).abs().max()))
        covariance = eta2
        for _ in range(steps):
            covariance += end / steps * (2 * mu * covariance + sigma2)
        euler = covariance + gamma2
        euler_error = max(euler_error, abs(float(closed[-1]) - euler) / euler)
    return Measurement(
        f"relative error {euler_error:.1e} (Euler, {steps} steps), {ode_error:.1e} (scipy)",
        euler_error < 1e-3 and ode_error < 1e-8,
    )


def check_undamped_covariance() -> Measurement:
    """mu = -1e-7 against sigma^2 dt + eta^2 + gamma^2, on lags up to 10."""
    lags = torch.linspace(0, 10, 101, dtype=torch.float64)
    sigma2, eta2, gamma2 = 0.3, 0.5, 0.2
    covariance = _scalar_dynamics(-1e-7, sigma2, eta2, gamma2).covariance(lags).flatten()
    limit = sigma2 * lags + eta2 + gamma2
    error = float(((covariance - limit) / limit).abs().max())
    return Measurement(f"relative error {error:.1e}", error < 1e-6)


def check_factorised_residual() -> Measurement:
    """Scalar products of rotated features against sum |q_i - e^{lambda dt} k_j|^2 pair by pair."""
    torch.manual_seed(0)
    layer = AdaptiveFilterAttention(AdaptiveFilterConfig(dim=32, max_length=30))
    x, clock = torch.randn(2, 30, 32), torch.arange(30.0)
    with torch.no_grad():
        query, key, dynamics = layer.q_proj(x), layer.k_proj(x), layer.dynamics.resolve(x.dtype)
        back = dynamics.rotation(clock).conj()
        lag = clock[:, None] - clock
        ours = factorised_residual(query * back, key * back, dynamics.decay(lag.abs())).tril()
        carried = (dynamics.eigenvalues[:, None, None] * lag.tril()[..., None]).exp() * key[:, :, None]
        pairs = (query[:, :, :, None] - carried).abs().square().sum(-1).tril()
    difference = float((ours - pairs).abs().max())
    return Measurement(
        f"largest difference {difference:.1e}, residuals up to {float(pairs.max()):.0f}", difference < 1e-4
    )


def check_time_shift() -> Measurement:
    """Outputs for irregular times, and for the same times later."""
    torch.manual_seed(0)
    layer, x = AdaptiveFilterAttention(AdaptiveFilterConfig(dim=32, max_length=30)), torch.randn(2, 30, 32)
    times = torch.rand(2, 30).cumsum(-1)
    with torch.no_grad():
        plain = layer(x, times=times)
        difference = max(float((layer(x, times=times + shift) - plain).abs().max()) for shift in (1.0, 7.5, -3.0))
        stretched = float((layer(x, times=2 * times) - plain).abs().max())
    return Measurement(
        f"largest difference {difference:.1e}",
        difference < 1e-5,
        f"twice the times change the output by {stretched:.1e}",
    )


def _peak(run: Callable[[], Tensor]) -> int:
    """Bytes of a forward and backward pass."""
    with PeakMemory() as memory:
        run().sum().backward()
    return memory.peak


def _kept_attention(x: Tensor) -> Tensor:
    return (x @ x.transpose(-1, -2)).softmax(-1) @ x


def check_memory() -> Measurement:
    """Peak memory of the isotropic layer, beside one tensor of length^2 dim, and as the width grows."""
    length, heads, widths = 512, 2, (64, 256)
    torch.manual_seed(0)
    peaks, plain = [], []
    for dim in widths:
        layer = AdaptiveFilterAttention(AdaptiveFilterConfig(dim=dim, num_heads=heads, max_length=length))
        x = torch.randn(1, length, dim)
        query = torch.randn(1, heads, length, dim // heads, requires_grad=True)
        peaks.append(_peak(partial(layer, x)))
        plain.append(_peak(partial(_kept_attention, query)))
    square = length**2 * torch.finfo(x.dtype).bits // 8
    per_feature = (peaks[1] - peaks[0]) / (widths[1] - widths[0])
    return Measurement(
        f"peak {peaks[1] / 1e6:.0f} MB, a tensor of length^2 dim has {square * widths[1] / 1e6:.0f} MB; "
        f"one more feature costs {per_feature / square:.3f} squares",
        peaks[1] < square * widths[1] and per_feature < 0.1 * square,
        f"forward and backward, length {length}, dim {widths[1]}, {heads} heads; softmax attention that keeps its "
        f"weights, without projections: {plain[1] / 1e6:.0f} MB",
    )


def check_filtering() -> Measurement:
    """Errors of the filter-2d layer after 200 steps, on new trajectories."""
    config = AdaptiveFilterConfig()
    rotation = rotation_for(config)
    errors = rotation.run(fit(config, rotation, epochs=200, seed=0))
    return Measurement(
        f"mean squared error {errors['error']:.2f}; raw measurements {errors['measurement']:.2f}, mean of the "
        f"measurements so far {errors['mean']:.2f}, Kalman filter {errors['kalman']:.2f}",
        errors["error"] < min(errors["measurement"], errors["mean"]),
        f"one step ahead, {rotation.config.count} held-out trajectories, initial states of deviation "
        f"{rotation.config.initial_scale:g}",
    )
