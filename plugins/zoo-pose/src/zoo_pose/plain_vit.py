"""The plain vision transformer as a trunk: one map of stride 16.

Dosovitskiy et al., "An Image is Worth 16x16 Words", arXiv 2010.11929; without class token and classifier.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zoo.errors import InputError
from zoo.nn.patch_embed import PatchEmbed
from zoo_pose.blocks import Block

PATCH = 16
BASE = (768, 12, 12)
"""Width, blocks and heads of the base size."""


class PlainViT(nn.Module):
    """Images (batch, 3, height, width) of one size to a map (batch, dim, height / 16, width / 16).

    Args:
        height, width: of the images, which the learnt positions are for.
        dim, depth, num_heads: of the transformer.
    """

    def __init__(self, height: int, width: int, dim: int, depth: int, num_heads: int) -> None:
        super().__init__()
        self.sides = height, width
        self.patch_embed = PatchEmbed(PATCH, dim)
        self.pos_embed = nn.Parameter(torch.empty(1, (height // PATCH) * (width // PATCH), dim))
        nn.init.trunc_normal_(self.pos_embed, std=0.02)
        self.blocks = nn.Sequential(*(Block(dim, num_heads, 4.0) for _ in range(depth)))
        self.last_norm = nn.LayerNorm(dim, eps=1e-6)

    def maps(self, images: Tensor) -> list[Tensor]:
        """The one map.

        Raises:
            InputError: images of another size.
        """
        if tuple(images.shape[2:]) != self.sides:
            raise InputError(
                f"images {list(images.shape)}; the positions of this trunk are for {self.sides[0]} x {self.sides[1]} "
                "pixels: resize, or set height and width"
            )
        x = self.last_norm(self.blocks(self.patch_embed(images) + self.pos_embed))
        return [x.transpose(1, 2).unflatten(2, (self.sides[0] // PATCH, self.sides[1] // PATCH))]
