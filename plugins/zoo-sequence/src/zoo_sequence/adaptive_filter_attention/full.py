"""The general layer: every feature has a decay and a noise of its own."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from zoo.nn.masks import masked_softmax
from zoo_sequence.adaptive_filter_attention.dynamics import Dynamics
from zoo_sequence.adaptive_filter_attention.layer import (
    Combination,
    FilterConfig,
    FilterLayer,
    Operands,
    log_total,
)

# Targets at a time: without gradients, memory is this many times length times features.
_ROWS = 16


@dataclass
class FullFilterConfig(FilterConfig):
    """Config of the full layer."""


class FullAdaptiveFilterAttention(FilterLayer):
    """The anisotropic layer: precision-weighted least squares per feature; time grows with length^2 features.

    With P_ij = 1 / V(t_i - t_j) per feature and m_ij = sum over features of |q_i - e^{lambda dt} k_j|^2 P_ij,

        w_ij = 1 / (1 + m_ij / (nu d_h))    or    exp(-m_ij / (nu d_h))
        est_i = (sum_j w_ij P_ij)^-1 sum_j w_ij P_ij e^{lambda dt} v_j

    which is, feature by feature, a softmax of log w - log V. Targets are taken a few at a time.
    """

    def __init__(self, config: FullFilterConfig) -> None:
        super().__init__(config, per_feature=True)

    def combine(self, operands: Operands) -> Combination:
        """Weigh every feature by its own precision."""
        query, key, value, lag, _, dynamics, visible = operands
        key, value = key.transpose(-1, -2).unsqueeze(2), value.transpose(-1, -2).unsqueeze(2)
        length = query.shape[2]
        blocks = []
        for start in range(0, length, _ROWS):
            # No target looks beyond the last one of its block.
            rows, past = slice(start, start + _ROWS), slice(min(start + _ROWS, length))
            seen = None if visible is None else visible[:, :, rows, None, past]
            estimate, attention, log_precision = self._targets(
                query[:, :, rows, :, None],
                key[..., past],
                value[..., past],
                lag[:, :, rows, None, past],
                dynamics,
                seen,
            )
            blocks.append((estimate, functional.pad(attention, (0, length - attention.shape[-1])), log_precision))
        return Combination(*(torch.cat(parts, 2) for parts in zip(*blocks, strict=True)))

    def _targets(
        self, query: Tensor, key: Tensor, value: Tensor, lag: Tensor, dynamics: Dynamics, visible: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """From queries (b, h, i, d, 1), keys and values (b, h, 1, d, j) and lags (., 1, i, 1, j)."""
        decay, covariance = dynamics.decay(lag), dynamics.covariance(lag)
        distance = (query.real - decay * key.real).square() + (query.imag - decay * key.imag).square()
        scaled = (distance / covariance).sum(-2, keepdim=True) / (self.nu(lag.dtype)[..., None] * key.shape[-2])
        log_weight = -(torch.log1p(scaled) if self.config.robust else scaled)
        logits = log_weight - covariance.log()
        weights = masked_softmax(logits, visible)
        carried = weights * decay
        estimate = torch.complex((carried * value.real).sum(-1), (carried * value.imag).sum(-1))
        return (estimate, weights.mean(-2), log_total(logits, visible))
