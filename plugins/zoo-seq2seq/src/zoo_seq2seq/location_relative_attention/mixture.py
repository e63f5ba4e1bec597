"""GMM attention: a mixture of Gaussians whose means only move on."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.errors import InputError
from zoo_seq2seq.location_relative_attention.alignment import Alignment, at_the_start
from zoo_seq2seq.location_relative_attention.config import GMMConfig


@dataclass(frozen=True, eq=False)
class GMMOutput:
    """What the layer gives back.

    Args:
        alignments: (batch, steps, source); a step's sum is about 1 in V1 and V2 while the mixture lies inside the text.
        means: (batch, steps, mixtures) in tokens.
    """

    alignments: Tensor
    means: Tensor


class GMMAttention(nn.Module):
    """Queries to weights over a text, of which only the length is known."""

    def __init__(self, config: GMMConfig) -> None:
        super().__init__()
        self.config = config
        self.hidden = nn.Linear(config.query_dim, config.hidden_dim)
        self.output = nn.Linear(config.hidden_dim, 3 * config.num_mixtures)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """As torch's linear layers; the output's bias zero, or so that steps and widths are the config's."""
        config, exponential = self.config, self.config.version != "v2"
        deltas, sigmas = 0.0, 0.0
        if config.initial_delta is not None:
            deltas = math.log(config.initial_delta) if exponential else _softplus_inverse(config.initial_delta)
        if config.initial_sigma is not None:
            variance = config.initial_sigma**2
            sigmas = {"v0": -math.log(2 * variance), "v1": math.log(variance)}.get(
                config.version, _softplus_inverse(config.initial_sigma)
            )
        with torch.no_grad():
            for block, value in zip(self.output.bias.chunk(3), (0.0, deltas, sigmas), strict=True):
                block.fill_(value)

    def forward(self, queries: Tensor, mask: Tensor, means: Tensor | None = None) -> GMMOutput:
        """Step by step over given queries.

        Args:
            queries: (batch, steps, query_dim).
            mask: boolean (batch, source), True for tokens of the text.
            means: (batch, mixtures) before the first step; zero by default.

        Raises:
            InputError: queries of another shape, or a mask that is none.
        """
        if queries.ndim != 3 or queries.shape[-1] != self.config.query_dim:
            raise InputError(
                f"queries of shape {tuple(queries.shape)}; expected (batch, steps, {self.config.query_dim})"
            )
        if mask.dtype != torch.bool or mask.ndim != 2 or mask.shape[0] != queries.shape[0]:
            raise InputError(
                f"mask of {tuple(mask.shape)} and type {mask.dtype}; expected boolean ({queries.shape[0]}, source)"
            )
        state = self.first(queries.new_zeros(*mask.shape, 1), mask)
        if means is not None:
            state = replace(state, means=means)
        states = []
        for query in queries.unbind(1):
            state = self.step(query, state)
            states.append(state)
        if not states:
            return GMMOutput(
                queries.new_zeros(len(mask), 0, mask.shape[1]),
                queries.new_zeros(len(mask), 0, self.config.num_mixtures),
            )
        return GMMOutput(
            torch.stack([each.weights for each in states], 1),
            torch.stack([each.means for each in states if each.means is not None], 1),
        )

    def first(self, memory: Tensor, mask: Tensor | None = None) -> Alignment:
        """Means at token 0; of the memory (batch, source, width) only its length counts."""
        means = memory.new_zeros(memory.shape[0], self.config.num_mixtures)
        return Alignment(at_the_start(memory, mask), mask, means)

    def parameters_of(self, query: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Weights by which the bells are multiplied (w / Z), steps and widths, each (batch, mixtures)."""
        raw = self.output(self.hidden(query).tanh())
        # Densities of narrow bells and exponentials leave half precision soon.
        weights, deltas, sigmas = raw.to(torch.promote_types(raw.dtype, torch.float32)).chunk(3, -1)
        if self.config.version == "v0":
            return weights.exp(), deltas.exp(), ((-sigmas).exp() / 2).sqrt()
        if self.config.version == "v1":
            deltas, sigmas = deltas.exp(), sigmas.exp().sqrt()
        else:
            deltas, sigmas = functional.softplus(deltas), functional.softplus(sigmas)
        return weights.softmax(-1) / (math.sqrt(2 * math.pi) * sigmas.clamp(min=_NARROWEST)), deltas, sigmas

    def step(self, query: Tensor, last: Alignment) -> Alignment:
        """Move on, and weigh every token."""
        if last.means is None:
            raise InputError("this alignment has no means; take the one of `first`")
        weights, deltas, sigmas = self.parameters_of(query)
        means = last.means + deltas
        places = torch.arange(last.weights.shape[1], device=query.device, dtype=means.dtype)
        distances = (places - means[..., None]) / sigmas.clamp(min=_NARROWEST)[..., None]
        found = (weights[..., None] * (-(distances**2) / 2).exp()).sum(1)
        if last.mask is not None:
            found = found.masked_fill(~last.mask, 0.0)
        return replace(last, weights=found.to(query.dtype), means=means)


_NARROWEST = 1e-6
"""Tokens; a width that has become zero would be divided by."""


def _softplus_inverse(value: float) -> float:
    return value + math.log(-math.expm1(-value))


def example(config: GMMConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Six queries over fourteen tokens."""
    generator = torch.Generator().manual_seed(seed)
    return {
        "queries": torch.randn(batch_size, 6, config.query_dim, generator=generator),
        "mask": torch.ones(batch_size, 14, dtype=torch.bool),
    }
