"""The task: points, queries, and the nearest (or, among themselves, farthest) point as target."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from zoo.errors import InputError
from zoo_sequence.attention_rank.config import NearestPointConfig


def nearest(points: Tensor, queries: Tensor) -> Tensor:
    """f: for each query (batch, d, M) the point of (batch, d, N) with the largest inner product; (batch, d, M)."""
    best = (queries.transpose(1, 2) @ points).argmax(-1)
    return points.gather(2, best[:, None].expand(-1, points.shape[1], -1))


def farthest_self(points: Tensor) -> Tensor:
    """For each point of (batch, d, N) the point with the smallest inner product; the same shape."""
    return nearest(points, -points)


def sample_points(config: NearestPointConfig, generator: torch.Generator) -> Tensor:
    """Unit points (batch, d, N) as columns."""
    batch, dim, count = config.batch_size, config.dim, config.num_points
    if config.sampler == "ortho":
        rotation = torch.linalg.qr(torch.randn(batch, dim, dim, generator=generator)).Q
        return rotation[:, :, :count]
    if config.sampler == "doubled":
        half = functional.normalize(torch.randn(batch, dim, count // 2, generator=generator), dim=1)
        return torch.cat((half, -half), 2)
    return functional.normalize(torch.randn(batch, dim, count, generator=generator), dim=1)


@dataclass(frozen=True)
class NearestPointCase:
    """Points (batch, d, N) and queries (batch, d, M)."""

    points: Tensor
    queries: Tensor


class NearestPoint:
    """The benchmark: cases of points and queries, scored by the mean squared distance from the target, and by hits."""

    def __init__(self, config: NearestPointConfig) -> None:
        self.config = config

    def stream(self, generator: torch.Generator) -> Iterator[NearestPointCase]:
        """Endless random cases, for training."""
        while True:
            points = sample_points(self.config, generator)
            if self.config.num_queries < 0:
                yield NearestPointCase(points, points)
            else:
                shape = (self.config.batch_size, self.config.dim, self.config.num_queries)
                yield NearestPointCase(points, functional.normalize(torch.randn(shape, generator=generator), dim=1))

    def cases(self) -> list[NearestPointCase]:
        """The evaluation's cases, the same for the same seed."""
        stream = self.stream(torch.Generator().manual_seed(self.config.seed))
        return [next(stream) for _ in range(self.config.num_cases)]

    def target(self, case: NearestPointCase) -> Tensor:
        """(batch, d, M): the nearest point, or the farthest where points query themselves."""
        return farthest_self(case.points) if self.config.num_queries < 0 else nearest(case.points, case.queries)

    def score(self, answers: list[Tensor]) -> dict[str, float]:
        """Error of answers (batch, d, M), one per case, and the share that are right.

        An answer is right where the target is the point nearest to it and it lies at least twice as near to the target
        as any multiple of the query does. The second half asks for the point itself: the nearest point of a query is
        the target by definition, so that a system could repeat the query and seem to know all of them.

        Raises:
            InputError: another number of answers, or another shape.
        """
        cases = self.cases()
        if len(answers) != len(cases):
            raise InputError(f"{len(answers)} answers for {len(cases)} cases")
        errors, right = [], []
        for case, answer in zip(cases, answers, strict=True):
            target = self.target(case)
            if answer.shape != target.shape:
                raise InputError(f"answer of shape {tuple(answer.shape)}; expected {tuple(target.shape)}")
            errors.append((answer - target).square().sum(1).mean())
            chosen = (nearest(case.points, answer) == target).all(1)
            beside = target - (target * case.queries).sum(1, keepdim=True) * case.queries
            close = (answer - target).norm(dim=1) <= beside.norm(dim=1) / 2
            right.append((chosen & close).float().mean())
        return {"error": float(torch.stack(errors).mean()), "accuracy": float(torch.stack(right).mean())}

    def run(self, system: Callable[[Tensor, Tensor], Tensor]) -> dict[str, float]:
        """Score a system (points, queries) -> (batch, d, M)."""
        with torch.no_grad():
            return self.score([system(case.points, case.queries) for case in self.cases()])


def benchmark_example(config: NearestPointConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Any]:
    """The exact solution as the system."""
    return {"system": nearest if config.num_queries >= 0 else (lambda points, queries: farthest_self(points))}
