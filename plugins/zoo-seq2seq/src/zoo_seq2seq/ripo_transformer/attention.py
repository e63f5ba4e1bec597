"""Attention that knows intervals, distances in time and distances in notes."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from zoo.errors import InputError
from zoo.nn.attention import scores
from zoo.nn.heads import merge_heads, split_heads
from zoo.nn.masks import expand_mask, masked_softmax, padding_mask
from zoo_seq2seq.ripo_transformer.config import RipoAttentionConfig


@dataclass(frozen=True, eq=False)
class Table:
    """What notes are to each other, where few different values occur.

    Args:
        values: (values, dim) embedded.
        index: (B, L, L) which value two notes have.
    """

    values: Tensor
    index: Tensor


def relative_term(query: Tensor, relative: Tensor | Table, layer: nn.Module) -> Tensor:
    """Logits (B, h, L, L) of queries (B, h, L, m) with what two notes are to each other.

    Args:
        query: (B, h, L, m).
        relative: (B, L, L, h m) embedded; of a table every value is compared once.
        layer: what projects it, to (..., h m).
    """
    heads, width = query.shape[1], query.shape[3]
    if isinstance(relative, Table):
        every = torch.einsum("bhim,vhm->bhiv", query, layer(relative.values).unflatten(-1, (heads, width)))
        return every.gather(-1, relative.index[:, None].expand(-1, heads, -1, -1))
    return torch.einsum("bhim,bijhm->bhij", query, layer(relative).unflatten(-1, (heads, width)))


class RipoAttention(nn.Module):
    """Self-attention over notes; later ones are hidden but for ``two_sided``."""

    def __init__(self, config: RipoAttentionConfig) -> None:
        super().__init__()
        self.config = config
        dim = config.dim
        self.num_heads = config.num_heads
        self.q_proj, self.k_proj, self.v_proj, self.o_proj = (nn.Linear(dim, dim) for _ in range(4))
        self.pitch_proj = nn.Linear(dim, dim) if config.relative_pitch else None
        self.onset_proj = nn.Linear(dim, dim) if config.relative_onset else None
        self.index: nn.Parameter | None = None
        if config.relative_index:
            rows = 2 * config.max_length - 1 if config.two_sided else config.max_length
            self.index = nn.Parameter(torch.empty(rows, dim // config.num_heads))
        self.drop = nn.Dropout(config.dropout)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """The index's table uniform in 0..1."""
        if self.index is not None:
            nn.init.uniform_(self.index)

    def forward(
        self,
        x: Tensor,
        relative_pitch: Tensor | Table | None = None,
        relative_onset: Tensor | Table | None = None,
        attn_mask: Tensor | None = None,
        *,
        seeing: Tensor | None = None,
    ) -> Tensor:
        """Attend.

        Args:
            x: (B, L, dim).
            relative_pitch: (B, L, L, dim) embedded intervals, or a table of them; needed where they count.
            relative_onset: (B, L, L, dim) embedded distances in time, or a table; needed where they count.
            attn_mask: (B, L), True for notes that can be seen.
            seeing: (B, L), True for notes that look; others look at everything evenly, as padding does in the code.

        Raises:
            InputError: more notes than ``max_length``, or something relative is missing.
            MaskError: a mask of another shape or type.
        """
        value = split_heads(self.v_proj(x), self.num_heads)
        weights = self.weights(x, relative_pitch, relative_onset, attn_mask, seeing=seeing)
        found: Tensor = self.drop(self.o_proj(merge_heads(weights.to(value.dtype) @ value)))
        return found

    def weights(
        self,
        x: Tensor,
        relative_pitch: Tensor | Table | None = None,
        relative_onset: Tensor | Table | None = None,
        attn_mask: Tensor | None = None,
        *,
        seeing: Tensor | None = None,
    ) -> Tensor:
        """Attention weights (B, h, L, L); see ``forward``."""
        batch, length, dim = x.shape
        real = padding_mask(attn_mask, batch=batch, keys=length, mechanism="RIPO attention")
        if length > self.config.max_length:
            raise InputError(f"{length} notes; the index's table has max_length={self.config.max_length}")
        query, key = (split_heads(layer(x), self.num_heads) for layer in (self.q_proj, self.k_proj))
        logits = scores(query, key)
        if self.index is not None:
            logits = logits + self._by_index(query, self.index)
        for layer, relative, name in (
            (self.pitch_proj, relative_pitch, "relative_pitch"),
            (self.onset_proj, relative_onset, "relative_onset"),
        ):
            if layer is None:
                continue
            if relative is None:
                raise InputError(f"{name} is missing; expected ({batch}, {length}, {length}, {dim})")
            logits = logits + relative_term(query, relative, layer)
        logits = logits / math.sqrt(query.shape[-1])
        shape = {"batch": batch, "heads": self.num_heads, "queries": length, "keys": length}
        seen = expand_mask(real, **shape, causal=not self.config.two_sided, device=x.device)
        weights = masked_softmax(logits, seen)
        if seeing is not None:
            weights = torch.where(seeing[:, None, :, None], weights, 1 / max(length, 1))
        return weights

    def _by_index(self, query: Tensor, table: Tensor) -> Tensor:
        """q_i . E of the distance i - j; 0 for later notes where they are not seen."""
        length = query.shape[2]
        places = torch.arange(length, device=query.device)
        rows = self.config.max_length - 1 - (places[:, None] - places)
        later = rows >= len(table)
        dots = query @ table.T
        index = rows.clamp(max=len(table) - 1).expand(*query.shape[:2], -1, -1)
        return dots.gather(-1, index).masked_fill(later, 0.0)


class LinearAttention(nn.Module):
    """Causal self-attention of features elu(q) + 1 and elu(k) + 1, summed note by note: a baseline of the paper."""

    def __init__(self, dim: int, num_heads: int, dropout: float) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.q_proj, self.k_proj, self.v_proj, self.o_proj = (nn.Linear(dim, dim) for _ in range(4))
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor, attn_mask: Tensor) -> Tensor:
        """x (B, L, dim) to the same shape; notes that ``attn_mask`` (B, L) hides are in no sum."""
        wide = torch.promote_types(x.dtype, torch.float32)
        query, key, value = (
            split_heads(layer(x), self.num_heads).to(wide) for layer in (self.q_proj, self.k_proj, self.v_proj)
        )
        query, key = nn.functional.elu(query) + 1, (nn.functional.elu(key) + 1) * attn_mask[:, None, :, None]
        sums = torch.einsum("bhlm,bhln->bhlmn", key, value).cumsum(2)
        norms = (query * key.cumsum(2)).sum(-1, keepdim=True)
        mixed = torch.einsum("bhlm,bhlmn->bhln", query, sums) / norms.clamp(min=torch.finfo(norms.dtype).tiny)
        found: Tensor = self.drop(self.o_proj(merge_heads(mixed).to(x.dtype)))
        return found


def example(config: RipoAttentionConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Noise for six notes."""
    generator = torch.Generator().manual_seed(seed)
    length = min(6, config.max_length)
    found = {"x": torch.randn(batch_size, length, config.dim, generator=generator)}
    for name, wanted in (("relative_pitch", config.relative_pitch), ("relative_onset", config.relative_onset)):
        if wanted:
            found[name] = torch.randn(batch_size, length, length, config.dim, generator=generator)
    return found
