"""The survey's generic attention, with its alignment and distribution functions as parts (section 4 and its tables)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.errors import InputError
from zoo.nn.attention import scores
from zoo.nn.masks import expand_mask
from zoo.nn.precision import unrounded
from zoo.nn.sparse_softmax import constrained_sparsemax, entmax15, sparsemax
from zoo_evaluate.attention_taxonomy.config import AttentionCoreConfig

ACTIVATIONS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh,
    "relu": functional.relu,
    "identity": lambda x: x,
}
# Distributions that decide which weights are zero, or nearly one: small differences of energies matter to them.
DECIDING = ("sparsemax", "entmax", "constrained-sparsemax", "bernoulli", "argmax", "sampled")
# Longest sequence of the location-based alignment, which scores places by the query alone.
MAX_PLACES = 512


class AttentionCore(nn.Module):
    """Queries (B, Q, dq), keys (B, N, dk), values (B, N, dv) to context (B, Q, dv) and weights.

    Weights are (B, Q, N), or (B, Q, N, dv) when feature-wise.
    """

    def __init__(self, config: AttentionCoreConfig) -> None:
        super().__init__()
        self.config = config
        hidden = config.hidden or config.dim_k
        outputs = config.dim_v if config.feature_wise else 1
        kind = config.alignment
        if kind in ("general", "biased-general", "activated-general"):
            self.weight = nn.Parameter(torch.empty(config.dim_k, config.dim_q))
            nn.init.xavier_uniform_(self.weight)
        if kind in ("biased-general", "activated-general"):
            self.bias = nn.Parameter(torch.empty(config.dim_k))
            nn.init.zeros_(self.bias)
        if kind in ("concat", "deep"):
            widths = [config.dim_q + config.dim_k] + [hidden] * (config.layers if kind == "deep" else 1)
            self.maps = nn.ModuleList(map(_linear, widths[:-1], widths[1:]))
        if kind == "additive":
            self.query_map = _linear(config.dim_q, hidden)
            self.key_map = _linear(config.dim_k, hidden, bias=False)
        if kind == "feature-based":
            self.key_map = _linear(config.dim_k, hidden)
            self.square_map = _linear(config.dim_k, hidden, bias=False)
        if kind == "location-based":
            self.query_map = _linear(config.dim_q, hidden)
        if kind in ("concat", "deep", "additive", "feature-based"):
            self.score = nn.Linear(hidden, outputs, bias=False)
            nn.init.normal_(self.score.weight, std=1 / math.sqrt(hidden))
        if kind == "location-based":
            self.score = nn.Linear(hidden, MAX_PLACES * outputs, bias=False)
            nn.init.normal_(self.score.weight, std=1 / math.sqrt(hidden))
        if config.distribution == "gaussian-window" and config.window is not None:
            self.deviation = config.window / 2
            self.centre_map = _linear(config.dim_q, hidden, bias=False)
            self.centre = nn.Linear(hidden, 1, bias=False)
            nn.init.normal_(self.centre.weight, std=1 / math.sqrt(hidden))

    def energies(self, query: Tensor, key: Tensor) -> Tensor:
        """e (B, Q, N), or (B, Q, N, dv) when feature-wise."""
        kind, act = self.config.alignment, ACTIVATIONS[self.config.act]
        if kind == "similarity":
            return scores(functional.normalize(query, dim=-1), functional.normalize(key, dim=-1))
        if kind in ("dot", "scaled-dot"):
            return scores(query, key) / (math.sqrt(query.shape[-1]) if kind == "scaled-dot" else 1.0)
        if kind == "generalized-kernel":
            return scores(functional.elu(query) + 1, functional.elu(key) + 1)
        if kind in ("general", "biased-general", "activated-general"):
            mapped = functional.linear(query, self.weight, self.bias if kind != "general" else None)
            energies = scores(mapped, key)
            return act(energies) if kind == "activated-general" else energies
        if kind == "location-based":
            return self._places(act(self.query_map(query)), key.shape[1])
        return self._scored(act(self._hidden(query, key, act)))

    def _whole(self, x: Tensor) -> Tensor:
        """Of the weights' dtype, which autocast leaves whole; where there are none in at least float32."""
        weight = next(self.parameters(), None)
        return x.to(torch.promote_types(x.dtype, torch.float32) if weight is None else weight.dtype)

    def _hidden(self, query: Tensor, key: Tensor, act: Callable[[Tensor], Tensor]) -> Tensor:
        """(B, Q, N, hidden) before the last activation."""
        kind = self.config.alignment
        if kind == "additive":
            return self.query_map(query)[:, :, None] + self.key_map(key)[:, None]
        if kind == "feature-based":
            alone = self.key_map(key) + self.square_map(key.square())
            return alone[:, None].expand(-1, query.shape[1], -1, -1)
        shape = (query.shape[0], query.shape[1], key.shape[1])
        joint = torch.cat((query[:, :, None].expand(*shape, -1), key[:, None].expand(*shape, -1)), -1)
        for layer in list(self.maps)[:-1]:
            joint = act(layer(joint))
        return self.maps[-1](joint)

    def _scored(self, hidden: Tensor) -> Tensor:
        found = self.score(hidden)
        return found if self.config.feature_wise else found[..., 0]

    def _places(self, hidden: Tensor, places: int) -> Tensor:
        if places > MAX_PLACES:
            raise InputError(f"location-based alignment scores at most {MAX_PLACES} places, not {places}")
        found = self.score(hidden).unflatten(-1, (MAX_PLACES, -1))[:, :, :places]
        return found if self.config.feature_wise else found[..., 0]

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Attend.

        Args:
            query: (B, Q, dq).
            key: (B, N, dk).
            value: (B, N, dv).
            attn_mask: boolean (B, N), (Q, N) or (B, 1 or Q, N), True = keep; rows without a key give zeros.
        """
        batch, queries, keys = query.shape[0], query.shape[1], key.shape[1]
        if attn_mask is not None and attn_mask.ndim == 3 and attn_mask.shape[1] == 1:
            attn_mask = attn_mask[:, 0]
        mask = expand_mask(attn_mask, batch=batch, heads=1, queries=queries, keys=keys)
        decides = self.config.distribution in DECIDING
        with unrounded(query, decides):
            energies = self.energies(*(self._whole(each) if decides else each for each in (query, key)))
        wise = energies.ndim == 4
        visible = torch.ones_like(energies[:1, :1, :, :1] if wise else energies[:1, :1], dtype=torch.bool)
        if mask is not None:
            visible = mask[:, 0][..., None] if wise else mask[:, 0]
        weights = self._distribute(query, energies.transpose(-1, -2) if wise else energies, visible, wise)
        weights = weights.to(value.dtype)
        if wise:
            weights = weights.transpose(-1, -2)
            return (weights * value[:, None]).sum(2), weights
        return weights @ value, weights

    def _distribute(self, query: Tensor, energies: Tensor, visible: Tensor, wise: bool) -> Tensor:
        """Weights over the last axis, computed in at least float32; hidden places get zero."""
        if wise:
            visible = visible.transpose(-1, -2)
        kind = self.config.distribution
        wide = energies.to(torch.promote_types(energies.dtype, torch.float32))
        low = wide.masked_fill(~visible, -1e9)
        if kind == "sigmoid":
            weights = wide.sigmoid()
        elif kind == "linear":
            weights = wide
        elif kind == "sparsemax":
            weights = sparsemax(low)
        elif kind == "entmax":
            weights = entmax15(low)
        elif kind == "constrained-sparsemax":
            weights = constrained_sparsemax(low, self.config.bound)
        elif kind == "bernoulli":
            weights = self._gates(wide.sigmoid())
        elif kind in ("argmax", "sampled"):
            weights = self._hard(low)
        else:
            weights = low.softmax(-1)
            if kind == "gaussian-window":
                weights = weights * self._window(query, visible)
        return weights.masked_fill(~visible, 0.0)

    def _gates(self, chances: Tensor) -> Tensor:
        """Independent gates: open where likely in eval mode; in training drawn, with straight-through gradients."""
        if not self.training:
            return (chances > 0.5).to(chances.dtype)
        return torch.bernoulli(chances.detach()) + chances - chances.detach()

    def _hard(self, energies: Tensor) -> Tensor:
        """Argmax in eval mode; in training a sample, or the argmax, with straight-through gradients."""
        if not self.training:
            return functional.one_hot(energies.argmax(-1), energies.shape[-1]).to(energies.dtype)
        if self.config.distribution == "sampled":
            return functional.gumbel_softmax(energies, hard=True, dim=-1)
        soft = energies.softmax(-1)
        return functional.one_hot(soft.argmax(-1), soft.shape[-1]) + soft - soft.detach()

    def _window(self, query: Tensor, visible: Tensor) -> Tensor:
        """exp(-(i - p)^2 / (2 (D/2)^2)) around a predicted centre p = N sigmoid(u' tanh(W q)), N visible keys."""
        share = self.centre(torch.tanh(self.centre_map(query))).sigmoid()
        share = share.to(torch.promote_types(share.dtype, torch.float32))
        centre = visible.sum(-1, keepdim=True) * (share[..., None] if visible.ndim == 4 else share)
        distance = torch.arange(visible.shape[-1], device=query.device) - centre
        return torch.exp(-distance.square() / (2 * self.deviation**2))


def _linear(dim: int, out: int, bias: bool = True) -> nn.Linear:
    layer = nn.Linear(dim, out, bias=bias)
    nn.init.xavier_uniform_(layer.weight)
    if bias:
        nn.init.zeros_(layer.bias)
    return layer


def example(config: AttentionCoreConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Three queries and five keys."""
    generator = torch.Generator().manual_seed(seed)
    return {
        "query": torch.randn(batch_size, 3, config.dim_q, generator=generator),
        "key": torch.randn(batch_size, 5, config.dim_k, generator=generator),
        "value": torch.randn(batch_size, 5, config.dim_v, generator=generator),
    }
