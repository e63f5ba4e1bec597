"""Dynamic convolution attention."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.errors import InputError
from zoo.nn.masks import masked_softmax, padding_mask
from zoo_seq2seq.location_relative_attention.alignment import Alignment, at_the_start
from zoo_seq2seq.location_relative_attention.config import DCAConfig

FLOOR = 1e-6
"""What the prior is at least."""


class DynamicConvolutionAttention(nn.Module):
    """Queries to weights over a text, each from those before it."""

    prior: Tensor

    def __init__(self, config: DCAConfig) -> None:
        super().__init__()
        self.config = config
        self.query = nn.Linear(config.query_dim, config.hidden_dim)
        self.filters = nn.Linear(config.hidden_dim, config.dynamic_channels * config.dynamic_kernel_size, bias=False)
        self.static = nn.Conv1d(
            1, config.static_channels, config.static_kernel_size, padding=config.static_kernel_size // 2, bias=False
        )
        self.from_static = nn.Linear(config.static_channels, config.hidden_dim, bias=False)
        self.from_dynamic = nn.Linear(config.dynamic_channels, config.hidden_dim)
        self.v = nn.Linear(config.hidden_dim, 1, bias=False)
        # Back to front, as published checkpoints have it: a cross-correlation then is the convolution.
        steps = beta_binomial(config.prior_length - 1, config.prior_alpha, config.prior_beta)
        self.register_buffer("prior", torch.tensor(steps[::-1]))

    def forward(self, queries: Tensor, alignment: Tensor, mask: Tensor | None = None) -> Tensor:
        """Step by step over given queries.

        Args:
            queries: (batch, steps, query_dim).
            alignment: (batch, source) before the first step.
            mask: boolean (batch, source), True for tokens of the text.

        Returns:
            Weights (batch, steps, source).

        Raises:
            InputError: queries or an alignment of another shape.
            MaskError: a mask of another shape or type.
        """
        if queries.ndim != 3 or queries.shape[-1] != self.config.query_dim:
            raise InputError(
                f"queries of shape {tuple(queries.shape)}; expected (batch, steps, {self.config.query_dim})"
            )
        if alignment.ndim != 2 or alignment.shape[0] != queries.shape[0]:
            raise InputError(f"alignment of shape {tuple(alignment.shape)}; expected ({queries.shape[0]}, source)")
        mask = padding_mask(mask, batch=alignment.shape[0], keys=alignment.shape[1], mechanism="dynamic convolution")
        state, weights = Alignment(alignment, mask), []
        for query in queries.unbind(1):
            state = self.step(query, state)
            weights.append(state.weights)
        return torch.stack(weights, 1) if weights else alignment.new_zeros(len(alignment), 0, alignment.shape[1])

    def first(self, memory: Tensor, mask: Tensor | None = None) -> Alignment:
        """All on token 0; of the memory (batch, source, width) only its length counts."""
        return Alignment(at_the_start(memory, mask), mask)

    def log_prior(self, weights: Tensor) -> Tensor:
        """Log-probabilities (batch, source) of where the prior goes from weights (batch, source), floored."""
        length = self.config.prior_length
        moved = (_windows(weights, length, length - 1) * self.prior.to(weights.dtype)).sum(-1)
        return moved.to(torch.promote_types(weights.dtype, torch.float32)).clamp(min=FLOOR).log()

    def step(self, query: Tensor, last: Alignment) -> Alignment:
        """Weigh every token anew."""
        config, weights = self.config, last.weights
        # By windows and matrices: kernels of convolutions are made anew for every length of text.
        around = _windows(weights, config.static_kernel_size, config.static_kernel_size // 2)
        static = functional.linear(around, self.static.weight[:, 0])
        filters = self.filters(self.query(query).tanh()).unflatten(-1, (config.dynamic_channels, -1))
        if config.dynamic_kernel_size != config.static_kernel_size:
            around = _windows(weights, config.dynamic_kernel_size, config.dynamic_kernel_size // 2)
        dynamic = torch.einsum("btk,bck->btc", around, filters)
        hidden = (self.from_static(static) + self.from_dynamic(dynamic)).tanh()
        # A product with a vector may round by where in memory the vector lies; a sum does not.
        energies = (hidden * self.v.weight[0]).sum(-1) + self.log_prior(weights)
        return replace(last, weights=masked_softmax(energies, last.mask).to(query.dtype))


def _windows(weights: Tensor, size: int, before: int) -> Tensor:
    """(batch, source, size): around every token, ``before`` tokens before it and the rest from it on; 0 outside."""
    return functional.pad(weights, (before, size - 1 - before)).unfold(1, size, 1)


def beta_binomial(n: int, alpha: float, beta: float) -> list[float]:
    """Probabilities of 0..n successes in n draws whose chance is Beta(alpha, beta)."""

    def log_beta(a: float, b: float) -> float:
        return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)

    return [
        math.exp(math.log(math.comb(n, k)) + log_beta(k + alpha, n - k + beta) - log_beta(alpha, beta))
        for k in range(n + 1)
    ]


def example(config: DCAConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Six queries over fourteen tokens, from the first on."""
    generator = torch.Generator().manual_seed(seed)
    alignment = torch.zeros(batch_size, 14)
    alignment[:, 0] = 1.0
    return {"queries": torch.randn(batch_size, 6, config.query_dim, generator=generator), "alignment": alignment}
