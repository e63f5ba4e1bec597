"""Standard multi-head attention: the baseline that every drop-in layer is compared with.

softmax(Q K^T / sqrt(d)) V per head, evaluated by torch's fused kernel, with grouped key/value heads, rotary
positions and a key/value cache as options. Parameter names are Llama's; ``SelfAttention`` is the form of vision
transformers, with one projection for queries, keys and values.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.errors import ConfigError
from zoo.nn.heads import merge_heads, split_heads
from zoo.nn.masks import expand_mask
from zoo.nn.precision import unrounded
from zoo.nn.rotary import apply_rotary, rotary_tables


@dataclass
class KeyValueCache:
    """Keys and values (batch, kv heads, length, head_dim) of the tokens so far, of one layer."""

    key: Tensor | None = None
    value: Tensor | None = None

    @property
    def length(self) -> int:
        """Number of cached tokens."""
        return 0 if self.key is None else self.key.shape[2]

    def update(self, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Append new keys and values and return all of them."""
        if self.key is not None and self.value is not None:
            key, value = torch.cat((self.key, key), 2), torch.cat((self.value, value), 2)
        self.key, self.value = key, value
        return key, value

    def select(self, rows: Tensor) -> None:
        """Keep these examples of the batch, in this order, some more than once (beams do that)."""
        if self.key is not None and self.value is not None:
            self.key, self.value = self.key[rows], self.value[rows]

    def crop(self, length: int) -> None:
        """Forget all but the first tokens."""
        if self.key is not None and self.value is not None:
            self.key, self.value = self.key[:, :, :length], self.value[:, :, :length]


class ProjectedAttention(nn.Module):
    """Projections, rotary positions and cache around a function of (query, key, value).

    Args:
        dim: model width.
        num_heads, num_kv_heads: query heads, and key/value heads shared by groups of them.
        head_dim: width of a head; ``dim / num_heads`` by default.
        rope_theta: base of the rotary positions, or None for none.
        bias: whether the four projections have biases.

    Raises ConfigError where rotary positions meet an odd ``head_dim``.

    Subclasses implement ``attend``. ``has_positions`` and ``supports_cache`` tell host networks what they
    need not do themselves.
    """

    supports_cache = True
    # Whether a hard choice hangs on queries and keys: then autocast does not round them.
    decides = False

    def __init__(
        self,
        dim: int,
        num_heads: int,
        num_kv_heads: int | None = None,
        *,
        head_dim: int | None = None,
        rope_theta: float | None = None,
        bias: bool = False,
    ) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.num_kv_heads = num_kv_heads or num_heads
        self.head_dim = head_dim or dim // num_heads
        if rope_theta is not None and self.head_dim % 2:
            raise ConfigError(f"rotary positions turn pairs of features: head_dim={self.head_dim} must be even")
        self.rope_theta = rope_theta
        self.q_proj = nn.Linear(dim, self.num_heads * self.head_dim, bias=bias)
        self.k_proj = nn.Linear(dim, self.num_kv_heads * self.head_dim, bias=bias)
        self.v_proj = nn.Linear(dim, self.num_kv_heads * self.head_dim, bias=bias)
        self.o_proj = nn.Linear(self.num_heads * self.head_dim, dim, bias=bias)

    @property
    def has_positions(self) -> bool:
        """Whether the layer itself tells positions apart."""
        return self.rope_theta is not None

    def attend(self, query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None) -> Tensor:
        """(batch, heads, queries, head_dim) from keys and values (batch, kv heads, keys, head_dim)."""
        raise NotImplementedError

    def forward(self, x: Tensor, attn_mask: Tensor | None = None, cache: KeyValueCache | None = None) -> Tensor:
        """Attend within ``x``, and to what the cache holds.

        Args:
            x: (batch, length, dim).
            attn_mask: see ``zoo.nn.masks``; keys include the cached ones.
            cache: extended by this call.

        Returns:
            (batch, length, dim).
        """
        batch, length, _ = x.shape
        compared = x.to(self.q_proj.weight.dtype) if self.decides else x
        with unrounded(x, self.decides):
            query = self.q_proj(compared).view(batch, length, self.num_heads, self.head_dim).transpose(1, 2)
            key = self.k_proj(compared).view(batch, length, self.num_kv_heads, self.head_dim).transpose(1, 2)
        value = self.v_proj(x).view(batch, length, self.num_kv_heads, self.head_dim).transpose(1, 2)
        if self.rope_theta is not None:
            start = cache.length if cache is not None else 0
            positions = torch.arange(start, start + length, device=x.device)
            cos, sin = rotary_tables(positions, self.head_dim, self.rope_theta, x.dtype)
            query, key = apply_rotary(query, cos, sin), apply_rotary(key, cos, sin)
        if cache is not None:
            key, value = cache.update(key, value)
        output = self.attend(query, key, value, attn_mask)
        return self.o_proj(output.transpose(1, 2).flatten(2))


