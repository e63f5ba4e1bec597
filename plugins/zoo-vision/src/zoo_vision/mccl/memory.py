"""The memory of consensus vectors, one for every class of groups."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.errors import InputError
from zoo_vision.mccl.config import MemoryConfig


class MemoryContrast(nn.Module):
    """Consensus vectors (groups, C) and their classes to a loss for every group."""

    slots: Tensor
    seen: Tensor

    def __init__(self, config: MemoryConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("slots", torch.zeros(config.num_classes, config.dim))
        self.register_buffer("seen", torch.zeros(config.num_classes, dtype=torch.bool))

    def _check(self, consensus: Tensor, classes: Tensor) -> None:
        config = self.config
        fits = consensus.ndim == 2 and consensus.shape[1] == config.dim and classes.shape == consensus.shape[:1]
        if not fits or classes.is_floating_point():
            raise InputError(
                f"consensus {list(consensus.shape)} and classes {list(classes.shape)} of {classes.dtype}; expected "
                f"(groups, {config.dim}) and integers (groups,) below {config.num_classes}"
            )

    def update(self, consensus: Tensor, classes: Tensor) -> None:
        """Move slots towards the consensus of their groups, one after the other; a new slot takes it whole."""
        self._check(consensus, classes)
        for vector, name in zip(consensus.detach().to(self.slots.dtype), classes.tolist(), strict=True):
            keep = self.config.momentum if self.seen[name] else 0.0
            self.slots[name] = functional.normalize(keep * self.slots[name] + (1 - keep) * vector, dim=0)
            self.seen[name] = True

    def forward(self, consensus: Tensor, classes: Tensor) -> Tensor:
        """-log softmax over the slots seen so far, at the group's own: (groups,), 0 where that was never seen."""
        self._check(consensus, classes)
        logits = consensus @ self.slots.to(consensus.dtype).mT / self.config.temperature
        known = self.seen[classes]
        # A finite number keeps gradients of rows without a known slot finite.
        hidden = logits.masked_fill(~self.seen, torch.finfo(logits.dtype).min)
        losses = hidden.logsumexp(1) - hidden.gather(1, classes[:, None])[:, 0]
        return torch.where(known, losses, 0.0)


def example(config: MemoryConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random consensus vectors of some classes."""
    generator = torch.Generator().manual_seed(seed)
    return {
        "consensus": torch.randn(batch_size, config.dim, generator=generator),
        "classes": torch.arange(batch_size) % config.num_classes,
    }
