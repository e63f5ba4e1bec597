"""Graphs of joints and frames: adjacency, and the modulated graph layer that lifters build on."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn


def neighbours(count: int, edges: Iterable[tuple[int, int]]) -> Tensor:
    """(count, count) float32: 1 where an edge connects two different nodes, symmetric, 0 on the diagonal."""
    matrix = torch.zeros(count, count)
    for one, other in edges:
        if one != other:
            matrix[one, other] = matrix[other, one] = 1.0
    return matrix


def normalised_adjacency(count: int, edges: Iterable[tuple[int, int]]) -> Tensor:
    """(count, count) float32: each row of ``neighbours`` divided by its sum, then 1 on the diagonal."""
    matrix = neighbours(count, edges)
    return (matrix / matrix.sum(1, keepdim=True).clamp(min=1)).fill_diagonal_(1.0)


def chain(count: int) -> list[tuple[int, int]]:
    """Edges between each of ``count`` frames and the next."""
    return [(frame, frame + 1) for frame in range(count - 1)]


class ModulatedGraphConv(nn.Module):
    """A graph convolution with one matrix for the node itself, one for its neighbours, and a topology that is learnt.

    x (batch, nodes, in) to (batch, nodes, out): with S = sym(adjacency + adj2), where sym(A) = (A + A') / 2,

        y = (S * I) (M * (x W[0])) + (S * (1 - I)) (M * (x W[1])) + bias

    ``M`` (nodes, out) scales each node's channels, and ``adj2`` is learnt.

    Args:
        in_dim, out_dim: widths.
        adjacency: (nodes, nodes), fixed, not in the state.
        offset: what ``adj2`` starts from.
    """

    adjacency: Tensor

    def __init__(self, in_dim: int, out_dim: int, adjacency: Tensor, *, offset: float = 1e-6) -> None:
        super().__init__()
        nodes = len(adjacency)
        self.offset = offset
        self.W = nn.Parameter(torch.empty(2, in_dim, out_dim))
        self.M = nn.Parameter(torch.empty(nodes, out_dim))
        self.adj2 = nn.Parameter(torch.empty(nodes, nodes))
        self.bias = nn.Parameter(torch.empty(out_dim))
        self.register_buffer("adjacency", adjacency, persistent=False)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Xavier's uniform of gain 1.414, ones, a constant, and uniform within 1 / sqrt(out)."""
        for weight in self.W:
            nn.init.xavier_uniform_(weight, 1.414)
        nn.init.ones_(self.M)
        nn.init.constant_(self.adj2, self.offset)
        bound = 1 / math.sqrt(len(self.bias))
        nn.init.uniform_(self.bias, -bound, bound)

    def topology(self) -> Tensor:
        """S, (nodes, nodes)."""
        total = self.adjacency + self.adj2
        return (total + total.T) / 2

    def forward(self, x: Tensor) -> Tensor:
        """(batch, nodes, in) to (batch, nodes, out)."""
        topology = self.topology()
        own = topology.diagonal()[:, None] * (self.M * (x @ self.W[0]))
        around = topology - topology.diagonal().diag()
        return own + around @ (self.M * (x @ self.W[1])) + self.bias
