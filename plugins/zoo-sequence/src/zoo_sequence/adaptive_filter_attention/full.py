"""The general layer: every feature has a decay and a noise of its own."""

from __future__ import annotations

import torch

from zoo.nn.masks import masked_softmax
from zoo_sequence.adaptive_filter_attention.config import FullFilterConfig
from zoo_sequence.adaptive_filter_attention.layer import (
    Combination,
    FilterLayer,
    Operands,
    log_total,
)


class FullAdaptiveFilterAttention(FilterLayer):
    """The anisotropic layer: precision-weighted least squares per feature; time grows with length^2 features.

    With P_ij = 1 / V(t_i - t_j) per feature and m_ij = sum over features of |q_i - e^{lambda dt} k_j|^2 P_ij,

        w_ij = 1 / (1 + m_ij / (nu d_h))    or    exp(-m_ij / (nu d_h))
        est_i = (sum_j w_ij P_ij)^-1 sum_j w_ij P_ij e^{lambda dt} v_j

    which is, feature by feature, a softmax of log w - log V. Targets are taken a few at a time.
    """

    rows = 16

    def __init__(self, config: FullFilterConfig) -> None:
        super().__init__(config, per_feature=True)

    def combine(self, operands: Operands) -> Combination:
        """Weigh every feature by its own precision."""
        query, key, value, lag, _, dynamics, visible = operands
        # (batch, heads, i, d, j)
        query, (key, value) = query[..., None], (z.transpose(-1, -2).unsqueeze(2) for z in (key, value))
        lag = lag.unsqueeze(-2)
        visible = None if visible is None else visible.unsqueeze(-2)
        decay, covariance = dynamics.decay(lag), dynamics.covariance(lag)
        distance = (query.real - decay * key.real).square() + (query.imag - decay * key.imag).square()
        scaled = (distance / covariance).sum(-2, keepdim=True) / (self.nu(lag.dtype)[..., None] * key.shape[-2])
        log_weight = -(torch.log1p(scaled) if self.config.robust else scaled)
        logits = log_weight - covariance.log()
        weights = masked_softmax(logits, visible)
        carried = weights * decay
        estimate = torch.complex((carried * value.real).sum(-1), (carried * value.imag).sum(-1))
        return Combination(estimate, weights.mean(-2), log_total(logits, visible))
