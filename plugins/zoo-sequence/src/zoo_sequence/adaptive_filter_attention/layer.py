"""What both variants share, and the isotropic layer, whose weights need no tensor of length^2 features."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.errors import InputError
from zoo.nn.blocks import blocks
from zoo.nn.masks import expand_mask, masked_softmax
from zoo_sequence.adaptive_filter_attention.complex_features import (
    ComplexRMSNorm,
    ToComplex,
    ToReal,
    as_complex,
    as_real,
    squared_norm,
)
from zoo_sequence.adaptive_filter_attention.config import AdaptiveFilterConfig, FilterConfig
from zoo_sequence.adaptive_filter_attention.dynamics import Dynamics, LinearDynamics


class Estimate(NamedTuple):
    """What a layer knows besides its output.

    Args:
        output: (batch, length, dim).
        attention: weights of sources j at targets i before the decay, (batch, heads, i, j); the mean over the
            features of a head in the full layer.
        latent: complex estimates (batch, heads, length, d_h) of the present, before any prediction.
        eigenvalues: of the values' dynamics, complex (heads, d_h), per unit of time.
    """

    output: Tensor
    attention: Tensor
    latent: Tensor
    eigenvalues: Tensor


class Operands(NamedTuple):
    """What a layer combines: some targets i with the sources j that they may see.

    Args:
        query: complex (batch, heads, i, d_h), rotated back to the first time.
        key, value: complex (batch, heads, j, d_h), likewise.
        lag: |t_i - t_j|, (1 or batch, 1, i, j).
        keys, values: dynamics; the same object where they are shared.
        visible: see ``zoo.nn.masks.expand_mask``.
    """

    query: Tensor
    key: Tensor
    value: Tensor
    lag: Tensor
    keys: Dynamics
    values: Dynamics
    visible: Tensor | None


class Combination(NamedTuple):
    """Weighted values.

    Args:
        estimate: complex (batch, heads, i, d_h), still rotated back to the first time.
        attention: (batch, heads, i, j).
        log_precision: log sum_j exp(logit), (batch, heads, i, 1 or d_h); None where no gate asks for it.
    """

    estimate: Tensor
    attention: Tensor
    log_precision: Tensor | None


class Gate(nn.Module):
    """Share of the estimate where it meets the value at its own position: P^(scale^2) / (P^(scale^2) + prior).

    The more precise an estimate, the less its own measurement counts.

    Args:
        num_heads, features: one gate each.
        by_precision: False leaves the precision P out: a learned constant 1 / (1 + prior).
    """

    def __init__(self, num_heads: int, features: int, *, by_precision: bool) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(num_heads, features, 1)) if by_precision else None
        self.prior_raw = nn.Parameter(torch.ones(num_heads, features, 1))

    def forward(self, log_precision: Tensor | None) -> Tensor:
        """log P (batch, heads, length, 1 or d_h) to shares (batch, heads, length, d_h); no P to (heads, 1, d_h)."""
        work = torch.promote_types(self.prior_raw.dtype, torch.float32)
        log_prior = functional.softplus(self.prior_raw[:, None, :, 0].to(work)).log()
        if self.scale is None or log_precision is None:
            return torch.sigmoid(-log_prior)
        return torch.sigmoid(log_precision * self.scale[:, None, :, 0].to(work).square() - log_prior)


def relative_times(times: Tensor | None, *, batch: int, length: int, like: Tensor) -> Tensor:
    """Times since the first, (1 or batch, length), in the dtype of ``like``.

    Differences are taken in float64: large time stamps would lose their lags in float32.

    Raises:
        InputError: times of another shape.
    """
    if times is None:
        return torch.arange(length, dtype=like.dtype, device=like.device)[None]
    if tuple(times.shape) not in ((length,), (batch, length)):
        raise InputError(f"times of shape {tuple(times.shape)}; expected ({length},) or ({batch}, {length})")
    exact = torch.atleast_2d(times.to(device=like.device, dtype=torch.float64))
    return (exact - exact[:, :1]).to(like.dtype)


def visibility(attn_mask: Tensor | None, x: Tensor, num_heads: int) -> Tensor | None:
    """The causal mask and ``attn_mask`` in one, for ``x`` (batch, length, dim); see ``zoo.nn.masks.expand_mask``."""
    batch, length, _ = x.shape
    return expand_mask(
        attn_mask, batch=batch, heads=num_heads, queries=length, keys=length, causal=True, device=x.device
    )


def log_total(logits: Tensor, visible: Tensor | None) -> Tensor:
    """log sum_j exp(logit) over the visible last axis; very negative where nothing is visible."""
    if visible is not None:
        logits = logits.masked_fill(~visible, torch.finfo(logits.dtype).min)
    return logits.logsumexp(-1)


class FilterLayer(nn.Module):
    """(batch, length, dim) to the same shape by estimates of complex features from all measurements so far."""

    has_positions = True
    # Targets at a time: what is computed for each of them fits the caches, and without gradients takes no more memory.
    rows = 64

    def __init__(self, config: FilterConfig, *, per_feature: bool) -> None:
        super().__init__()
        self.config = config
        dim, heads, keys, values = config.dim, config.num_heads, config.key_features, config.value_features
        self.q_proj = ToComplex(dim, heads, keys)
        self.k_proj = ToComplex(dim, heads, keys)
        self.v_proj = ToComplex(dim, heads, values)
        self.out_proj = ToReal(heads, values, dim)
        normed = config.input_norm != "none"
        self.q_norm = ComplexRMSNorm(heads, keys) if normed else nn.Identity()
        self.k_norm = ComplexRMSNorm(heads, keys) if normed else nn.Identity()
        self.v_norm = ComplexRMSNorm(heads, values) if config.input_norm == "all" else nn.Identity()
        self.dynamics = LinearDynamics(config, values, per_feature=per_feature)
        self.key_dynamics = LinearDynamics(config, keys, per_feature=per_feature) if config.separate_keys else None
        self.nu_raw = nn.Parameter(torch.empty(heads))
        nn.init.ones_(self.nu_raw)
        self.by_precision = config.residual == "precision-gate"
        gated = config.residual in ("precision-gate", "learned-gate")
        self.gate = Gate(heads, values, by_precision=self.by_precision) if gated else None

    def combine(self, operands: Operands) -> Combination:
        """Weigh the values for some targets."""
        raise NotImplementedError

    def nu(self, dtype: torch.dtype) -> Tensor:
        """Degrees of freedom (heads, 1, 1)."""
        return (functional.softplus(self.nu_raw.to(dtype)) + self.config.eps)[:, None, None]

    def forward(
        self,
        x: Tensor,
        attn_mask: Tensor | None = None,
        *,
        times: Tensor | None = None,
        estimates: list[Estimate] | None = None,
    ) -> Tensor:
        """Filter a sequence.

        Args:
            x: measurements (batch, length, dim).
            attn_mask: see ``zoo.nn.masks``.
            times: when they were made, (length,) or (batch, length), rising; 0, 1, 2, ... by default.
            estimates: a list that attention, latent estimates and eigenvalues are appended to.

        Returns:
            (batch, length, dim): the state at each time, or one step later with ``predict_next``.

        Raises:
            InputError: times of another shape.
            MaskError: a mask that does not fit.
        """
        visible = visibility(attn_mask, x, self.config.num_heads)
        if estimates is None:
            return self._filter(x, x, x, visible, times)[0]
        estimates.append(self.estimate(x, x, x, visible, times))
        return estimates[-1].output

    def estimate(
        self, query: Tensor, key: Tensor, value: Tensor, visible: Tensor | None, times: Tensor | None = None
    ) -> Estimate:
        """As ``forward``, from three inputs (batch, length, dim) and a finished mask, which need not be causal."""
        maps: list[Tensor] = []
        output, latent = self._filter(query, key, value, visible, times, maps)
        eigenvalues = self.dynamics.resolve(latent.real.dtype).eigenvalues
        return Estimate(output, torch.cat(maps, 2), latent, eigenvalues)

    def _filter(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        visible: Tensor | None,
        times: Tensor | None,
        maps: list[Tensor] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Output and latent estimate; ``maps`` gets the whole attention of every target, also to later sources."""
        q, k, raw = self.q_proj(query), self.k_proj(key), self.v_proj(value)
        # Residuals are differences of large squares: in half precision little would be left of them.
        with torch.autocast(query.device.type, enabled=False):
            latent, predicted = self._carry(q, k, raw, visible, times, maps)
        return self.out_proj(predicted), latent

    def _carry(
        self,
        q: Tensor,
        k: Tensor,
        raw: Tensor,
        visible: Tensor | None,
        times: Tensor | None,
        maps: list[Tensor] | None,
    ) -> tuple[Tensor, Tensor]:
        """Complex estimates of the present, and one step ahead where that is asked for."""
        q, k, v = self.q_norm(q), self.k_norm(k), self.v_norm(raw)
        length = q.shape[2]
        clock = relative_times(times, batch=q.shape[0], length=length, like=q.real)
        values = self.dynamics.resolve(clock.dtype)
        keys = values if self.key_dynamics is None else self.key_dynamics.resolve(clock.dtype)
        back, forth = keys.rotation(clock).conj(), values.rotation(clock)
        q, k, v = q * back, k * back, v * forth.conj()
        estimates: list[Tensor] = []
        precisions: list[Tensor] = []
        for rows in blocks(0, length, self.rows):
            sources = slice(rows.stop if maps is None else length)
            lag = (clock[:, rows, None] - clock[:, None, sources]).abs()[:, None]
            seen = None if visible is None else visible[:, :, rows, sources]
            block = Operands(q[:, :, rows], k[:, :, sources], v[:, :, sources], lag, keys, values, seen)
            estimate, attention, log_precision = self.combine(block)
            estimates.append(estimate)
            if log_precision is not None:
                precisions.append(log_precision)
            if maps is not None:
                maps.append(attention)
        estimate = torch.cat(estimates, 2)
        latent = estimate * forth if self.rotates_forward else estimate
        latent = self._with_own_value(latent, raw, torch.cat(precisions, 2) if precisions else None, visible)
        return latent, latent * values.transition(_first_step(clock)) if self.config.predict_next else latent

    @property
    def rotates_forward(self) -> bool:
        """Whether estimates are turned to their own time again."""
        return True

    def _with_own_value(
        self, estimate: Tensor, own: Tensor, log_precision: Tensor | None, visible: Tensor | None
    ) -> Tensor:
        if self.config.residual == "none":
            return estimate
        if self.gate is None:
            merged = estimate + own
        else:
            share = self.gate(log_precision)
            merged = share * estimate + (1 - share) * own
        return merged if visible is None else merged.masked_fill(~visible.any(-1, keepdim=True), 0.0)


