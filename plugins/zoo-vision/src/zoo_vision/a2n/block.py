"""Attention in attention: two branches, and a small network that weighs them for each image."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from zoo_vision.a2n.config import A2NConfig

SLOPE = 0.2


def leaky(x: Tensor) -> Tensor:
    """Every activation between convolutions."""
    return functional.leaky_relu(x, SLOPE)


class PixelAttention(nn.Module):
    """x * sigmoid(conv1x1(x)): a gate for every pixel and channel."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(dim, dim, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, dim, height, width) to the same shape."""
        return x * self.conv(x).sigmoid()


class AttentionBranch(nn.Module):
    """k4(k3(x) * sigmoid(k2(lrelu(k1(x)))))."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.k1 = nn.Conv2d(dim, dim, 3, padding=1, bias=False)
        self.k2 = nn.Conv2d(dim, dim, 1)
        self.k3 = nn.Conv2d(dim, dim, 3, padding=1, bias=False)
        self.k4 = nn.Conv2d(dim, dim, 3, padding=1, bias=False)

    def attention_map(self, x: Tensor) -> Tensor:
        """The gate, (batch, dim, height, width) in (0, 1)."""
        return self.k2(leaky(self.k1(x))).sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        """(batch, dim, height, width) to the same shape."""
        return self.k4(self.k3(x) * self.attention_map(x))


class AttentionInAttention(nn.Module):
    """One block."""

    def __init__(self, config: A2NConfig) -> None:
        super().__init__()
        dim, kernel = config.dim, config.plain_kernel
        self.temperature = config.temperature
        self.conv_first = nn.Conv2d(dim, dim, 1, bias=False)
        self.attention = AttentionBranch(dim)
        self.non_attention = nn.Conv2d(dim, dim, kernel, padding=kernel // 2, bias=False)
        hidden = dim // config.reduction
        self.ADM = nn.Sequential(nn.Linear(dim, hidden, bias=False), nn.ReLU(), nn.Linear(hidden, 2, bias=False))
        self.conv_last = nn.Conv2d(dim, dim, 1, bias=False)

    def branch_weights(self, x: Tensor) -> Tensor:
        """Shares of attention and of none, (batch, 2), from (batch, dim, height, width) after ``conv_first``."""
        return (self.ADM(x.mean((2, 3))) / self.temperature).softmax(-1)

    def forward(self, residual: Tensor, weights: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The block's output and the weights of its branches.

        Args:
            residual: (batch, dim, height, width).
            weights: (batch, 2) to use in place of the block's own.
        """
        x = leaky(self.conv_first(residual))
        if weights is None:
            weights = self.branch_weights(x)
        attended, plain = weights[:, :, None, None, None].to(x.dtype).unbind(1)
        x = leaky(attended * self.attention(x) + plain * self.non_attention(x))
        return self.conv_last(x) + residual, weights
