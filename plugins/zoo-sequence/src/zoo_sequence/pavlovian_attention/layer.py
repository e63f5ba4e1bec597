"""The drop-in layer."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.nn.attention import KeyValueCache, dense_attention
from zoo.nn.heads import merge_heads, split_heads
from zoo.nn.masks import padding_mask
from zoo.nn.precision import unrounded
from zoo_sequence.linear_attention import linear_attention
from zoo_sequence.pavlovian_attention.config import PavlovianConfig
from zoo_sequence.pavlovian_attention.rules import FEATURE_MAPS, Plasticity, delta_parallel, go_on


@dataclass
class PavlovianCache:
    """What a plastic layer keeps of the tokens so far; its size does not depend on their number.

    Args:
        memory: state (batch, heads, d_v, d_k) and sliding threshold (batch, heads, d_v).
        keys: sum of the keys (batch, heads, 1, d_k), for the normalizer.
        length: number of tokens.
    """

    memory: tuple[Tensor, Tensor] | None = None
    keys: Tensor | None = None
    length: int = 0

    def select(self, rows: Tensor) -> None:
        """Keep these examples of the batch, in this order, some more than once (beams do that)."""
        if self.memory is not None:
            self.memory = self.memory[0][rows], self.memory[1][rows]
        if self.keys is not None:
            self.keys = self.keys[rows]


class PavlovianAttention(nn.Module):
    """A drop-in causal layer, (batch, length, dim) to the same shape, with a chosen plasticity rule.

    Hebb, decay and delta run in chunks (linear in length); oja, bcm and homeostatic scaling one token at a time.
    """

    has_positions = False
    supports_cache = True

    def __init__(self, config: PavlovianConfig) -> None:
        super().__init__()
        self.config = config
        inner = config.num_heads * config.key_dim
        self.q_proj = nn.Linear(config.dim, inner, bias=False)
        self.k_proj = nn.Linear(config.dim, inner, bias=False)
        self.v_proj = nn.Linear(config.dim, inner, bias=False)
        self.out_proj = nn.Linear(inner, config.dim, bias=False)
        self.log_eta = nn.Parameter(torch.empty(config.num_heads))
        self.decay_logit = nn.Parameter(torch.empty(config.num_heads)) if config.rule == "decay" else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Learning rate and decay as configured; the projections keep torch's default."""
        nn.init.constant_(self.log_eta, math.log(self.config.rate))
        if self.decay_logit is not None:
            nn.init.constant_(self.decay_logit, math.log(self.config.decay / (1 - self.config.decay)))

    def new_cache(self) -> Any:
        """What the layer knows before the first token: an empty state, or no keys and values of softmax attention."""
        return KeyValueCache() if self.config.rule == "softmax" else PavlovianCache()

    def forward(self, x: Tensor, attn_mask: Tensor | None = None, cache: Any = None) -> Tensor:
        """Attend.

        Args:
            x: (batch, length, dim).
            attn_mask: padding (batch, length), True for real tokens; the others are not written. With a cache it may
                cover the tokens that the cache stands for as well.
            cache: from ``new_cache``; extended by this call, which runs one token after the other.
        """
        batch, length, _ = x.shape
        config = self.config
        keys = length + (cache.length if isinstance(cache, KeyValueCache) else 0)
        if isinstance(cache, PavlovianCache) and attn_mask is not None and attn_mask.ndim == 2:
            attn_mask = attn_mask[:, -length:] if attn_mask.shape[1] == cache.length + length else attn_mask
        visible = padding_mask(attn_mask, batch=batch, keys=keys, mechanism="a plastic memory")
        # The normalizer divides by sums of products that may be near zero: rounding would decide on its size.
        exact = config.normalizer and config.rule != "softmax"
        inputs = x.to(self.q_proj.weight.dtype) if exact else x
        with unrounded(x, exact):
            query, key, value = (
                split_heads(projection(inputs), config.num_heads)
                for projection in (self.q_proj, self.k_proj, self.v_proj)
            )
            if cache is None:
                output = self.attend(query, key, value, visible)
            else:
                output = self.respond(query, key, value, visible, cache)
        return self.out_proj(merge_heads(output.to(x.dtype)))

    def attend(self, query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None) -> Tensor:
        """Responses within a sequence, which most rules make a weighted sum of values; ``attn_mask`` is padding."""
        return self.respond(query, key, value, attn_mask)

    def respond(self, query: Tensor, key: Tensor, value: Tensor, visible: Tensor | None, cache: Any = None) -> Tensor:
        """Conditioned responses (batch, heads, length, d_k) of projected queries, keys and values."""
        config = self.config
        if config.normalize:
            query, key = functional.normalize(query, dim=-1), functional.normalize(key, dim=-1)
        if config.rule == "softmax":
            key, value = (key, value) if cache is None else cache.update(key, value)
            return dense_attention(query, key, value, visible, causal=True)
        work = torch.promote_types(query.dtype, torch.float32)
        features = FEATURE_MAPS[config.features]
        query, key, value = features(query.to(work)), features(key.to(work)), value.to(work)
        if visible is not None:
            seen = visible[:, None, :, None].to(work)
            key, value = key * seen, value * seen
        if config.rule == "delta":
            # A rate of eta / |k|^2, so that eta = 1 overwrites whatever the size of keys, is unit keys and v / |k|.
            size = key.norm(dim=-1, keepdim=True).clamp(min=1e-12)
            output = self._memory(query, key / size, value / size, visible, cache)
        else:
            output = self._memory(query, key, value, visible, cache)
        if config.normalizer:
            total = self._total(query, key, cache)
            # Divide by one where nothing was written yet: a quotient that is not taken has a gradient all the same.
            empty = total.abs() <= 1e-12
            output = (output / total.masked_fill(empty, 1.0)).masked_fill(empty, 0.0)
        if cache is not None:
            cache.length += query.shape[2]
        return output

    def _total(self, query: Tensor, key: Tensor, cache: Any) -> Tensor:
        """f(q_t) . sum_s f(k_s), (batch, heads, length, 1)."""
        if cache is None:
            return linear_attention(query, key, torch.ones_like(key[..., :1]), strict=self.config.read_first)
        sums = key.cumsum(2) if cache.keys is None else key.cumsum(2) + cache.keys
        cache.keys = sums[:, :, -1:]
        return (query * (sums - key if self.config.read_first else sums)).sum(-1, keepdim=True)

    def _memory(self, query: Tensor, key: Tensor, value: Tensor, visible: Tensor | None, cache: Any) -> Tensor:
        config = self.config
        eta = self.log_eta.to(value.dtype).exp()[:, None]
        decay = None if self.decay_logit is None else self.decay_logit.to(value.dtype).sigmoid()[:, None]
        chunks = cache is None and not config.row_norm
        if chunks and config.rule in ("hebb", "decay"):
            log_decay = None if decay is None else decay.log()
            output = linear_attention(query, key, value * eta[..., None], log_decay, visible, strict=config.read_first)
            if decay is None or not config.read_first:
                return output
            # A read before the write misses the token's own decay as well: S_{t-1}, not lambda S_{t-1}.
            passed = output / decay[..., None]
            return passed if visible is None else torch.where(visible[:, None, :, None], passed, output)
        if chunks and config.rule == "delta":
            return delta_parallel(query, key, value, eta, strict=config.read_first)
        plasticity = Plasticity(
            config.rule,
            eta[:, 0],
            0.0 if decay is None else decay[:, 0],
            config.oja_alpha,
            config.bcm_rho,
            config.row_norm,
        )
        seen = None if visible is None else visible[:, None].expand(-1, config.num_heads, -1)
        memory = None if cache is None else cache.memory
        reads, memory = go_on(plasticity, query, key, value, memory, visible=seen, read_first=config.read_first)
        if cache is not None:
            cache.memory = memory
        return reads


def example(config: PavlovianConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random tokens of length 10."""
    generator = torch.Generator().manual_seed(seed)
    return {"x": torch.randn(batch_size, 10, config.dim, generator=generator)}
