"""Conformer layers around either mixer."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from zoo_seq2seq.confhyena.config import ConfHyenaConfig
from zoo_seq2seq.confhyena.hyena import HyenaOperator
from zoo_seq2seq.confhyena.relative import ShiftedRelativeAttention


class FeedForward(nn.Module):
    """LayerNorm, Linear, SiLU, Linear."""

    def __init__(self, dim: int, hidden_dim: int, dropout: float) -> None:
        super().__init__()
        self.layernorm = nn.LayerNorm(dim)
        self.first_linear = nn.Linear(dim, hidden_dim)
        self.second_linear = nn.Linear(hidden_dim, dim)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(B, L, dim) to the same."""
        hidden = self.drop(functional.silu(self.first_linear(self.layernorm(x))))
        found: Tensor = self.drop(self.second_linear(hidden))
        return found


class ConvModule(nn.Module):
    """Gated pointwise, depthwise and pointwise convolution; padding is zero throughout."""

    def __init__(self, dim: int, kernel: int, dropout: float) -> None:
        super().__init__()
        self.layernorm = nn.LayerNorm(dim)
        self.first_pointwise_conv1d = nn.Conv1d(dim, 2 * dim, 1)
        self.depthwise_conv1d = nn.Conv1d(dim, dim, kernel, padding=kernel // 2, groups=dim, bias=False)
        self.batchnorm = nn.BatchNorm1d(dim)
        self.second_pointwise_conv1d = nn.Conv1d(dim, dim, 1)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """x (B, L, dim), real frames (B, L)."""
        hidden = ~mask[:, None]
        x = functional.glu(self.first_pointwise_conv1d(self.layernorm(x).mT), 1).masked_fill(hidden, 0.0)
        x = self.batchnorm(self.depthwise_conv1d(x).masked_fill(hidden, 0.0)).masked_fill(hidden, 0.0)
        x = self.second_pointwise_conv1d(functional.silu(x)).masked_fill(hidden, 0.0)
        found: Tensor = self.drop(x.mT)
        return found


class NormedAttention(nn.Module):
    """LayerNorm before relative attention, dropout after: what the Hyena operator goes without."""

    def __init__(self, dim: int, num_heads: int, dropout: float) -> None:
        super().__init__()
        self.layer_norm = nn.LayerNorm(dim)
        self.attention = ShiftedRelativeAttention(dim, num_heads, dropout)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """x (B, L, dim), real frames (B, L)."""
        found: Tensor = self.drop(self.attention(self.layer_norm(x), mask))
        return found


class ConformerLayer(nn.Module):
    """x + FF/2, + mixer, + convolution, + FF/2, LayerNorm."""

    def __init__(self, config: ConfHyenaConfig, *, hyena: bool) -> None:
        super().__init__()
        dim, dropout = config.dim, config.dropout
        self.factor = 0.5 if config.half_step else 1.0
        self.first_feed_forward = FeedForward(dim, config.hidden_mult * dim, dropout)
        self.attention: nn.Module
        if hyena:
            self.attention = HyenaOperator(config.hyena())
        else:
            self.attention = NormedAttention(dim, config.num_heads, dropout)
        self.conv_module = ConvModule(dim, config.conv_kernel, dropout)
        self.second_feed_forward = FeedForward(dim, config.hidden_mult * dim, dropout)
        self.layernorm = nn.LayerNorm(dim)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """x (B, L, dim), real frames (B, L)."""
        x = x + self.factor * self.first_feed_forward(x)
        x = x + self.attention(x, mask)
        x = x + self.conv_module(x, mask)
        x = x + self.factor * self.second_feed_forward(x)
        found: Tensor = self.layernorm(x)
        return found
