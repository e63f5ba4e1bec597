"""The layer: projections around the posterior over edges."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from zoo.errors import ConfigError, InputError
from zoo.nn.heads import merge_heads, repeat_heads, split_heads
from zoo.nn.masks import expand_mask
from zoo.nn.precision import unrounded
from zoo_sequence.marginal_attention.config import StructuralAttentionConfig
from zoo_sequence.marginal_attention.edges import Edges

LEARNED_PRIORS = ("t5", "table", "null-parent")


class StructuralAttention(nn.Module):
    """The layer, (batch, length, dim) to the same shape, from ``context`` where it is given."""

    def __init__(self, config: StructuralAttentionConfig) -> None:
        super().__init__()
        self.config = config
        self.q_proj = nn.Linear(config.dim, config.dim, bias=config.bias)
        self.k_proj = nn.Linear(config.dim, config.dim, bias=config.bias)
        self.v_proj = nn.Linear(config.dim, config.dim, bias=config.bias)
        self.v2_proj = nn.Linear(config.dim, config.dim, bias=config.bias) if config.value == "multihop" else None
        self.out_proj = nn.Linear(config.dim, config.dim, bias=config.bias)
        heads, reach = config.num_heads, config.max_length
        shapes = {"t5": (heads, 2 * reach + 1), "table": (heads, reach, reach), "null-parent": (heads, 1, 1)}
        shape = shapes.get(config.prior)
        self.log_prior = nn.Parameter(torch.empty(shape)) if shape else None
        if self.log_prior is not None:
            nn.init.zeros_(self.log_prior)

    @property
    def has_positions(self) -> bool:
        """Whether the prior tells positions apart."""
        return self.config.prior in ("alibi", "t5", "table", "expanding")

    def forward(
        self,
        x: Tensor,
        attn_mask: Tensor | None = None,
        context: Tensor | None = None,
        return_posterior: bool = False,
    ) -> Any:
        """Attend.

        Args:
            x: (batch, length, dim).
            attn_mask: see ``zoo.nn.masks``: where the prior over edges is not zero (a graph's adjacency, padding).
            context: parents (batch, M, dim); ``x`` by default.
            return_posterior: also return a (batch, heads, length, M).

        Raises:
            InputError: grandparents with a context, or more tokens than a learned table has.
        """
        hard, parents = self.config.hard != "no", x if context is None else context
        if hard:
            x, parents = (tokens.to(self.q_proj.weight.dtype) for tokens in (x, parents))
        # Which parent is chosen must not hang on the rounding of half precision.
        with unrounded(x, hard):
            query, key, value = (
                split_heads(projection(tokens), self.config.num_heads)
                for projection, tokens in ((self.q_proj, x), (self.k_proj, parents), (self.v_proj, parents))
            )
            if self.v2_proj is None and not return_posterior:
                output, posterior = self.attend(query, key, value, attn_mask), None
            else:
                edges = self._edges(query, key, attn_mask)
                output = self._expectation(edges, x, value, grandparents=context is None)
                posterior = edges.matrix() if return_posterior else None
        output = self.out_proj(merge_heads(output.to(x.dtype)))
        return output if posterior is None else (output, posterior)

    def attend(self, query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None) -> Tensor:
        """The expected value of every query, (batch, heads, length, head_dim)."""
        return self._edges(query, key, attn_mask).expectation(value)

    def _expectation(self, edges: Edges, x: Tensor, value: Tensor, *, grandparents: bool) -> Tensor:
        if self.v2_proj is None:
            return edges.expectation(value)
        if not grandparents:
            raise InputError("grandparents need parents among the queries: multihop takes no context")
        value2 = split_heads(self.v2_proj(x), self.config.num_heads)
        return edges.expectation_of_two_hops(value, value2, self.config.multihop_lambda)

    def _edges(self, query: Tensor, key: Tensor, attn_mask: Tensor | None) -> Edges:
        """The posterior that expectations are taken under."""
        config, (batch, heads, queries, width) = self.config, query.shape
        mask = expand_mask(attn_mask, batch=batch, heads=heads, queries=queries, keys=key.shape[2])
        return Edges(query, key, mask, config.causal, width**-0.5, config, self.log_prior)


def structural_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    *,
    causal: bool,
    scale: float,
    config: StructuralAttentionConfig,
) -> Tensor:
    """The mechanism as a function of queries, keys and values, for priors that are not learned.

    Args:
        query: (batch, heads, queries, head_dim).
        key, value: (batch, kv heads, keys, head_dim).
        attn_mask: see ``zoo.nn.masks``.
        causal: parents after the query have prior zero.
        scale: of the dot potential.

    Raises:
        ConfigError: learned priors, two hops, or a window that needs causality where there is none.
    """
    if config.prior in LEARNED_PRIORS or config.value == "multihop":
        raise ConfigError(
            f"prior={config.prior!r} with value={config.value!r} has parameters of its own: only the layer has them",
            field="prior",
        )
    (batch, heads, queries, _), keys = query.shape, key.shape[2]
    bidirectional = not causal and queries > 1 and (attn_mask is None or attn_mask.shape[-2] == 1)
    if config.prior == "expanding" and bidirectional:
        raise ConfigError("the distance to an earlier parent needs causal attention", field="prior")
    mask = expand_mask(attn_mask, batch=batch, heads=heads, queries=queries, keys=keys)
    key, value = (repeat_heads(tensor, heads) for tensor in (key, value))
    return Edges(query, key, mask, causal, scale, config).expectation(value).to(value.dtype)


def example(config: StructuralAttentionConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random tokens of length 9."""
    return {"x": torch.randn(batch_size, 9, config.dim, generator=torch.Generator().manual_seed(seed))}