def _first_step(clock: Tensor) -> Tensor:
    """Time between the first two measurements, (1 or batch,); one where there is only one."""
    return clock[:, 1] - clock[:, 0] if clock.shape[1] > 1 else clock.new_ones(clock.shape[0])


class AdaptiveFilterAttention(FilterLayer):
    """The isotropic layer: one decay and one noise per head, so that residuals are a matrix product."""

    config: AdaptiveFilterConfig

    def __init__(self, config: AdaptiveFilterConfig) -> None:
        super().__init__(config, per_feature=False)
        self.tau = nn.Parameter(torch.empty(config.num_heads))
        nn.init.ones_(self.tau)

    @property
    def rotates_forward(self) -> bool:
        """As configured."""
        return self.config.rotate_values

    def combine(self, operands: Operands) -> Combination:
        """softmax_j of tau^2 (bias - penalty of the residual), times the decay of the values."""
        query, key, value, lag, keys, values, visible = operands
        decay = keys.decay(lag)
        residual = factorised_residual(query, key, decay, full=self.config.full_residual)
        logits = self.logits(residual, lag, keys)
        attention = masked_softmax(logits, visible)
        carried = attention * (decay if values is keys else values.decay(lag))
        log_precision = log_total(logits, visible)[..., None] if self.by_precision else None
        return Combination(as_complex(carried @ as_real(value)), attention, log_precision)

    def logits(self, residual: Tensor, lag: Tensor, keys: Dynamics) -> Tensor:
        """Logits (batch, heads, i, j) of residuals (batch, heads, i, j)."""
        config, features, nu = self.config, self.config.key_features, self.nu(residual.dtype)
        covariance = keys.covariance(lag) if "covariance" in (config.additive_bias, config.residual_scale) else None
        scaled = residual / features
        if config.residual_scale == "linear":
            scaled = scaled / (keys.sigma2 * lag + keys.eta2)
        elif covariance is not None and config.residual_scale == "covariance":
            scaled = scaled / (nu * covariance)
        logits = -(_log_one_plus(scaled, signed=not config.full_residual) if config.robust else scaled)
        if config.additive_bias == "lag":
            logits = logits - nu * lag
        elif covariance is not None and config.additive_bias == "covariance":
            logits = logits - covariance.log()
        return self.tau.to(residual.dtype).square()[:, None, None] * logits


def factorised_residual(query: Tensor, key: Tensor, decay: Tensor, *, full: bool = True) -> Tensor:
    """|q_i - D_ij k_j|^2 summed over features, from scalar products alone.

    Args:
        query, key: complex (batch, heads, length, d_h), rotated back to the first time.
        decay: D, broadcastable to (batch, heads, i, j).
        full: False leaves out both squares and keeps -2 D_ij Re(q_i . conj k_j).

    Returns:
        (batch, heads, i, j).
    """
    cross = -2 * decay * (as_real(query) @ as_real(key).transpose(-1, -2))
    if not full:
        return cross
    return cross + squared_norm(query)[..., None] + decay.square() * squared_norm(key)[..., None, :]


def _log_one_plus(x: Tensor, *, signed: bool) -> Tensor:
    # A residual without its squares can fall below -1, where the logarithm ends.
    return torch.log1p(x.clamp(min=1e-6 - 1) if signed else x)


def example(config: FilterConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random measurements of length 10."""
    generator = torch.Generator().manual_seed(seed)
    return {"x": torch.randn(batch_size, 10, config.dim, generator=generator)}
