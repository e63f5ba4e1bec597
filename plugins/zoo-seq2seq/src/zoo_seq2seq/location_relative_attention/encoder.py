"""Pre-nets, and the CBHG encoder: convolution bank, highway layers, bidirectional GRU."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo_seq2seq import recurrent
from zoo_seq2seq.location_relative_attention.config import TacotronConfig


class PreNet(nn.Module):
    """Two linear layers with ReLU and dropout; ``fixed`` keeps dropout on in inference."""

    def __init__(self, input_dim: int, hidden_dim: int, dim: int, dropout: float, *, fixed: bool = False) -> None:
        super().__init__()
        self.first = nn.Linear(input_dim, hidden_dim)
        self.second = nn.Linear(hidden_dim, dim)
        self.dropout = dropout
        self.fixed = fixed

    def forward(self, x: Tensor) -> Tensor:
        """(..., input_dim) to (..., dim)."""
        on = self.training or self.fixed
        x = functional.dropout(self.first(x).relu(), self.dropout, on)
        return functional.dropout(self.second(x).relu(), self.dropout, on)


class ConvolutionNorm(nn.Module):
    """Convolution, ReLU where asked, and then batch norm; as many places as went in."""

    def __init__(self, input_dim: int, dim: int, size: int, *, relu: bool = True) -> None:
        super().__init__()
        self.conv = nn.Conv1d(input_dim, dim, size, padding=size // 2, bias=False)
        self.norm = nn.BatchNorm1d(dim)
        self.relu = relu

    def forward(self, x: Tensor) -> Tensor:
        """(batch, input_dim, length) to (batch, dim, length)."""
        # Filters with an even number of taps give one place more.
        y = self.conv(x)[..., : x.shape[-1]]
        found: Tensor = self.norm(y.relu() if self.relu else y)
        return found


class Highway(nn.Module):
    """y = g relu(L1 x) + (1 - g) x with g = sigmoid(L2 x)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.transform = nn.Linear(dim, dim)
        self.gate = nn.Linear(dim, dim)
        nn.init.zeros_(self.transform.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(..., dim) to the same shape."""
        gate = self.gate(x).sigmoid()
        return gate * self.transform(x).relu() + (1 - gate) * x


class CBHG(nn.Module):
    """A sequence (batch, length, encoder_prenet_dim) to a memory (batch, length, memory_dim)."""

    def __init__(self, config: TacotronConfig) -> None:
        super().__init__()
        dim, channels = config.encoder_prenet_dim, config.bank_channels
        self.bank = nn.ModuleList(ConvolutionNorm(dim, channels, size + 1) for size in range(config.bank_size))
        self.pool = nn.MaxPool1d(2, stride=1, padding=1)
        self.projections = nn.ModuleList(
            (
                ConvolutionNorm(config.bank_size * channels, config.projection_channels, 3),
                ConvolutionNorm(config.projection_channels, dim, 3, relu=False),
            )
        )
        self.widen = nn.Linear(dim, config.highway_dim, bias=False) if dim != config.highway_dim else None
        self.highways = nn.ModuleList(Highway(config.highway_dim) for _ in range(config.num_highways))
        self.rnn = recurrent.GRU(config.highway_dim, config.encoder_rnn_dim, bidirectional=True)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Encode; each sequence, its real places first, as if it were alone (but for batch norm in training)."""

        def real(y: Tensor) -> Tensor:
            return y if mask is None else y.masked_fill(~mask[:, None], 0.0)

        x = real(x.transpose(1, 2))
        y = torch.cat([conv(x) for conv in self.bank], 1)
        y = real(self.pool(y)[..., : x.shape[-1]])
        for projection in self.projections:
            y = real(projection(y))
        y = (x + y).transpose(1, 2)
        if self.widen is not None:
            y = self.widen(y)
        for highway in self.highways:
            y = highway(y)
        memory, _ = recurrent.run(self.rnn, y, mask)
        return memory


class Encoder(nn.Module):
    """Symbols to a memory."""

    def __init__(self, config: TacotronConfig) -> None:
        super().__init__()
        self.embedding = nn.Embedding(config.num_symbols, config.embedding_dim)
        self.prenet = PreNet(
            config.embedding_dim,
            config.encoder_prenet_hidden,
            config.encoder_prenet_dim,
            config.encoder_prenet_dropout,
            fixed=config.prenet_fixed,
        )
        self.cbhg = CBHG(config)

    def forward(self, ids: Tensor, mask: Tensor | None = None) -> Tensor:
        """Ids (batch, source) to (batch, source, memory_dim)."""
        memory: Tensor = self.cbhg(self.prenet(self.embedding(ids)), mask)
        return memory
