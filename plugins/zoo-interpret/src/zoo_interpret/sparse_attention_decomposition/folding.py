"""Weights of a head with the norm before it folded in, and the decomposition of its score between two tokens."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from zoo.bridges.transformers.circuits import head_weights
from zoo.bridges.transformers.sites import Block, Site
from zoo.errors import InputError


@dataclass(frozen=True)
class Norm:
    """A norm before attention: its parameters, and what it divides by.

    Args:
        gain, bias: (dim,); ones and zeros where it has none.
        centred: whether it subtracts the mean.
        eps: added to the variance.
    """

    gain: Tensor
    bias: Tensor
    centred: bool
    eps: float

    def scale(self, stream: Tensor) -> Tensor:
        """The denominator (..., 1) at a residual stream (..., dim)."""
        shifted = self.shifted(stream)
        return (shifted.square().mean(-1, keepdim=True) + self.eps).sqrt()

    def shifted(self, vectors: Tensor) -> Tensor:
        """Vectors without their mean, where the norm subtracts it."""
        return vectors - vectors.mean(-1, keepdim=True) if self.centred else vectors

    def normalised(self, stream: Tensor) -> Tensor:
        """x (..., dim), before gain and bias."""
        return self.shifted(stream) / self.scale(stream)


def norm_before(block: Block, model: nn.Module) -> Norm:
    """The norm that a block's attention reads through.

    Raises:
        InputError: the block has none at its beginning.
    """
    for module in block.module.children():
        name = type(module).__name__.lower()
        weight = getattr(module, "weight", None)
        if "norm" in name and isinstance(weight, Tensor) and weight.ndim == 1:
            bias = getattr(module, "bias", None)
            eps = next((getattr(module, key) for key in ("eps", "variance_epsilon") if hasattr(module, key)), None)
            return Norm(
                weight.detach(),
                torch.zeros_like(weight) if bias is None else bias.detach(),
                isinstance(module, nn.LayerNorm),
                float(torch.finfo(weight.dtype).eps if eps is None else eps),
            )
    raise InputError(f"{type(model).__name__}: {block.name} has no norm before its attention; nothing can be folded")


@dataclass(frozen=True)
class Terms:
    """The singular terms of a head for one offset.

    Args:
        left, right: (dim + 1, head_dim): u_k and v_k in columns.
        singular: (head_dim,), descending.
    """

    left: Tensor
    right: Tensor
    singular: Tensor

    def of(self, destination: Tensor, source: Tensor) -> Tensor:
        """S_k (x_i . u_k) (x_j . v_k), (..., head_dim), of augmented states (..., dim + 1)."""
        return self.singular * (destination @ self.left) * (source @ self.right)


@dataclass
class Folded:
    """A layer's query and key weights with its norm folded in.

    Args:
        query, key: (heads, dim + 1, head_dim); the last row is the bias.
        rotary: what turns queries and keys by their positions, or None.
    """

    query: Tensor
    key: Tensor
    rotary: Any = None
    known: dict[tuple[int, int], Terms] = field(default_factory=dict)

    def omega(self, head: int, offset: int = 0) -> Tensor:
        """Omega (dim + 1, dim + 1) of a head; ``offset`` is destination minus source, where positions turn."""
        query = self.query[head] if self.rotary is None else self.query[head] @ self._turn(offset)
        key = self.key[head]
        # Block by block, as it is defined: single precision then rounds where the recorded runs did. Terms of near
        # singular values show it.
        weights = torch.cat((query[:-1] @ key[:-1].T, (query[:-1] @ key[-1])[:, None]), 1)
        bias = torch.cat((query[-1] @ key[:-1].T, (query[-1] @ key[-1])[None]))
        return torch.cat((weights, bias[None]))

    def terms(self, head: int, offset: int = 0) -> Terms:
        """Its singular terms; from small matrices, since the rank is that of the head."""
        place = head, offset if self.rotary is not None else 0
        if place not in self.known:
            (q_basis, q_rest), (k_basis, k_rest) = (torch.linalg.qr(each[head]) for each in (self.query, self.key))
            left, singular, right = torch.linalg.svd(q_rest @ self._turn(offset) @ k_rest.T)
            self.known[place] = Terms(q_basis @ left, k_basis @ right.T, singular)
        return self.known[place]

    def _turn(self, offset: int) -> Tensor:
        """(head_dim, head_dim) between a query and a key ``offset`` positions before it."""
        first, second = (self.turned(position) for position in (max(offset, 0), max(-offset, 0)))
        return first @ second.T

    def turned(self, position: int) -> Tensor:
        """The identity's rows (head_dim, head_dim), turned as a query at that position is."""
        if self.rotary is None:
            return torch.eye(self.query.shape[-1], dtype=self.query.dtype, device=self.query.device)
        rows = torch.eye(self.query.shape[-1], dtype=torch.float32, device=self.query.device)
        places = torch.tensor([[position]], device=rows.device)
        cos, sin = (part[0, 0] for part in self.rotary(rows[None], position_ids=places))
        turned, rest = rows[:, : len(cos)], rows[:, len(cos) :]
        first, second = turned.chunk(2, -1)
        turned = turned * cos + torch.cat((-second, first), -1) * sin
        return torch.cat((turned, rest), -1).to(self.query.dtype)


