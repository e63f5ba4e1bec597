"""A Transformer decoder over an encoder's states, pre-norm, as speech models here have it.

Named as fairseq names it. Positions are fairseq's sinusoids: sines before cosines, counted from 2; padding has none.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.nn.attention import dense_attention
from zoo.nn.heads import split_heads

PAD = 1


class DecoderAttention(nn.Module):
    """Attention from one sequence to itself or to another, with biases."""

    def __init__(self, dim: int, num_heads: int, *, causal: bool = False, dropout: float = 0.0) -> None:
        super().__init__()
        self.num_heads, self.causal, self.dropout = num_heads, causal, dropout
        self.q_proj, self.k_proj, self.v_proj, self.out_proj = (nn.Linear(dim, dim) for _ in range(4))

    def attend(self, query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None) -> Tensor:
        """(B, heads, U, width) of the same shape of keys and values; see ``zoo.nn.masks``."""
        dropout = self.dropout if self.training else 0.0
        return dense_attention(query, key, value, attn_mask, causal=self.causal, dropout=dropout)

    def forward(self, x: Tensor, others: Tensor | None = None, attn_mask: Tensor | None = None) -> Tensor:
        """(B, U, dim) of queries x and of others (B, K, dim), themselves without; attn_mask (B, K), True = real."""
        others = x if others is None else others
        query, key, value = self.q_proj(x), self.k_proj(others), self.v_proj(others)
        query, key, value = (split_heads(each, self.num_heads) for each in (query, key, value))
        found: Tensor = self.out_proj(self.attend(query, key, value, attn_mask).transpose(1, 2).flatten(2))
        return found


class DecoderLayer(nn.Module):
    """Self-attention, attention to the encoder, feed-forward; each x + f(LayerNorm(x))."""

    def __init__(self, dim: int, num_heads: int, hidden_dim: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.self_attn = DecoderAttention(dim, num_heads, causal=True, dropout=dropout)
        self.self_attn_layer_norm = nn.LayerNorm(dim)
        self.encoder_attn = DecoderAttention(dim, num_heads, dropout=dropout)
        self.encoder_attn_layer_norm = nn.LayerNorm(dim)
        self.fc1 = nn.Linear(dim, hidden_dim)
        self.fc2 = nn.Linear(hidden_dim, dim)
        self.final_layer_norm = nn.LayerNorm(dim)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor, real: Tensor | None, memory: Tensor, memory_mask: Tensor | None) -> Tensor:
        """x (B, U, dim), its real tokens (B, U), memory (B, K, dim) and its mask (B, K)."""
        x = x + self.drop(self.self_attn(self.self_attn_layer_norm(x), attn_mask=real))
        x = x + self.drop(self.encoder_attn(self.encoder_attn_layer_norm(x), memory, memory_mask))
        hidden = self.drop(self.fc1(self.final_layer_norm(x)).relu())
        return x + self.drop(self.fc2(hidden))


class TransformerDecoder(nn.Module):
    """Embedding, positions, layers, norm and an output projection that is not tied."""

    def __init__(
        self, vocab_size: int, dim: int, num_heads: int, hidden_dim: int, num_layers: int, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.dim = dim
        self.embed_tokens = nn.Embedding(vocab_size, dim)
        self.layers = nn.ModuleList(DecoderLayer(dim, num_heads, hidden_dim, dropout) for _ in range(num_layers))
        self.layer_norm = nn.LayerNorm(dim)
        self.output_projection = nn.Linear(dim, vocab_size, bias=False)
        self.drop = nn.Dropout(dropout)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Embeddings and outputs normal with deviation dim^-1/2."""
        nn.init.normal_(self.embed_tokens.weight, std=self.dim**-0.5)
        nn.init.normal_(self.output_projection.weight, std=self.dim**-0.5)

    def embedded(self, input_ids: Tensor) -> Tensor:
        """Scaled embeddings with positions (B, U, dim)."""
        return self.embed_tokens(input_ids) * math.sqrt(self.dim) + sinusoids(input_ids, self.dim).to(
            self.embed_tokens.weight.dtype
        )

    def states(self, embedded: Tensor, real: Tensor | None, memory: Tensor, memory_mask: Tensor | None) -> Tensor:
        """Last hidden states (B, U, dim) of embeddings."""
        x = self.drop(embedded)
        for layer in self.layers:
            x = layer(x, real, memory, memory_mask)
        found: Tensor = self.layer_norm(x)
        return found

    def forward(self, input_ids: Tensor, memory: Tensor, memory_mask: Tensor | None = None) -> Tensor:
        """Logits (B, U, vocab_size) of previous tokens (B, U), padded behind with 1, and memory (B, K, dim)."""
        found: Tensor = self.output_projection(
            self.states(self.embedded(input_ids), input_ids != PAD, memory, memory_mask)
        )
        return found


def sinusoids(input_ids: Tensor, dim: int) -> Tensor:
    """Positions (B, U, dim) of tokens, from 2 on; zero at padding."""
    real = input_ids != PAD
    places = real.cumsum(1) + PAD
    half = dim // 2
    rates = torch.exp(torch.arange(half, device=input_ids.device) * (-math.log(10_000) / max(half - 1, 1)))
    angles = places[..., None].float() * rates
    found = torch.cat((angles.sin(), angles.cos()), -1)
    return functional.pad(found, (0, dim - 2 * half)).masked_fill(~real[..., None], 0.0)
