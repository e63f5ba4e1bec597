"""The write step."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from zoo.nn.masks import padding_mask
from zoo_seq2seq.scratchpad.config import WriteConfig


@dataclass(frozen=True, eq=False)
class Written:
    """A memory after a step.

    Args:
        memory: (batch, source, memory_dim).
        gate: (batch, source) what stayed; 1 at padding.
        update: (batch, memory_dim) what was written.
    """

    memory: Tensor
    gate: Tensor
    update: Tensor


class ScratchpadWrite(nn.Module):
    """A state and a context write into a memory."""

    def __init__(self, config: WriteConfig) -> None:
        super().__init__()
        self.config = config
        state, memory = config.state_dim, config.memory_dim
        self.update = nn.Linear(state + memory, memory)
        width = config.gate_dim or memory
        self.gate: nn.Module | None = None
        if config.gate == "mlp":
            self.gate = nn.Sequential(nn.Linear(state + 2 * memory, width), nn.Tanh(), nn.Linear(width, 1))
        elif config.gate == "linear":
            self.gate = nn.Sequential(nn.Linear(state + 2 * memory, 1))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """As torch's linear layers; the gate's last bias says that the memory stays."""
        if self.gate is not None:
            nn.init.constant_(self.gate[-1].bias, self.config.gate_bias)  # type: ignore[index]

    def forward(self, state: Tensor, context: Tensor, memory: Tensor, mask: Tensor | None = None) -> Written:
        """Write.

        Args:
            state: (batch, state_dim).
            context: (batch, memory_dim).
            memory: (batch, source, memory_dim).
            mask: boolean (batch, source), True for places that may change.

        Raises:
            MaskError: a mask of another shape or type.
        """
        mask = padding_mask(mask, batch=memory.shape[0], keys=memory.shape[1], mechanism="a scratchpad")
        both = torch.cat((state, context), -1)
        update = self.update(both).tanh()
        if self.gate is None:
            return Written(memory, torch.ones_like(memory[..., 0]), update)
        places = torch.cat((both[:, None].expand(-1, memory.shape[1], -1), memory), -1)
        gate = self.gate(places)[..., 0].sigmoid()
        if mask is not None:
            gate = gate.masked_fill(~mask, 1.0)
        kept = gate[..., None]
        return Written(kept * memory + (1 - kept) * update[:, None], gate, update)


def example(config: WriteConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """A memory of six places."""
    generator = torch.Generator().manual_seed(seed)
    return {
        "state": torch.randn(batch_size, config.state_dim, generator=generator),
        "context": torch.randn(batch_size, config.memory_dim, generator=generator),
        "memory": torch.randn(batch_size, 6, config.memory_dim, generator=generator),
    }
