"""Inference with latent nodes: marginalise the structure, move the latents uphill. Every gradient is an attention.

With L(z) = log sum_phi p(phi) p(x, z | phi) the gradient is dL/dz = E_{p(phi | x, z)} [ d log p(x, z | phi) / dz ]:

    hopfield    one latent y chooses a pattern:      y <- sum_i softmax_i(beta x_i.y) x_i
    slots       observations choose a latent:        z_k <- sum_j a_kj x_j / sum_j a_kj   (EM of a mixture)
    pcn         observations choose a cause f_i(z):  z <- z + step sum_ij a_ij e_ij / s_i^2 df_i/dz,  e_ij = x_j - f_i
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from zoo.nn.mlp import MLP
from zoo_sequence.marginal_attention.config import IterativeAttentionConfig


def hopfield_step(state: Tensor, patterns: Tensor, beta: float) -> Tensor:
    """y <- sum_i softmax_i(beta x_i . y) x_i for states (..., d) and patterns (M, d)."""
    return (beta * state @ patterns.T).softmax(-1) @ patterns


def hopfield_energy(state: Tensor, patterns: Tensor, beta: float) -> Tensor:
    """-1/beta log sum_i exp(beta x_i . y) + |y|^2 / 2, (...)."""
    return -(beta * state @ patterns.T).logsumexp(-1) / beta + state.square().sum(-1) / 2


def slot_log_likelihood(inputs: Tensor, slots: Tensor, variance: float) -> Tensor:
    """sum_j log sum_k 1/K exp(-|x_j - z_k|^2 / 2 s^2), without the Gaussian constant; (...)."""
    squares = torch.cdist(inputs, slots).square()
    return ((-squares / (2 * variance)).logsumexp(-1) - math.log(slots.shape[-2])).sum(-1)


def slot_step(inputs: Tensor, slots: Tensor, variance: float, prior_variance: float = 0.0) -> Tensor:
    """Each observation chooses among slots; each slot moves to the mean of what chose it (EM)."""
    responsibility = (-torch.cdist(inputs, slots).square() / (2 * variance)).softmax(-1)
    extra = variance / prior_variance if prior_variance else 0.0
    mass = responsibility.sum(-2)[..., None] + extra
    return responsibility.transpose(-1, -2) @ inputs / mass.clamp(min=1e-12)


class IterativeAttention(nn.Module):
    """Latent nodes moved uphill on the marginal likelihood.

    ``inputs`` (batch, N, dim) are patterns (hopfield), observations (slots) or targets (pcn); ``state`` is the start:
    (batch, dim) for hopfield and pcn, (batch, K, dim) for slots.
    """

    def __init__(self, config: IterativeAttentionConfig) -> None:
        super().__init__()
        self.config = config
        dim = config.dim
        if config.form == "learned-slots":
            self.norm_inputs, self.norm_slots = nn.LayerNorm(dim), nn.LayerNorm(dim)
            self.q_proj = nn.Linear(dim, dim, bias=False)
            self.k_proj = nn.Linear(dim, dim, bias=False)
            self.v_proj = nn.Linear(dim, dim, bias=False)
            self.gru = nn.GRUCell(dim, dim)
            self.norm_mlp, self.mlp = nn.LayerNorm(dim), MLP(dim, 2 * dim, activation="relu")
        if config.form == "pcn":
            self.causes = nn.Linear(dim, config.num_slots * dim)
            self.log_scale = nn.Parameter(torch.empty(config.num_slots))
            self.log_prior = nn.Parameter(torch.empty(config.num_slots))
            nn.init.zeros_(self.log_scale)
            nn.init.zeros_(self.log_prior)

    def forward(self, inputs: Tensor, state: Tensor) -> Tensor:
        """``iterations`` updates of the state."""
        for _ in range(self.config.iterations):
            state = self.update(inputs, state)
        return state

    def update(self, inputs: Tensor, state: Tensor) -> Tensor:
        """One update."""
        config = self.config
        if config.form == "hopfield":
            scores = (config.hopfield_beta * inputs @ state[..., None])[..., 0]
            return (scores.softmax(-1)[..., None, :] @ inputs)[..., 0, :]
        if config.form == "slots":
            return slot_step(inputs, state, config.slot_variance, config.prior_variance)
        return self._learned(inputs, state) if config.form == "learned-slots" else self._predictive(inputs, state)

    def _learned(self, inputs: Tensor, slots: Tensor) -> Tensor:
        normed = self.norm_inputs(inputs)
        query = self.q_proj(self.norm_slots(slots))
        scores = self.k_proj(normed) @ query.transpose(-1, -2) / math.sqrt(query.shape[-1])
        responsibility = scores.softmax(-1) + 1e-8
        responsibility = responsibility / responsibility.sum(-2, keepdim=True)
        update = responsibility.transpose(-1, -2) @ self.v_proj(normed)
        moved = self.gru(update.flatten(0, 1), slots.flatten(0, 1)).view_as(slots)
        return moved + self.mlp(self.norm_mlp(moved))

    def predictions(self, state: Tensor) -> Tensor:
        """What every cause predicts, f_i(z) (batch, K, dim), linear in z."""
        return self.causes(state).unflatten(-1, (self.config.num_slots, self.config.dim))

    def precisions(self, inputs: Tensor, state: Tensor) -> Tensor:
        """Posterior over causes (batch, N, K): softmax of log p - e^2 / 2 s^2 - log s, e the prediction errors."""
        return self._log_joint(inputs, state).softmax(-1)

    def log_likelihood(self, inputs: Tensor, state: Tensor) -> Tensor:
        """sum_j log sum_i p_i exp(-e_ij^2 / 2 s_i^2) / s_i, without the Gaussian constant; (batch,)."""
        return (self._log_joint(inputs, state).logsumexp(-1) - self.log_prior.logsumexp(-1)).sum(-1)

    def _log_joint(self, inputs: Tensor, state: Tensor) -> Tensor:
        squares = (inputs[..., :, None, :] - self.predictions(state)[..., None, :, :]).square().sum(-1)
        return self.log_prior - squares / (2 * (2 * self.log_scale).exp()) - self.log_scale

    def _predictive(self, inputs: Tensor, state: Tensor) -> Tensor:
        precision = self.precisions(inputs, state) / (2 * self.log_scale).exp()
        # sum_j a_ij e_ij / s_i^2, (batch, K, dim)
        pull = precision.transpose(-1, -2) @ inputs - precision.sum(-2)[..., None] * self.predictions(state)
        return state + self.config.step * (pull.flatten(-2) @ self.causes.weight)


def iterative_example(config: IterativeAttentionConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random inputs and a random start."""
    generator = torch.Generator().manual_seed(seed)
    slots = config.form in ("slots", "learned-slots")
    shape = (batch_size, config.num_slots, config.dim) if slots else (batch_size, config.dim)
    return {
        "inputs": torch.randn(batch_size, 10, config.dim, generator=generator),
        "state": torch.randn(*shape, generator=generator),
    }
