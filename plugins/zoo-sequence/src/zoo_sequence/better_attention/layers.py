"""The four layers, from one that projects everything to one that aligns values instead."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.errors import InputError
from zoo.nn.attention import dense_attention, scores
from zoo.nn.heads import merge_heads, split_heads
from zoo.nn.masks import causal_mask, expand_mask, masked_softmax
from zoo_sequence.better_attention.config import AttentionConfig, SuperAttentionConfig


def _projection(inputs: int, outputs: int, *, bias: bool = False) -> nn.Linear:
    """A linear layer, its weight Xavier uniform and its bias zero."""
    layer = nn.Linear(inputs, outputs, bias=bias)
    nn.init.xavier_uniform_(layer.weight)
    if bias:
        nn.init.zeros_(layer.bias)
    return layer


class SlicedAttention(nn.Module):
    """Attention whose heads read slices of the queries, keys and values, the latter two projected or not.

    Args:
        config: the shape.
        project_keys, project_values: whether there is W_K, W_V.
    """

    has_positions = False

    def __init__(self, config: AttentionConfig, *, project_keys: bool, project_values: bool) -> None:
        super().__init__()
        self.config = config
        projection = partial(_projection, config.dim, config.dim, bias=config.bias)
        self.q_proj = projection()
        self.k_proj = projection() if project_keys else nn.Identity()
        self.v_proj = projection() if project_values else nn.Identity()
        self.out_proj = projection()

    @property
    def dropout(self) -> float:
        """Probability of dropping an attention weight, now: zero in eval mode."""
        return self.config.dropout if self.training else 0.0

    def attend(self, query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None) -> Tensor:
        """Slices (batch, heads, queries or keys, d_h) to (batch, heads, queries, d_h)."""
        return dense_attention(query, key, value, attn_mask, causal=self.config.causal, dropout=self.dropout)

    def forward(
        self, x: Tensor, attn_mask: Tensor | None = None, *, key: Tensor | None = None, value: Tensor | None = None
    ) -> Tensor:
        """Attend within ``x``, or from ``x`` to ``key`` and ``value``.

        Args:
            x: queries (batch, queries, dim).
            attn_mask: see ``zoo.nn.masks``.
            key: (batch, keys, dim); ``x`` by default.
            value: (batch, keys, dim); ``key`` by default.

        Returns:
            (batch, queries, dim). In a causal layer the last query sees every key, the one before it one less.

        Raises:
            InputError: shapes other than these.
        """
        key = x if key is None else key
        value = key if value is None else value
        shapes = [tuple(tensor.shape) for tensor in (x, key, value)]
        batch, dim = x.shape[0], self.config.dim
        if any(len(shape) != 3 or (shape[0], shape[2]) != (batch, dim) for shape in shapes) or shapes[1] != shapes[2]:
            raise InputError(
                f"query, key and value of shapes {', '.join(map(str, shapes))}; expected (batch, queries, {dim}) and "
                f"twice (batch, keys, {dim})"
            )
        query, key, value = (
            split_heads(projection(tensor), self.config.num_heads)
            for projection, tensor in ((self.q_proj, x), (self.k_proj, key), (self.v_proj, value))
        )
        return self.out_proj(merge_heads(self.attend(query, key, value, attn_mask)))


class StandardAttention(SlicedAttention):
    """The baseline: every head reads projected keys and values."""

    def __init__(self, config: AttentionConfig) -> None:
        super().__init__(config, project_keys=True, project_values=True)


class OptimisedAttention(SlicedAttention):
    """Without W_V: every head averages its slice of the raw values."""

    def __init__(self, config: AttentionConfig) -> None:
        super().__init__(config, project_keys=True, project_values=False)


class DKVEfficientAttention(SlicedAttention):
    """Without W_K and W_V: every head compares its projected queries with its slice of the raw keys."""

    def __init__(self, config: AttentionConfig) -> None:
        super().__init__(config, project_keys=False, project_values=False)


class SuperAttention(SlicedAttention):
    """Efficient attention to W_A V, where W_A is ``alignment.weight``; at most ``max_length`` keys."""

    def __init__(self, config: SuperAttentionConfig) -> None:
        super().__init__(config, project_keys=False, project_values=False)
        self.max_length = config.max_length
        self.alignment = _projection(config.max_length, config.max_length)
        if config.alignment_init == "identity":
            with torch.no_grad():
                self.alignment.weight.add_(torch.eye(config.max_length, device=self.alignment.weight.device))

    def kernel(self, length: int) -> Tensor:
        """W_A (length, length) for so many keys, lower triangular where the layer is causal.

        Raises:
            InputError: more keys than the kernel has columns.
        """
        if length > self.max_length:
            raise InputError(
                f"{length} keys, but the alignment kernel of super attention ends at max_length={self.max_length}; "
                "raise it or shorten the sequence"
            )
        kernel = self.alignment.weight
        if torch.compiler.is_exporting():
            # A slice that happens to take all of the kernel would fix the length of the program.
            places = torch.arange(length, device=kernel.device)
            kernel = kernel[places[:, None], places]
        else:
            kernel = kernel[:length, :length]
        return kernel.tril() if self.config.causal else kernel

    def attend(self, query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None) -> Tensor:
        """As in the other layers, to the aligned values."""
        (batch, heads, queries, width), keys = query.shape, key.shape[2]
        kernel = self.kernel(keys)
        shape = {"batch": batch, "heads": heads, "queries": queries, "keys": keys}
        mask = expand_mask(attn_mask, **shape, causal=False, device=query.device)
        if mask is None:
            return super().attend(query, key, kernel @ value, None)
        if mask.shape[2] == 1:
            aligned = kernel @ value.masked_fill(~mask.transpose(-1, -2), 0.0)
            return super().attend(query, key, aligned, mask)
        # What is hidden depends on the query, so there is no one W_A V: mask S W_A instead.
        if self.config.causal:
            mask = mask & causal_mask(queries, keys, query.device)
        weights = masked_softmax(scores(query, key) / math.sqrt(width), mask).to(value.dtype)
        weights = functional.dropout(weights, self.dropout)
        return (weights @ kernel).masked_fill(~mask, 0.0) @ value


def attention_of(mechanism: str, *, max_length: int, **shape: Any) -> SlicedAttention:
    """The layer of one of ``MECHANISMS``; ``max_length`` plays a part in super attention alone."""
    if mechanism == "super":
        return SuperAttention(SuperAttentionConfig(max_length=max_length, **shape))
    layers = {"standard": StandardAttention, "optimised": OptimisedAttention, "efficient": DKVEfficientAttention}
    return layers[mechanism](AttentionConfig(**shape))


def example(config: AttentionConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """A random sequence of 9 tokens, or of as many as the layer takes."""
    length = min(9, config.max_length) if isinstance(config, SuperAttentionConfig) else 9
    return {"x": torch.randn(batch_size, length, config.dim, generator=torch.Generator().manual_seed(seed))}
