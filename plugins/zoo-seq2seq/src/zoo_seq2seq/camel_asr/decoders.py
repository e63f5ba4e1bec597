"""Two Transformer decoders over the encoder's memory: of tokens and of their languages; and the bias between them."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from zoo.nn.positions import sinusoids
from zoo_seq2seq.transformer_decoder import DecoderAttention, DecoderLayer


class Decoder(nn.Module):
    """Embeddings with positions, layers, norm, and logits. Padding lies behind, where no real token looks."""

    def __init__(
        self, vocab_size: int, dim: int, num_heads: int, hidden_dim: int, num_layers: int, dropout: float
    ) -> None:
        super().__init__()
        self.dim = dim
        self.embedding = nn.Embedding(vocab_size, dim)
        self.layers = nn.ModuleList(DecoderLayer(dim, num_heads, hidden_dim, dropout) for _ in range(num_layers))
        self.norm = nn.LayerNorm(dim)
        self.classifier = nn.Linear(dim, vocab_size)
        self.drop = nn.Dropout(dropout)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Embeddings normal with deviation dim^-1/2, which ``embedded`` undoes."""
        nn.init.normal_(self.embedding.weight, std=self.dim**-0.5)

    def embedded(self, input_ids: Tensor) -> Tensor:
        """Scaled embeddings with positions (B, U, dim) of ids (B, U)."""
        x = self.embedding(input_ids) * math.sqrt(self.dim)
        positions = torch.arange(input_ids.shape[1], device=input_ids.device)
        found: Tensor = self.drop(x + sinusoids(positions, self.dim).to(x.dtype))
        return found

    def states(self, embedded: Tensor, memory: Tensor, mask: Tensor | None) -> Tensor:
        """Last hidden states (B, U, dim) of embeddings."""
        for layer in self.layers:
            embedded = layer(embedded, None, memory, mask)
        found: Tensor = self.norm(embedded)
        return found


class LanguageBias(nn.Module):
    """E + MHA(LN(E), D): token embeddings look at the language decoder's states, none at a later one."""

    def __init__(self, dim: int, num_heads: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.attn = DecoderAttention(dim, num_heads, causal=True, dropout=dropout)
        self.drop = nn.Dropout(dropout)

    def forward(self, embedded: Tensor, languages: Tensor) -> Tensor:
        """E' (B, U, dim) of E and D, both (B, U, dim)."""
        return embedded + self.drop(self.attn(self.norm(embedded), languages))
