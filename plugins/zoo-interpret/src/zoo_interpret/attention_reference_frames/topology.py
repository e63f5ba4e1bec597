"""Components and cycles of thresholded attention graphs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor


def betti_numbers(weights: Tensor, threshold: float) -> tuple[int, int]:
    """Betti_0 and Betti_1 of one map (T, T): components, and independent cycles (triangles are not filled).

    An undirected edge joins i and j where max(A_ij, A_ji) exceeds the threshold.
    """
    strongest = torch.maximum(weights, weights.mT).cpu().numpy()
    edges = np.triu(strongest > threshold, 1)
    components = int(connected_components(csr_array(edges), directed=False, return_labels=False))
    return components, int(edges.sum()) - len(edges) + components


def betti_curves(maps: Tensor, thresholds: Sequence[float]) -> tuple[Tensor, Tensor]:
    """Betti_0 and Betti_1 of every map (..., T, T), each (..., thresholds) int64."""
    flat = maps.reshape(-1, *maps.shape[-2:])
    found = [[betti_numbers(each, threshold) for threshold in thresholds] for each in flat]
    table = torch.tensor(found, dtype=torch.long).view(*maps.shape[:-2], len(thresholds), 2)
    return table[..., 0], table[..., 1]
