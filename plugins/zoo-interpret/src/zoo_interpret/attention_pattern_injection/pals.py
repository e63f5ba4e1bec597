"""Projected attention layers: a small branch beside every layer of a pretrained encoder."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from zoo_interpret.attention_pattern_injection.attention import PatternedSelfAttention, modes
from zoo_interpret.attention_pattern_injection.config import EncoderConfig


class ProjectedAttentionLayer(nn.Module):
    """gelu(W_u attention(W_d x)); at first zero, so that training begins with the encoder as it is."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.aug_dense = nn.Linear(config.dim, config.pal_dim)
        synthesized = modes(config.pal_heads, 1, config.matching, config.intra, config.positional)
        self.attn = PatternedSelfAttention(
            config.pal_dim, config.pal_heads, synthesized, config.dropout, reference_padding=config.reference_padding
        )
        self.aug_dense2 = nn.Linear(config.pal_dim, config.dim)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """W_u to zero."""
        nn.init.zeros_(self.aug_dense2.weight)
        nn.init.zeros_(self.aug_dense2.bias)

    def forward(self, x: Tensor, patterns: Tensor, padding: Tensor | None = None) -> Tensor:
        """(batch, T, dim) to what is added to the layer's feed-forward residual.

        Args:
            x: the layer's input.
            patterns: (batch, pal_heads, T, T) boolean: matching, intra, -1, +1, and none for further heads.
            padding: (batch, T), 1 for real tokens.
        """
        mixed, _ = self.attn(self.aug_dense(x), patterns, padding)
        return functional.gelu(self.aug_dense2(mixed))
