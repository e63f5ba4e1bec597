"""One head as a memory that is written and read by hand."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zoo.errors import InputError
from zoo_sequence.pavlovian_attention.config import MemoryConfig
from zoo_sequence.pavlovian_attention.rules import Plasticity


class AssociativeMemory(nn.Module):
    """One head as a memory: ``write`` pairs, ``read`` queries, and the theory of what it holds.

    Its state is a buffer, so that a trained memory is saved and loaded like any weights. As a module it maps
    queries (..., d_k) to responses (..., d_v).
    """

    def __init__(self, config: MemoryConfig) -> None:
        super().__init__()
        eta = config.eta or (0.5 if config.rule == "delta" else 1.0)
        self.config = config
        self.plasticity = Plasticity(
            config.rule, eta, config.decay, config.oja_alpha, config.bcm_rho, config.homeostatic
        )
        self.state: Tensor
        self.theta: Tensor
        self.register_buffer("state", torch.zeros(config.value_dim, config.key_dim))
        self.register_buffer("theta", torch.zeros(config.value_dim))

    def reset(self) -> None:
        """Forget everything."""
        self.state.zero_()
        self.theta.zero_()

    def write(self, keys: Tensor, values: Tensor) -> None:
        """Present pairs in order: keys (n, d_k), values (n, d_v)."""
        expected = ((keys.shape[0], self.config.key_dim), (keys.shape[0], self.config.value_dim))
        if (tuple(keys.shape), tuple(values.shape)) != expected:
            raise InputError(f"keys {tuple(keys.shape)} and values {tuple(values.shape)}; expected {expected}")
        for key, value in zip(keys.to(self.state), values.to(self.state), strict=True):
            self.state, self.theta = self.plasticity.write(self.state, key, value, self.theta)

    def read(self, queries: Tensor) -> Tensor:
        """Responses (..., d_v) to queries (..., d_k)."""
        return queries.to(self.state) @ self.state.T

    forward = read


def memory_example(config: MemoryConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random queries."""
    generator = torch.Generator().manual_seed(seed)
    return {"queries": torch.randn(batch_size, config.key_dim, generator=generator)}
