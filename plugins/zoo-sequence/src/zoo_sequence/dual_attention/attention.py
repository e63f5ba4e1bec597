"""Sensory heads, relational heads, and the layer that has both."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.nn.attention import dense_attention, scores
from zoo.nn.blocks import blocks
from zoo.nn.heads import merge_heads, split_heads
from zoo.nn.masks import causal_mask, expand_mask, masked_softmax
from zoo.nn.rotary import apply_rotary, rotary_tables
from zoo_sequence.dual_attention.config import DualAttentionConfig
from zoo_sequence.dual_attention.symbols import PairSymbols, symbol_retriever

# Weights and relations that are held at once: on a processor about what its caches hold, elsewhere what keeps a device
# busy. Fewer receivers than the smallest block would slow the products down.
_HELD = {"cpu": 2**19}
_HELD_ELSEWHERE = 2**26
_SMALLEST_BLOCK = 64

_ACTIVATIONS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "identity": lambda relations: relations,
    "relu": functional.relu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "gelu": lambda relations: functional.gelu(relations, approximate="tanh"),
    "silu": functional.silu,
}


def rotate_pairs(x: Tensor) -> Tensor:
    """Rotary positions on interleaved pairs (0, 1), (2, 3), ...: (batch, heads, tokens, d) to the same shape.

    The pairs are first sorted into halves, and stay so: products of two rotated vectors do not mind.
    """
    positions = torch.arange(x.shape[2], device=x.device)
    halves = x.unflatten(-1, (-1, 2)).transpose(-1, -2).flatten(-2)
    return apply_rotary(halves, *rotary_tables(positions, x.shape[-1], dtype=x.dtype))


class SensoryAttention(nn.Module):
    """Ordinary multi-head attention without biases: (batch, tokens, dim) to (batch, tokens, heads * head_dim)."""

    heads_are = "sensory"

    def __init__(
        self,
        dim: int,
        num_heads: int,
        head_dim: int,
        num_kv_heads: int | None = None,
        *,
        rope: bool = False,
        causal: bool = False,
    ) -> None:
        super().__init__()
        self.num_heads, self.num_kv_heads = num_heads, num_kv_heads or num_heads
        self.rope, self.causal = rope, causal
        width = num_heads * head_dim
        self.wq = nn.Linear(dim, width, bias=False)
        self.wk = nn.Linear(dim, self.num_kv_heads * head_dim, bias=False)
        self.wv = nn.Linear(dim, self.num_kv_heads * head_dim, bias=False)
        self.wo = nn.Linear(width, width, bias=False)

    def forward(self, x: Tensor, attn_mask: Tensor | None = None, context: Tensor | None = None) -> Tensor:
        """Attend within ``x``, or from ``x`` to ``context`` (batch, keys, dim)."""
        source = x if context is None else context
        query, key = split_heads(self.wq(x), self.num_heads), split_heads(self.wk(source), self.num_kv_heads)
        if self.rope:
            query, key = rotate_pairs(query), rotate_pairs(key)
        value = split_heads(self.wv(source), self.num_kv_heads)
        return self.wo(merge_heads(self.attend(query, key, value, attn_mask)))

    def attend(self, query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None) -> Tensor:
        """Fused softmax attention, (batch, heads, tokens, head_dim)."""
        return dense_attention(query, key, value, attn_mask, causal=self.causal)


class RelationalAttention(nn.Module):
    """Heads whose messages are relations and symbols: (batch, tokens, dim) to (batch, tokens, heads * head_dim).

    A head's message is no mean of values alone: instruments that look for attention maps ask ``weigh`` for the weights.
    ``attention(x)`` and ``relations(x)`` give what these heads compute of some objects.

    Args:
        dim: width of the objects and of the symbols.
        num_heads, head_dim: relational heads H_r and their width d.
        num_kv_heads: heads of attention keys and of symbol values.
        num_relations, relation_dim: R and p; by default H_r and d H_r / R.
        activation: of the relations, see ``config.RELATION_ACTIVATIONS``.
        symmetric: one projection for both sides of a relation.
        rope, causal: of the attention weights; relations know neither positions nor masks, but for those of softmax,
            which are normalised over the senders that the receiver sees.
    """

    heads_are = "relational"

    # True: softmax relations are normalised over all senders, seen or not, as in the authors' code. Later and padded
    # tokens then change what a receiver gets, so no config asks for it; recordings are replayed with it.
    normalise_hidden = False

    def __init__(
        self,
        dim: int,
        num_heads: int,
        head_dim: int,
        *,
        num_kv_heads: int | None = None,
        num_relations: int | None = None,
        relation_dim: int | None = None,
        activation: str = "identity",
        symmetric: bool = False,
        rope: bool = False,
        causal: bool = False,
    ) -> None:
        super().__init__()
        self.num_heads, self.num_kv_heads = num_heads, num_kv_heads or num_heads
        self.num_relations = num_relations or num_heads
        relation_dim = relation_dim or head_dim * num_heads // self.num_relations
        self.activation, self.rope, self.causal = activation, rope, causal
        width, relation_width = num_heads * head_dim, self.num_relations * relation_dim
        self.wq_attn = nn.Linear(dim, width, bias=False)
        self.wk_attn = nn.Linear(dim, self.num_kv_heads * head_dim, bias=False)
        self.wq_rel = nn.Linear(dim, relation_width, bias=False)
        self.wk_rel = self.wq_rel if symmetric else nn.Linear(dim, relation_width, bias=False)
        self.wr = nn.Parameter(torch.empty(num_heads, head_dim, self.num_relations))
        self.wv = nn.Linear(dim, self.num_kv_heads * head_dim, bias=False)
        self.wo = nn.Linear(width, width, bias=False)
        nn.init.normal_(self.wr, std=self.num_relations**-0.5)

    def attention(self, x: Tensor, attn_mask: Tensor | None = None) -> Tensor:
        """Weights a (batch, heads, queries, keys)."""
        return self.weigh(*self._attention_vectors(x), self._expand(attn_mask, x))

    def weigh(self, query: Tensor, key: Tensor, attn_mask: Tensor | None) -> Tensor:
        """Weights (batch, heads, queries, keys) of all receivers at once, from what ``attend`` gets."""
        return self._weights(query, self._repeat(key), attn_mask, 0)

    def relations(self, x: Tensor, attn_mask: Tensor | None = None) -> Tensor:
        """Relations r (batch, relations, i, j) of every pair of objects, after the activation.

        Softmax relations are zero where the receiver does not see the sender; under a mask that differs between heads
        they are (batch, heads, relations, i, j).
        """
        return self._relate(*self._relation_vectors(x), self._expand(attn_mask, x))

    def forward(self, x: Tensor, symbols: Tensor | PairSymbols, attn_mask: Tensor | None = None) -> Tensor:
        """Every object receives, from those it attends to, their relations to it and their symbols.

        Args:
            x: (batch, tokens, dim).
            symbols: of every object (batch, tokens, dim), or of every pair.
            attn_mask: see ``zoo.nn.masks``.
        """
        query, key = self._attention_vectors(x)
        value, related = self._symbol_values(symbols), self._relation_vectors(x)
        mask = self._expand(attn_mask, x)
        return self.wo(merge_heads(self.attend(query, key, value, mask, related=related, symbols=symbols)))

    def attend(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attn_mask: Tensor | None,
        *,
        related: tuple[Tensor, Tensor],
        symbols: Tensor | PairSymbols,
        weights: Tensor | None = None,
    ) -> Tensor:
        """Messages of all heads, (batch, heads, tokens, head_dim).

        Receivers are taken in blocks, so that memory grows with the length and not with its square, and a causal
        layer leaves out the senders after a block.

        Args:
            query, key: (batch, heads, tokens, d) and (batch, kv heads, tokens, d).
            value: of the symbols, (batch, kv heads, tokens, d), or (kv heads, entries, d) of the table of pairs.
            attn_mask: (batch, 1 or heads, 1 or tokens, tokens), True where a receiver sees a sender.
            related: both sides of the relations.
            symbols: those that ``value`` was made of.
            weights: (batch, heads, tokens, tokens) in place of the layer's own.
        """
        key, value = self._repeat(key), self._repeat(value)
        rel_query, rel_key = related
        messages = []
        for rows in self._blocks(query):
            senders = slice(rows.stop if self.causal else None)
            seen = attn_mask
            if seen is not None:
                seen = seen[..., slice(None) if seen.shape[2] == 1 else rows, senders]
            if weights is None:
                mixed = self._weights(query[:, :, rows], key[:, :, senders], seen, rows.start)
            else:
                mixed = weights[:, :, rows, senders]
            related_to = rel_key if self.normalise_hidden else rel_key[:, :, senders]
            relations = self._relate(rel_query[:, :, rows], related_to, seen)[..., senders]
            if isinstance(symbols, PairSymbols):
                spoken = symbols.gather_weights(mixed, rows).to(value.dtype) @ value
            else:
                spoken = mixed.to(value.dtype) @ value[:, :, senders]
            messages.append(self._project(mixed, relations).to(value.dtype).transpose(1, 2) + spoken)
        return torch.cat(messages, 2)

    def _project(self, weights: Tensor, relations: Tensor) -> Tensor:
        """W_r sum_j a_ij r_ij, (batch, receivers, heads, d): aggregated first, R numbers per pair instead of d."""
        pairs = "bhlij" if relations.ndim == 5 else "blij"
        # Relations have no bound that half precision would hold to: they keep their dtype under autocast.
        with torch.autocast(weights.device.type, enabled=False):
            related = torch.einsum(f"bhij,{pairs}->bihl", weights.to(relations.dtype), relations)
            return torch.einsum("bihl,hdl->bihd", related, self.wr.to(related.dtype))

    def _blocks(self, query: Tensor) -> Iterator[slice]:
        """Receivers that are taken together."""
        batch, _, length, _ = query.shape
        numbers = max(batch * length * (self.num_heads + self.num_relations), 1)
        size = max(_HELD.get(query.device.type, _HELD_ELSEWHERE) // numbers, _SMALLEST_BLOCK)
        return blocks(0, length, size)

    def _attention_vectors(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Queries (batch, heads, tokens, d) and keys (batch, kv heads, tokens, d)."""
        query, key = split_heads(self.wq_attn(x), self.num_heads), split_heads(self.wk_attn(x), self.num_kv_heads)
        if self.rope:
            query, key = rotate_pairs(query), rotate_pairs(key)
        return query, key

    def _relation_vectors(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Both sides of the relations (batch, relations, tokens, p), the receiver's scaled."""
        query, key = (split_heads(project(x), self.num_relations) for project in (self.wq_rel, self.wk_rel))
        return query * query.shape[-1] ** -0.5, key

    def _symbol_values(self, symbols: Tensor | PairSymbols) -> Tensor:
        """wv s: (batch, kv heads, tokens, d), or (kv heads, entries, d) of the table of pairs."""
        table = symbols.table if isinstance(symbols, PairSymbols) else symbols
        return self.wv(table).unflatten(-1, (self.num_kv_heads, -1)).transpose(-3, -2)

    def _repeat(self, x: Tensor) -> Tensor:
        """Key/value heads, the third axis from the end, once per head that they serve."""
        return x.repeat_interleave(self.num_heads // self.num_kv_heads, -3)

    def _expand(self, attn_mask: Tensor | None, x: Tensor) -> Tensor | None:
        batch, length, _ = x.shape
        return expand_mask(attn_mask, batch=batch, heads=self.num_heads, queries=length, keys=length)

    def _weights(self, query: Tensor, key: Tensor, mask: Tensor | None, start: int) -> Tensor:
        """Attention weights of receivers from position ``start`` on; a causal layer's senders end with the last."""
        logits = scores(query * query.shape[-1] ** -0.5, key)
        if self.causal:
            rows = query.shape[2]
            later = torch.ones(rows, rows, dtype=torch.bool, device=logits.device).triu(1)
            logits[..., start:].masked_fill_(later, -math.inf)
        return masked_softmax(logits, mask)

    def _relate(self, query: Tensor, key: Tensor, mask: Tensor | None) -> Tensor:
        """Relations of receivers and senders, which in a causal layer end with the last of the receivers."""
        products = scores(query, key)
        if self.activation != "softmax":
            return _ACTIVATIONS[self.activation](products)
        if self.normalise_hidden:
            return masked_softmax(products, None)
        if self.causal:
            order = causal_mask(query.shape[2], key.shape[2], query.device)
            mask = order if mask is None else mask & order
        if mask is not None and mask.ndim == 4 and mask.shape[1] > 1:
            return masked_softmax(products[:, None], mask[:, :, None])
        return masked_softmax(products, mask)


class DualAttention(nn.Module):
    """Sensory and relational heads side by side: (batch, tokens, dim) to the same shape."""

    def __init__(self, config: DualAttentionConfig) -> None:
        super().__init__()
        self.num_heads, self.num_sensory = config.num_heads, config.sensory
        shared = {"rope": config.rope, "causal": config.causal}
        self.self_attention = (
            SensoryAttention(config.dim, config.sensory, config.head_dim, config.num_kv_heads, **shared)
            if config.sensory
            else None
        )
        self.relational_attention = (
            RelationalAttention(
                config.dim,
                config.relational,
                config.head_dim,
                num_kv_heads=config.num_relational_kv_heads,
                num_relations=config.relations,
                relation_dim=config.relation_dim,
                activation=config.relation_activation,
                symmetric=config.symmetric_relations,
                **shared,
            )
            if config.relational
            else None
        )
        if config.share_attention and self.self_attention and self.relational_attention:
            self.relational_attention.wq_attn = self.self_attention.wq
            self.relational_attention.wk_attn = self.self_attention.wk

    def forward(self, x: Tensor, symbols: Tensor | PairSymbols | None, attn_mask: Tensor | None = None) -> Tensor:
        """Outputs of the two groups, joined; ``symbols`` as in ``RelationalAttention``.

        A mask with an axis of heads has the sensory heads first.
        """
        of_sensory = of_relational = attn_mask
        if attn_mask is not None and attn_mask.ndim == 4 and attn_mask.shape[1] == self.num_heads > 1:
            of_sensory, of_relational = attn_mask.tensor_split([self.num_sensory], 1)
        parts = []
        if self.self_attention is not None:
            parts.append(self.self_attention(x, of_sensory))
        if self.relational_attention is not None:
            parts.append(self.relational_attention(x, symbols, of_relational))
        return torch.cat(parts, -1)


class DualAttentionLayer(nn.Module):
    """Drop-in layer: dual attention with a symbol retriever of its own."""

    def __init__(self, config: DualAttentionConfig) -> None:
        super().__init__()
        self.has_positions = config.rope
        self.symbol_retriever = symbol_retriever(config) if config.relational else None
        self.dual_attn = DualAttention(config)

    def forward(
        self, x: Tensor, attn_mask: Tensor | None = None, *, symbols: Tensor | PairSymbols | None = None
    ) -> Tensor:
        """(batch, length, dim) to the same shape.

        Args:
            x: (batch, length, dim).
            attn_mask: see ``zoo.nn.masks``.
            symbols: of every object (batch, length, dim) or of every pair; by default the layer's own.
        """
        if symbols is None and self.symbol_retriever is not None:
            symbols = self.symbol_retriever(x)
        return self.dual_attn(x, symbols, attn_mask)


def example(config: DualAttentionConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random objects."""
    generator = torch.Generator().manual_seed(seed)
    length = min(10, config.max_length)
    return {"x": torch.randn(batch_size, length, config.dim, generator=generator)}
