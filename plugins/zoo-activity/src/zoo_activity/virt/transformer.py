"""DETR's encoder and decoder, post-norm."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.nn.attention import dense_attention
from zoo.nn.heads import merge_heads, split_heads
from zoo_activity.virt.config import VIRTConfig


class Attention(nn.Module):
    """Multi-head attention under the parameter names of ``nn.MultiheadAttention``; empty batches work, too."""

    def __init__(self, config: VIRTConfig) -> None:
        super().__init__()
        dim = config.dim
        self.num_heads, self.dropout = config.num_heads, config.dropout
        self.in_proj_weight = nn.Parameter(torch.empty(3 * dim, dim))
        self.in_proj_bias = nn.Parameter(torch.empty(3 * dim))
        self.out_proj = nn.Linear(dim, dim)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """As torch's."""
        nn.init.xavier_uniform_(self.in_proj_weight)
        nn.init.zeros_(self.in_proj_bias)
        nn.init.zeros_(self.out_proj.bias)

    def forward(self, query: Tensor, key: Tensor, value: Tensor, hidden: Tensor | None = None) -> Tensor:
        """(B, Q, D) of (B, K, D); ``hidden`` (B, K) is True for padding."""
        parts = zip((query, key, value), self.in_proj_weight.chunk(3), self.in_proj_bias.chunk(3), strict=True)
        query, key, value = (split_heads(functional.linear(*part), self.num_heads) for part in parts)
        mask = None if hidden is None else ~hidden[:, None, None]
        drop = self.dropout if self.training else 0.0
        return self.out_proj(merge_heads(dense_attention(query, key, value, mask, dropout=drop)))


class EncoderLayer(nn.Module):
    """Attention within the memory, then a feed-forward network."""

    def __init__(self, config: VIRTConfig) -> None:
        super().__init__()
        dim = config.dim
        self.self_attn = Attention(config)
        self.linear1 = nn.Linear(dim, config.hidden_dim)
        self.linear2 = nn.Linear(config.hidden_dim, dim)
        self.norm1 = nn.LayerNorm(dim)
        self.norm2 = nn.LayerNorm(dim)
        self.drop = nn.Dropout(config.dropout)

    def forward(self, memory: Tensor, position: Tensor, hidden: Tensor) -> Tensor:
        """(B, M, D) to the same shape; ``hidden`` (B, M) is True for padding."""
        asked = memory + position
        found = self.self_attn(asked, asked, memory, hidden)
        memory = self.norm1(memory + self.drop(found))
        found = self.linear2(self.drop(self.linear1(memory).relu()))
        return self.norm2(memory + self.drop(found))


class DecoderLayer(nn.Module):
    """Attention among the queries, attention to the memory, a feed-forward network."""

    def __init__(self, config: VIRTConfig) -> None:
        super().__init__()
        dim = config.dim
        self.self_attn = Attention(config)
        self.multihead_attn = Attention(config)
        self.linear1 = nn.Linear(dim, config.hidden_dim)
        self.linear2 = nn.Linear(config.hidden_dim, dim)
        self.norm1 = nn.LayerNorm(dim)
        self.norm2 = nn.LayerNorm(dim)
        self.norm3 = nn.LayerNorm(dim)
        self.drop = nn.Dropout(config.dropout)

    def forward(self, content: Tensor, query: Tensor, memory: Tensor, key: Tensor, hidden: Tensor) -> Tensor:
        """Content and query positions (B, Q, D), memory and memory with positions (B, M, D): (B, Q, D)."""
        asked = content + query
        found = self.self_attn(asked, asked, content)
        content = self.norm1(content + self.drop(found))
        found = self.multihead_attn(content + query, key, memory, hidden)
        content = self.norm2(content + self.drop(found))
        found = self.linear2(self.drop(self.linear1(content).relu()))
        return self.norm3(content + self.drop(found))


class Encoder(nn.Module):
    """A stack of layers, without a last norm."""

    def __init__(self, config: VIRTConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(EncoderLayer(config) for _ in range(config.encoder_layers))

    def forward(self, memory: Tensor, position: Tensor, hidden: Tensor) -> Tensor:
        """(B, M, D) to the same shape."""
        for layer in self.layers:
            memory = layer(memory, position, hidden)
        return memory


class Decoder(nn.Module):
    """A stack of layers; one norm serves the output of each."""

    def __init__(self, config: VIRTConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(DecoderLayer(config) for _ in range(config.decoder_layers))
        self.norm = nn.LayerNorm(config.dim)

    def forward(self, query: Tensor, memory: Tensor, position: Tensor, hidden: Tensor) -> Tensor:
        """Query positions (B, Q, D): (B, layers, Q, D)."""
        content, key = torch.zeros_like(query), memory + position
        found = []
        for layer in self.layers:
            content = layer(content, query, memory, key, hidden)
            found.append(self.norm(content))
        return torch.stack(found, 1)


class Transformer(nn.Module):
    """Encoder and decoder."""

    def __init__(self, config: VIRTConfig) -> None:
        super().__init__()
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)

    def forward(self, query: Tensor, memory: Tensor, position: Tensor, hidden: Tensor) -> Tensor:
        """(B, Q, D) and (B, M, D): (B, layers, Q, D)."""
        return self.decoder(query, self.encoder(memory, position, hidden), position, hidden)
