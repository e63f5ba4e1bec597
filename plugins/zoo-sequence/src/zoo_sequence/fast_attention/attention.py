"""Fastmax as a function of (query, key, value), as a recurrence with a constant state, and as a drop-in layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.errors import ConfigError, InputError
from zoo.nn.heads import merge_heads, repeat_heads
from zoo.nn.masks import KeyPadding, padding_mask, read_mask
from zoo.nn.precision import unrounded
from zoo.nn.tracing import has_tangent
from zoo_sequence.fast_attention.config import FastmaxConfig, FastmaxKernelConfig
from zoo_sequence.fast_attention.polynomial import FeatureMap, attend, by_autograd, divide, factorised_attention

MECHANISM = "fastmax"


def normalised(
    query: Tensor,
    key: Tensor,
    config: FastmaxKernelConfig,
    *,
    causal: bool = False,
    visible: Tensor | None = None,
    visible_queries: Tensor | None = None,
    scale: float | None = None,
) -> tuple[Tensor, Tensor]:
    """Queries and keys whose plain product is the score; the divisor goes into the queries.

    Args:
        query: (batch, heads, queries, D).
        key: (batch, heads, keys, D).
        config: says how.
        causal: a query knows the largest norms up to its own token only.
        visible, visible_queries: boolean (batch, keys) and (batch, queries): tokens that count for the largest norm.
        scale: in place of 1 / sqrt(D) where scores are scaled.
    """
    width = query.shape[-1]
    if config.normalize == "scale":
        return query * ((width**-0.5 if scale is None else scale) / config.normalize_term), key
    if config.normalize == "standardize":
        query, key = F.layer_norm(query, (width,)), F.layer_norm(key, (width,))
        return query / config.temperature, key
    if not causal:
        return within_norm(query, config.lim, visible_queries), within_norm(key, config.lim, visible)
    # What divides a key depends on who looks at it, so the query carries both divisors.
    of_queries = _norms(query, visible_queries).cummax(-2).values
    of_keys = _norms(key, visible).cummax(-2).values[..., key.shape[-2] - query.shape[-2] :, :]
    return query * _quotient(config.lim, of_queries) * _quotient(config.lim, of_keys), key


def within_norm(x: Tensor, limit: float, visible: Tensor | None = None) -> Tensor:
    """(batch, heads, tokens, D) rescaled so that the largest norm of a visible token is ``limit``."""
    if x.shape[-2] == 0:
        return x
    return x * _quotient(limit, _norms(x, visible).amax(-2, keepdim=True))


def _norms(x: Tensor, visible: Tensor | None) -> Tensor:
    norms = x.norm(dim=-1, keepdim=True)
    return norms if visible is None else norms.masked_fill(~visible[:, None, :, None], 0.0)


def _quotient(limit: float, norms: Tensor) -> Tensor:
    """limit / norms, and 0 where there is nothing to divide."""
    nothing = norms == 0
    return (limit / norms.masked_fill(nothing, 1.0)).masked_fill(nothing, 0.0)


def fastmax(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    config: FastmaxKernelConfig,
    *,
    causal: bool = False,
    visible: Tensor | None = None,
    visible_queries: Tensor | None = None,
    scale: float | None = None,
    training: bool = False,
) -> Tensor:
    """sum_j f(s_ij) v_j / sum_j f(s_ij), linear in the number of tokens, summed in at least float32.

    Rows that see no key are zero. With p = 1 a denominator can come near 0 or change its sign where scores reach -1:
    keep them above by maxnorm with lim < 1 or by a large normalize_term.

    Args:
        query: (batch, heads, queries, D).
        key: (batch, heads, keys, D).
        value: (batch, heads, keys, Dv).
        config: polynomial, normalisation and dropout.
        causal: the last query sees every key, the one before it one less, and so on; under maxnorm the largest norm
            is that of the tokens so far.
        visible: boolean (batch, keys), True for real keys.
        visible_queries: boolean (batch, queries); queries that are not real count for no largest norm.
        scale: in place of 1 / sqrt(D) where scores are scaled.
        training: whether features are dropped.

    Returns:
        (batch, heads, queries, Dv), of the value's dtype.

    Raises:
        InputError: causal, and more queries than keys.
    """
    if causal and query.shape[-2] > key.shape[-2]:
        raise InputError(
            f"{query.shape[-2]} queries for {key.shape[-2]} keys: in causal order every query has a key of its own"
        )
    # Squares of scores leave half precision behind, so autocast has no say in here.
    with torch.autocast(query.device.type, enabled=False):
        query, keys, values = _prepare(query, key, value, visible)
        seen = {"visible": visible, "visible_queries": visible_queries}
        query, keys = normalised(query, keys, config, causal=causal, scale=scale, **seen)
        rate = config.feature_dropout if training else 0.0
        if rate and config.dropout_variant == "quadratic" and config.polynomial.degree == 2:
            phi = FeatureMap(config.polynomial, query, dropout=rate)
            return divide(attend(query, keys, values, phi, causal=causal)[0])[0].to(value.dtype)
        if rate:
            drop = _drop_whole if config.dropout_variant == "1d" else F.dropout
            query, keys = drop(query, rate), drop(keys, rate)
        # A program that is exported has no gradient of its own, and the function would be a stranger in it; nor does
        # it know derivatives that are taken forward.
        plain = torch.compiler.is_exporting() or any(map(has_tangent, (query, keys, values)))
        evaluate = by_autograd if plain else factorised_attention
        return evaluate(query, keys, values, config.polynomial, causal).to(value.dtype)


def _drop_whole(x: Tensor, rate: float) -> Tensor:
    """Drop features of all tokens."""
    return x * F.dropout(torch.ones_like(x[..., :1, :]), rate)


def _prepare(query: Tensor, key: Tensor, value: Tensor, visible: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """In at least float32; values get a column of ones; hidden keys and values are zero, ones included."""
    dtype = torch.promote_types(query.dtype, torch.float32)
    query, key, value = query.to(dtype), key.to(dtype), F.pad(value.to(dtype), (0, 1), value=1.0)
    if visible is not None:
        hidden = ~visible[:, None, :, None]
        key, value = key.masked_fill(hidden, 0.0), value.masked_fill(hidden, 0.0)
    return query, key, value


def step(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    state: Tensor | None = None,
    *,
    config: FastmaxKernelConfig,
    visible: Tensor | None = None,
    scale: float | None = None,
) -> tuple[Tensor, Tensor]:
    """Causal fastmax of the next token, or the next few, from a state whose size does not depend on their number.

    Args:
        query, key: (batch, heads, tokens, D).
        value: (batch, heads, tokens, Dv).
        state: what the last call returned; None before the first token.
        config, visible, scale: as for ``fastmax``.

    Returns:
        Outputs (batch, heads, tokens, Dv), and the state: moments (batch, heads, F, Dv + 1) in at least float32,
        F = (D + 1)(D + 2) / 2 for p = 2 and even D, D + 1 for p = 1.

    Raises:
        ConfigError: maxnorm, whose largest norm so far the state does not hold.
    """
    _refuse_maxnorm(config, "token by token")
    with torch.autocast(query.device.type, enabled=False):
        query, keys, values = _prepare(query, key, value, visible)
        query, keys = normalised(query, keys, config, scale=scale)
        phi = FeatureMap(config.polynomial, query)
        sums, state = attend(query, keys, values, phi, causal=True, moments=state)
        return divide(sums)[0].to(value.dtype), state


def _refuse_maxnorm(config: FastmaxKernelConfig, how: str) -> None:
    if config.normalize == "maxnorm":
        raise ConfigError(
            f"maxnorm divides by the largest norm of all tokens so far, so it cannot run {how}: use "
            "normalize='scale' or 'standardize'",
            field="normalize",
        )


def functional(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    *,
    causal: bool,
    scale: float,
    config: FastmaxKernelConfig,
    training: bool = False,
) -> Tensor:
    """Fastmax as an attention implementation for transformers.

    Args:
        query: (batch, heads, queries, D).
        key, value: (batch, kv heads, keys, D).
        attn_mask: padding (batch, keys) or (batch, 1, 1, keys), or a full mask (batch, 1, queries, keys) that is
            padding, causal order or both and nothing else; True for keys that are seen.
        causal: the last query sees every key, the one before it one less, and so on.
        scale: factor on the scores, where they are scaled.
        training: whether features are dropped.

    Raises:
        MaskError: any other mask.
        ConfigError: maxnorm with a cache of keys.
    """
    if query.shape[2] != key.shape[2]:
        _refuse_maxnorm(config, f"with {query.shape[2]} queries for {key.shape[2]} keys, as in decoding with a cache")
    if attn_mask is not None and attn_mask.dtype == torch.bool and attn_mask.ndim == 4 and attn_mask.shape[2] > 1:
        reading = read_mask(attn_mask[:, 0], causal=causal) if attn_mask.shape[1] == 1 else None
        if isinstance(reading, KeyPadding):
            attn_mask, causal = reading.real.expand(query.shape[0], -1), reading.causal
            key, value = (tensor[:, :, : attn_mask.shape[1]] for tensor in (key, value))
    visible = padding_mask(attn_mask, batch=key.shape[0], keys=key.shape[2], mechanism=MECHANISM)
    key, value = (repeat_heads(tensor, query.shape[1]) for tensor in (key, value))
    queries = visible if query.shape[2] == key.shape[2] else None
    return fastmax(
        query,
        key,
        value,
        config,
        causal=causal,
        visible=visible,
        visible_queries=queries,
        scale=scale,
        training=training,
    )


@dataclass
class FastmaxCache:
    """The state of one layer: moments (batch, heads, F, D + 1) of the tokens so far, and their number."""

    moments: Tensor | None = None
    length: int = 0

    def select(self, rows: Tensor) -> None:
        """Keep these examples of the batch, in this order, some more than once (beams do that)."""
        if self.moments is not None:
            self.moments = self.moments[rows]


class Fastmax(nn.Module):
    """Multi-head fastmax attention as a drop-in layer, (batch, length, dim) to the same shape."""

    has_positions = False

    def __init__(self, config: FastmaxConfig) -> None:
        super().__init__()
        self.config = config
        self.qkv = nn.Linear(config.dim, 3 * config.dim)
        self.out = nn.Linear(config.dim, config.dim)

    @property
    def supports_cache(self) -> bool:
        """Whether the layer can go on from a state."""
        return self.config.causal and self.config.normalize != "maxnorm"

    def new_cache(self) -> FastmaxCache:
        """The state before the first token."""
        return FastmaxCache()

    def forward(self, x: Tensor, attn_mask: Tensor | None = None, cache: FastmaxCache | None = None) -> Tensor:
        """Attend within ``x``, and to what the cache stands for.

        Args:
            x: (batch, length, dim).
            attn_mask: padding (batch, length), True for real tokens; the others are not attended to. With a cache it
                may cover the tokens that the cache stands for as well.
            cache: extended by this call; its size stays the same. Features are not dropped then.

        Raises:
            MaskError: a mask that is more than padding.
            InputError: a cache for a layer that is not causal.
        """
        batch, length, _ = x.shape
        config = self.config
        if cache is not None and attn_mask is not None and attn_mask.shape == (batch, cache.length + length):
            attn_mask = attn_mask[:, cache.length :]
        visible = padding_mask(attn_mask, batch=batch, keys=length, mechanism=MECHANISM)
        # With p = 1 a denominator can come near 0: rounded to half precision it would be another number.
        near_zero = config.p == 1
        with unrounded(x, near_zero):
            mapped = self.qkv(x.to(self.qkv.weight.dtype) if near_zero else x)
        query, key, value = mapped.unflatten(-1, (3, config.num_heads, -1)).permute(2, 0, 3, 1, 4)
        if cache is None:
            output = self.attend(query, key, value, visible)
        elif config.causal:
            output, cache.moments = step(query, key, value, cache.moments, config=config, visible=visible)
            cache.length += length
        else:
            raise InputError("this layer looks at later tokens as well: a cache is for layers with causal=True")
        return self.out(merge_heads(output))

    def attend(self, query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None) -> Tensor:
        """Fastmax (batch, heads, length, head_dim) within a sequence; ``attn_mask`` is padding."""
        options: dict[str, Any] = {"causal": self.config.causal, "training": self.training}
        return fastmax(query, key, value, self.config, visible=attn_mask, visible_queries=attn_mask, **options)


def example(config: FastmaxConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random tokens of length 13."""
    return {"x": torch.randn(batch_size, 13, config.dim, generator=torch.Generator().manual_seed(seed))}
