"""Partial self-attention: half of the channels attend to the whole map."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zoo.errors import InputError
from zoo.nn.attention import scores
from zoo_vision.yolo9tr.blocks import Conv
from zoo_vision.yolo9tr.config import PartialSelfAttentionConfig


class MapAttention(nn.Module):
    """Softmax attention of all pixels to all, with a 3 x 3 depthwise convolution of the values as positional term.

    Args:
        dim: width, a multiple of ``num_heads``.
        num_heads: heads.
        attn_ratio: width of a head's queries and keys over that of its values.
        eps: of the batch norms.
    """

    def __init__(self, dim: int, num_heads: int, attn_ratio: float, eps: float) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.head_dim = dim // num_heads
        self.key_dim = int(self.head_dim * attn_ratio)
        self.qkv = Conv(dim, dim + 2 * num_heads * self.key_dim, active=False, eps=eps)
        self.proj = Conv(dim, dim, active=False, eps=eps)
        self.pe = Conv(dim, dim, 3, groups=dim, active=False, eps=eps)

    def split(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(batch, dim, H, W) to queries, keys (batch, heads, H W, key_dim), values (batch, heads, H W, head_dim)."""
        heads = self.qkv(x).flatten(2).unflatten(1, (self.num_heads, 2 * self.key_dim + self.head_dim))
        # Split, then turned: second derivatives of a batch norm are wrong in torch where its gradient comes turned.
        query, key, value = heads.split((self.key_dim, self.key_dim, self.head_dim), 2)
        return query.mT, key.mT, value.mT

    def weights(self, query: Tensor, key: Tensor) -> Tensor:
        """Attention (batch, heads, H W, H W); rows, of queries, sum to 1."""
        return (scores(query, key) * self.key_dim**-0.5).softmax(-1)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, dim, H, W) to the same shape; no shortcut."""
        query, key, value = self.split(x)
        attended = self.weights(query, key).to(value.dtype) @ value
        as_maps = [tokens.mT.flatten(1, 2).unflatten(2, x.shape[2:]) for tokens in (attended, value)]
        return self.proj(as_maps[0] + self.pe(as_maps[1]))


class PartialSelfAttention(nn.Module):
    """Attention and a feed-forward network on one part of the channels; the other passes by."""

    def __init__(self, config: PartialSelfAttentionConfig) -> None:
        super().__init__()
        self.config = config
        half, eps = config.attending, config.eps
        self.cv1 = Conv(config.dim, 2 * half, eps=eps)
        self.cv2 = Conv(2 * half, config.dim, eps=eps)
        self.attn = MapAttention(half, config.num_heads, config.attn_ratio, eps)
        self.ffn = nn.Sequential(Conv(half, 2 * half, eps=eps), Conv(2 * half, half, active=False, eps=eps))

    def forward(self, x: Tensor) -> Tensor:
        """Attend.

        Args:
            x: (batch, dim, H, W), any sides.

        Returns:
            The same shape.
        """
        if x.ndim != 4 or x.shape[1] != self.config.dim:
            raise InputError(f"x {list(x.shape)}; expected (batch, {self.config.dim}, height, width)")
        passing, part = self.cv1(x).chunk(2, 1)
        part = part + self.attn(part)
        part = part + self.ffn(part)
        return self.cv2(torch.cat((passing, part), 1))


def example(config: PartialSelfAttentionConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """A random map with odd sides."""
    generator = torch.Generator().manual_seed(seed)
    return {"x": torch.randn(batch_size, config.dim, 5, 7, generator=generator)}


def paper_input(config: PartialSelfAttentionConfig) -> dict[str, Tensor]:
    """The map of stride 32 of one 640 x 640 image: 400 tokens."""
    return {"x": torch.empty(1, config.dim, 20, 20)}
