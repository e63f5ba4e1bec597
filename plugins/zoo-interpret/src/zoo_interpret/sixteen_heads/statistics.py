"""Statistics of attention maps and of heads' outputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from zoo.bridges.transformers.maps import as_distributions
from zoo.evidence.attention_plots import head_tables
from zoo_interpret.named_arrays import NamedArrays, array


@dataclass(frozen=True)
class HeadStatistics(NamedArrays):
    """Analysis of attention maps over real query tokens.

    Args:
        entropy: (layers, heads), nats.
        pairwise_kl: (layers, heads, heads), KL(p_i || p_j).
        distance: (layers, heads), mean |query position - argmax key|.
        disagreement: (layers,), sum_ij <p_i, p_j> / H^2.
    """

    entropy: Tensor = array("layer", "head")
    pairwise_kl: Tensor = array("layer", "head", "other head")
    distance: Tensor = array("layer", "head")
    disagreement: Tensor = array("layer")

    def plot(self, path: str | Path | None = None) -> Any:
        """Heat maps of entropy, reach and mean divergence from the layer's other heads; a matplotlib figure."""
        tables = {"entropy, nats": self.entropy, "reach, tokens": self.distance}
        return head_tables({**tables, "KL from other heads, nats": self.pairwise_kl.mean(-1)}, path=path)


def head_statistics(maps: Sequence[Tensor], attention_mask: Tensor) -> HeadStatistics:
    """Entropy, divergence and reach of heads.

    Args:
        maps: per layer, attention (batch, heads, N, N).
        attention_mask: (batch, N), 1 for real tokens.
    """
    real = attention_mask.bool()
    entropies, divergences, distances, disagreements = [], [], [], []
    for weights in maps:
        rows = as_distributions(weights).transpose(1, 2)[real]  # (tokens, heads, N)
        entropies.append(-torch.xlogy(rows, rows).sum(-1).mean(0))
        safe = torch.where(rows > 0, rows.log(), -40.0)
        cross = torch.einsum("tin,tjn->ij", rows, safe) / len(rows)
        divergences.append((rows * safe).sum(-1).mean(0)[:, None] - cross)
        positions = torch.arange(weights.shape[-1], device=weights.device).expand(real.shape)[real]
        distances.append((positions[:, None] - rows.argmax(-1)).abs().double().mean(0))
        heads = rows.shape[1]
        disagreements.append(torch.einsum("tin,tjn->t", rows, rows).mean() / heads**2)
    return HeadStatistics(*(torch.stack(parts) for parts in (entropies, divergences, distances, disagreements)))


def output_disagreement(contexts: Tensor, num_heads: int, attention_mask: Tensor) -> Tensor:
    """Mean pairwise cosine of head outputs over real tokens.

    Args:
        contexts: a site's concatenated heads (batch, N, heads * head_dim).
        num_heads: how many.
        attention_mask: (batch, N), 1 for real tokens.
    """
    heads = functional.normalize(contexts[attention_mask.bool()].unflatten(-1, (num_heads, -1)), dim=-1)
    return torch.einsum("thd,tgd->thg", heads, heads).mean()