def scores(query: Tensor, key: Tensor) -> Tensor:
    """query @ key' (..., queries, keys), where a layer needs them itself: of float16 in float32.

    Half precision ends at 65504, which products of vectors reach; torch's fused attention keeps them in float32, too.
    The same under autocast to float16. Other dtypes stay what they are.
    """
    device = query.device.type
    autocast = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else None
    if torch.float16 not in (query.dtype, key.dtype, autocast):
        return query @ key.mT
    with torch.autocast(device, enabled=False):
        return query.float() @ key.float().mT


def dense_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    *,
    causal: bool = False,
    scale: float | None = None,
    dropout: float = 0.0,
) -> Tensor:
    """Fused softmax attention with grouped key/value heads; rows that see nothing give zeros.

    Args:
        query: (batch, heads, queries, head_dim).
        key, value: (batch, kv heads, keys, head_dim).
        attn_mask: see ``zoo.nn.masks``.
        causal: the last query sees every key, the one before it one less, and so on.
        scale: factor on the logits; head_dim ** -0.5 by default.
        dropout: probability with which an attention weight is dropped, in eval mode too.
    """
    (batch, heads, queries, _), keys = query.shape, key.shape[2]
    square, mask, blind = False, None, None
    # A branch, not an expression: where lengths are symbols, that would be a symbol too, and the kernel wants a bool.
    if causal and attn_mask is None and queries == keys:
        square = True
    else:
        shape = {"batch": batch, "heads": heads, "queries": queries, "keys": keys}
        mask = expand_mask(attn_mask, **shape, causal=causal, device=query.device)
    if mask is not None and attn_mask is not None:
        # Let blind rows see everything, then zero them: their softmax and its gradient stay finite.
        blind = ~mask.any(-1, keepdim=True)
        mask = mask | blind
    output = functional.scaled_dot_product_attention(
        query,
        key,
        value,
        mask,
        dropout,
        is_causal=square,
        scale=scale,
        enable_gqa=heads != key.shape[1],
    )
    return output if blind is None else output.masked_fill(blind, 0.0)


class MultiHeadAttention(ProjectedAttention):
    """Standard attention as a drop-in layer; arguments as ``ProjectedAttention``, plus ``causal``."""

    def __init__(
        self,
        dim: int,
        num_heads: int,
        num_kv_heads: int | None = None,
        *,
        causal: bool = False,
        head_dim: int | None = None,
        rope_theta: float | None = None,
        bias: bool = False,
    ) -> None:
        super().__init__(dim, num_heads, num_kv_heads, head_dim=head_dim, rope_theta=rope_theta, bias=bias)
        self.causal = causal

    def attend(self, query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None) -> Tensor:
        """Fused softmax attention."""
        return dense_attention(query, key, value, attn_mask, causal=self.causal)


class SelfAttention(nn.Module):
    """softmax(q k' / sqrt(head_dim)) v over (batch, tokens, dim), with one projection for query, key and value.

    Args:
        dim: width.
        num_heads: of equal slices of it.
        qkv_bias: whether query, key and value have biases; the output's always is there.
    """

    def __init__(self, dim: int, num_heads: int, qkv_bias: bool = True) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Linear(dim, 3 * dim, bias=qkv_bias)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor, attn_mask: Tensor | None = None) -> Tensor:
        """(batch, tokens, dim) to the same shape; ``attn_mask`` as in ``zoo.nn.masks``."""
        query, key, value = (split_heads(part, self.num_heads) for part in self.qkv(x).chunk(3, -1))
        return self.proj(merge_heads(self.attend(query, key, value, attn_mask)))

    def attend(self, query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None) -> Tensor:
        """Fused softmax attention, (batch, heads, tokens, head_dim)."""
        return dense_attention(query, key, value, attn_mask)