def fold(site: Site, norm: Norm, model: nn.Module, dtype: torch.dtype = torch.double) -> Folded:
    """Query and key weights of a layer with its norm folded in, in some precision."""
    weights = head_weights(site)
    parts = []
    for matrix, bias in ((weights.query, weights.query_bias), (weights.key, weights.key_bias)):
        # All heads side by side, as the model keeps them: (dim, heads head_dim).
        whole = matrix.to(dtype).movedim(0, 1).flatten(1).contiguous()
        folded = norm.gain.to(dtype)[:, None] * whole
        if norm.centred:
            folded = folded - folded.mean(0, keepdim=True)
        last = bias.to(dtype).flatten() + norm.bias.to(dtype) @ whole
        stacked = torch.cat((folded, last[None])).unflatten(1, (site.num_heads, site.head_dim))
        parts.append(stacked.movedim(1, 0).contiguous())
    rotary = next((part for part in model.modules() if "RotaryEmbedding" in type(part).__name__), None)
    return Folded(parts[0], parts[1], rotary)


def augmented(vectors: Tensor) -> Tensor:
    """Vectors (..., dim) with a 1 behind: (..., dim + 1), in double precision."""
    return torch.cat((vectors.double(), torch.ones_like(vectors[..., :1], dtype=torch.double)), -1)


def kept_terms(terms: Tensor, fraction: float) -> Tensor:
    """Which terms make up a score: (terms,) boolean, none where no sum of the largest exceeds the fraction.

    Args:
        terms: (terms,), which sum to the score; of a negative score the most negative are taken.
        fraction: of the score.
    """
    total = terms.sum()
    sign = 1.0 if total >= 0 else -1.0
    order = (sign * terms).argsort(descending=True)
    # Where no term cancels another, all together equal the score and do not exceed it, whatever rounding says.
    rounding = 1e-9 * terms.abs().sum()
    enough = (sign * terms)[order].cumsum(0) > fraction * sign * total + rounding
    kept = torch.zeros_like(terms, dtype=torch.bool)
    if bool(enough.any()):
        kept[order[: int(enough.float().argmax()) + 1]] = True
    return kept


def largest_share(contributions: Tensor, share: float) -> Tensor:
    """Which contributions (any shape) are the largest that together exceed a share of the sum of all; boolean."""
    flat = contributions.flatten()
    values = flat.sort(descending=True).values
    enough = values.cumsum(0) > share * flat.sum()
    if not len(flat) or not bool(enough.any()):
        return torch.zeros_like(contributions, dtype=torch.bool)
    return contributions >= values[int(enough.float().argmax())]
