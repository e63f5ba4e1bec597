"""Maps of known frames."""

from __future__ import annotations

import torch
from torch import Tensor


def star(length: int, centre: int = 0) -> Tensor:
    """Every query looks at one key, (T, T) float64."""
    found = torch.zeros(length, length, dtype=torch.float64)
    found[:, centre] = 1.0
    return found


def two_anchors(length: int, first: float = 0.5) -> Tensor:
    """Every query looks at the first and the last key."""
    found = torch.zeros(length, length, dtype=torch.float64)
    found[:, 0], found[:, -1] = first, 1.0 - first
    return found


def uniform(length: int, *, causal: bool = False) -> Tensor:
    """Every query looks at all that it sees alike."""
    visible = torch.ones(length, length, dtype=torch.float64)
    visible = visible.tril() if causal else visible
    return visible / visible.sum(-1, keepdim=True)


def mixed(maps: Tensor, share: float, *, causal: bool) -> Tensor:
    """Maps with ``share`` of their weight, the rest uniform; causal ones renormalised below the diagonal."""
    seen = maps.tril() if causal else maps
    seen = seen / seen.sum(-1, keepdim=True).clamp(min=1e-12)
    return share * seen + (1 - share) * uniform(maps.shape[-1], causal=causal)


def centralised_model(length: int = 24, layers: int = 6, heads: int = 4) -> Tensor:
    """A decoder's maps (layers, heads, T, T) with one sink."""
    return mixed(star(length), 0.6, causal=True).expand(layers, heads, -1, -1)


def distributed_model(length: int = 24, layers: int = 6, heads: int = 4) -> Tensor:
    """A decoder's maps with several weaker anchors, of which the first is none."""
    anchors = torch.stack([star(length, centre) for centre in (3, 7, 11)]).mean(0)
    found = mixed(anchors, 0.75, causal=True)
    return found.expand(layers, heads, -1, -1)


def bidirectional_model(length: int = 24, layers: int = 6, heads: int = 4) -> Tensor:
    """An encoder's maps that turn from the first token to the last."""
    shares = torch.linspace(0.8, 0.2, layers)
    by_layer = [mixed(two_anchors(length, float(share)), 0.8, causal=False) for share in shares]
    return torch.stack(by_layer)[:, None].expand(-1, heads, -1, -1)
