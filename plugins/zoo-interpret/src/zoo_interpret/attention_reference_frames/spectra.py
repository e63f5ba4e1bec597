"""Random-matrix statistics of attention and of query-key products, for curves over training."""

from __future__ import annotations

import torch
from torch import Tensor


def spectral_gap(matrix: Tensor) -> Tensor:
    """Largest over second largest singular value of (..., m, n), (...)."""
    values = torch.linalg.svdvals(matrix.double())
    return values[..., 0] / values[..., 1].clamp(min=1e-300)


def participation_ratio(matrix: Tensor, count: int = 1) -> Tensor:
    """In how many components the leading left singular vectors of (..., m, n) live: 1 / sum v^4, their mean, (...)."""
    vectors = torch.linalg.svd(matrix.double(), full_matrices=False).U[..., :count]
    return (1 / vectors.pow(4).sum(-2)).mean(-1)


def beyond_marchenko_pastur(matrix: Tensor) -> Tensor:
    """Eigenvalues of the covariance of (..., m, n) beyond the edge of as many random numbers of its variance, (...)."""
    m, n = matrix.shape[-2:]
    values = torch.linalg.svdvals(matrix.double()).square() / n
    variance = matrix.double().var((-1, -2), correction=0)
    edge = variance * (1 + (m / n) ** 0.5) ** 2
    return (values > edge[..., None]).sum(-1)
