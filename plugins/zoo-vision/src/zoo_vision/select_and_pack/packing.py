"""From chosen tokens of a batch to containers, and back."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor


@dataclass(frozen=True)
class Packing:
    """Where every token goes.

    Args:
        source: (containers, L) int64, the token (image * N + place) in each slot; B * N where a slot is padding.
        image: (containers, L) int64, the image of each slot; -1 where it is padding.
        slot: (B, N) int64, the slot (container * L + place) of each token; containers * L where it was not kept.
    """

    source: Tensor
    image: Tensor
    slot: Tensor

    @property
    def visible(self) -> Tensor:
        """(containers, L, L) bool: slots of one image see each other; padding sees itself, so that no row is empty."""
        same = (self.image[:, :, None] == self.image[:, None]) & (self.image >= 0)[:, None]
        return same | torch.eye(self.image.shape[1], dtype=torch.bool, device=self.image.device)


def pack(kept: Tensor, length: int, per_image: bool = False) -> Packing:
    """Give every kept token a slot.

    Args:
        kept: (B, N) bool.
        length: L, slots in a container.
        per_image: start a new container with every image.

    Returns:
        ceil(kept / L) containers; per image as many as the image with most tokens needs. Where shapes may not depend
        on numbers (traced programs, counted operations), there are as many as if all were kept.
    """
    batch, tokens = kept.shape
    fixed = _shapes_are_fixed(kept)
    if per_image:
        rank = kept.long().cumsum(1) - 1
        most = tokens if fixed or not kept.numel() else int(kept.sum(1).amax())
        containers = -(-most // length)
        slot = rank + torch.arange(batch, device=kept.device)[:, None] * containers * length
        containers = containers * batch
    else:
        slot = (kept.flatten().long().cumsum(0) - 1).view(batch, tokens)
        total = batch * tokens if fixed else int(kept.sum())
        # A multiple of the batch, where that is a symbol: a traced program cannot split a list by a rounded quotient.
        containers = batch * -(-tokens // length) if torch.compiler.is_compiling() else -(-total // length)
    slots = containers * length
    slot = torch.where(kept, slot, slots)
    nothing = batch * tokens
    everything = torch.arange(nothing, device=kept.device)
    source = torch.full((slots + 1,), nothing, device=kept.device).scatter(0, slot.flatten(), everything)[:slots]
    source = source.view(containers, length)
    image = torch.where(source < nothing, source // max(tokens, 1), -1)
    return Packing(source, image, slot)


def _shapes_are_fixed(tensor: Tensor) -> bool:
    return torch.compiler.is_compiling() or tensor.device.type == "meta" or isinstance(tensor, FakeTensor)


def gathered(tokens: Tensor, packing: Packing) -> Tensor:
    """(B, N, C) to containers (containers, L, C), zeros in padding."""
    rows = tokens.flatten(0, 1)
    return torch.cat((rows, rows.new_zeros(1, rows.shape[1])))[packing.source]


def scattered(containers: Tensor, packing: Packing) -> Tensor:
    """(containers, L, C) back to (B, N, C), zeros where a token was not kept."""
    rows = containers.flatten(0, 1)
    return torch.cat((rows, rows.new_zeros(1, rows.shape[1])))[packing.slot]
