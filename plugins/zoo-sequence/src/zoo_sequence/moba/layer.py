"""MoBA on tensors, as an attention implementation for transformers, and as a drop-in layer."""

from __future__ import annotations

from functools import partial
from itertools import pairwise

import torch
from torch import Tensor

from zoo.errors import ConfigError, InputError, MaskError
from zoo.nn.attention import ProjectedAttention, dense_attention
from zoo.nn.masks import KeyPadding, PackedSequences, expand_mask, one_by_one, padding_mask, read_mask
from zoo_sequence.moba.config import MoBAConfig, Routing
from zoo_sequence.moba.definition import moba_masked
from zoo_sequence.moba.operators import block_sparse_attention


def moba_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    routing: Routing,
    attn_mask: Tensor | None = None,
    *,
    scale: float | None = None,
    mode: str = "moba",
    decode: str = "moba",
) -> Tensor:
    """Causal attention to each query's own block and the history blocks that its gate chooses.

    Args:
        query: (batch, heads, queries, head_dim), of the last positions.
        key, value: (batch, kv heads, keys, head_dim); query heads share them in groups, yet choose alone.
        routing: how blocks are chosen.
        attn_mask: padding (batch, keys), True for real tokens, or (batch, 1, queries, keys) that amounts to padding
            and causal order, or to packed sequences. A padded token is absent: blocks count real tokens only, and
            its own row is zero. Packed sequences are attended to one by one, and blocks start anew with each.
        scale: factor on the logits; head_dim ** -0.5 by default.
        mode: "full" reads every block.
        decode: the same for calls with more keys than queries.

    Returns:
        (batch, heads, queries, head_dim).

    Raises:
        InputError: shapes that do not belong together.
        MaskError: a mask that says more.
    """
    _require_fitting_shapes(query, key, value)
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    queries = query.shape[2]
    visible = _understand(attn_mask, batch=query.shape[0], queries=queries, keys=key.shape[2])
    if isinstance(visible, PackedSequences):
        return one_by_one(partial(moba_attention, routing=routing, scale=scale, mode=mode), query, key, value, visible)
    if visible is not None:
        key, value = key[:, :, : visible.shape[1]], value[:, :, : visible.shape[1]]
    if mode == "full" or (decode == "full" and key.shape[2] > queries):
        return dense_attention(query, key, value, visible, causal=True, scale=scale)
    if torch.compiler.is_exporting():
        return moba_masked(query, key, value, routing, scale=scale, visible=visible)
    return block_sparse_attention(query, key, value, routing, scale, visible)


def moba_varlen(
    query: Tensor, key: Tensor, value: Tensor, cu_seqlens: Tensor, routing: Routing, *, scale: float | None = None
) -> Tensor:
    """The same for sequences packed one after the other; blocks start anew with each.

    Args:
        query: (tokens, heads, head_dim).
        key, value: (tokens, kv heads, head_dim).
        cu_seqlens: (sequences + 1,) integers: where each sequence starts, and the number of tokens.

    Returns:
        (tokens, heads, head_dim).

    Raises:
        InputError: ``cu_seqlens`` does not cover the tokens.
    """
    bounds = cu_seqlens.tolist()
    if not bounds or bounds[0] != 0 or bounds[-1] != len(query) or sorted(bounds) != bounds:
        raise InputError(f"cu_seqlens={bounds} must rise from 0 to the number of tokens, {len(query)}")
    outputs = [query[:0]]
    for start, stop in pairwise(bounds):
        if stop > start:
            q, k, v = (tensor[start:stop].transpose(0, 1)[None] for tensor in (query, key, value))
            outputs.append(moba_attention(q, k, v, routing, scale=scale)[0].transpose(0, 1))
    return torch.cat(outputs)


def _require_fitting_shapes(query: Tensor, key: Tensor, value: Tensor) -> None:
    fits = (
        query.ndim == key.ndim == value.ndim == 4
        and query.shape[0] == key.shape[0]
        and query.shape[-1] == key.shape[-1]
        and all(mine == other for mine, other in zip(key.shape, value.shape, strict=True))
        and query.shape[1] % key.shape[1] == 0
        and query.shape[2] <= key.shape[2]
    )
    if not fits:
        raise InputError(
            f"query {tuple(query.shape)}, key {tuple(key.shape)} and value {tuple(value.shape)} do not "
            "belong together; expected (batch, heads, queries, dim) and (batch, kv heads, keys, dim), heads a multiple "
            "of kv heads and the queries those of the last keys"
        )


def _understand(attn_mask: Tensor | None, *, batch: int, queries: int, keys: int) -> Tensor | PackedSequences | None:
    """Which keys are real, boolean (batch, keys in use), or where the sequences of a packed batch lie."""
    if attn_mask is None or attn_mask.ndim != 4 or attn_mask.shape[2] != queries:
        return padding_mask(attn_mask, batch=batch, keys=keys, mechanism="MoBA")
    mask = expand_mask(attn_mask, batch=batch, heads=1, queries=queries, keys=keys)
    assert mask is not None
    reading = read_mask(mask[:, 0].expand(batch, -1, -1))
    if reading is None or (isinstance(reading, KeyPadding) and not reading.causal):
        raise MaskError(
            f"the mask {tuple(attn_mask.shape)} says more than padding and causal order, which MoBA cannot honour: its "
            "blocks would mix what is hidden"
        )
    return reading if isinstance(reading, PackedSequences) else reading.real


def functional(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    *,
    causal: bool,
    scale: float,
    config: MoBAConfig,
) -> Tensor:
    """The mechanism as an attention implementation for transformers; see ``moba_attention``.

    Raises:
        ConfigError: the model's attention is not causal.
    """
    queries = query.shape[2]
    ordered = causal or queries == 1 or (attn_mask is not None and attn_mask.ndim == 4 and attn_mask.shape[2] > 1)
    if not ordered:
        raise ConfigError("this model's attention is bidirectional, and MoBA has no such form: use it in decoders")
    return moba_attention(
        query, key, value, config.routing, attn_mask, scale=scale, mode=config.mode, decode=config.decode
    )


class MoBA(ProjectedAttention):
    """Drop-in causal layer, (batch, length, dim) to the same shape, with Llama's parameter names.

    ``mode`` and ``decode`` may be changed at any time: the parameters are those of full attention.
    """

    def __init__(self, config: MoBAConfig) -> None:
        super().__init__(config.dim, config.num_heads, config.num_kv_heads, rope_theta=config.rope_theta)
        self.routing = config.routing
        self.mode = config.mode
        self.decode = config.decode

    def attend(self, query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None) -> Tensor:
        """Block-sparse or full attention, as ``mode`` and ``decode`` say."""
        return moba_attention(query, key, value, self.routing, attn_mask, mode=self.mode, decode=self.decode)

    def extra_repr(self) -> str:
        """What cannot be seen from the parameters."""
        return f"{self.routing}, mode={self.mode}, decode={self.decode}"


def example(config: MoBAConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random tokens, some blocks long."""
    length = min(3 * config.block_size + 1, 256)
    return {"x": torch.randn(batch_size, length, config.dim, generator=torch.Generator().manual_seed(seed))}
