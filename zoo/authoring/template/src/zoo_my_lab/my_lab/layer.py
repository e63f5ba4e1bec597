"""The drop-in layer: (batch, length, dim) to the same shape."""

import torch
from torch import Tensor, nn

from zoo.nn.attention import scores
from zoo.nn.heads import merge_heads, split_heads
from zoo.nn.masks import expand_mask, masked_softmax
from zoo_my_lab.my_lab.config import MyLabConfig


class MyLabAttention(nn.Module):
    """Attention with a temperature per head.

    Args:
        config: width, heads and direction.
    """

    def __init__(self, config: MyLabConfig) -> None:
        super().__init__()
        self.config = config
        self.qkv = nn.Linear(config.dim, 3 * config.dim, bias=False)
        self.out = nn.Linear(config.dim, config.dim, bias=False)
        self.temperature = nn.Parameter(torch.empty(config.num_heads))
        nn.init.ones_(self.temperature)

    def forward(self, x: Tensor, attn_mask: Tensor | None = None) -> Tensor:
        """Attend.

        Args:
            x: (batch, length, dim).
            attn_mask: boolean, True = visible; see ``zoo.nn.masks`` for its shapes.
        """
        batch, length, _ = x.shape
        heads = self.config.num_heads
        query, key, value = (split_heads(part, heads) for part in self.qkv(x).chunk(3, dim=-1))
        scale = self.temperature[:, None, None] * query.shape[-1] ** 0.5
        mask = expand_mask(
            attn_mask,
            batch=batch,
            heads=heads,
            queries=length,
            keys=length,
            causal=self.config.causal,
            device=x.device,
        )
        weights = masked_softmax(scores(query, key) / scale, mask)  # (batch, heads, queries, keys)
        return self.out(merge_heads(weights.to(value.dtype) @ value))


def example(config: MyLabConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random tokens."""
    return {"x": torch.randn(batch_size, 7, config.dim, generator=torch.Generator().manual_seed(seed))}
