"""A damped rotation in the plane, seen through noise and many channels: trajectories, and the benchmark made of them.

    dx = A x dt + sigma dW,    z_k = x(t_k) + noise of variance eta^2,    channels = E z

A has the eigenvalues mu +- i omega in a basis that is not orthogonal; E is a random map to ``dim`` channels. The
integration is Euler's, with ``substeps`` steps per measurement.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from zoo.errors import InputError
from zoo_sequence.adaptive_filter_attention.config import NoisyRotationConfig

# Columns: the basis in which the rotation is round. Its angle is 63 degrees.
_BASIS = torch.tensor([[1.0, 0.5], [0.0, 1.0]], dtype=torch.float64)


@dataclass(frozen=True, eq=False)
class RotationCase:
    """One trajectory: what is measured, (length, dim), and what to answer, (length - 1, dim)."""

    measured: Tensor
    upcoming: Tensor


@dataclass(frozen=True, eq=False)
class Trajectories:
    """In the plane: states and measurements (count, length, 2), float64."""

    states: Tensor
    measured: Tensor


class NoisyRotation:
    """Benchmark: from noisy measurements up to now to the true state at the next one.

    A system maps channels (count, length, dim) to estimates of the same shape; the one at position i is of time i + 1,
    so the last is not judged. Errors are mean squares over the channels.
    """

    def __init__(self, config: NoisyRotationConfig) -> None:
        self.config = config
        generator = torch.Generator().manual_seed(config.map_seed)
        self.embedding = torch.randn(config.dim, 2, generator=generator, dtype=torch.float64) / 2**0.5
        # In the round basis the generator of the dynamics is a damped rotation.
        damped = torch.tensor([[config.mu, -config.omega], [config.omega, config.mu]], dtype=torch.float64)
        self.generator = _BASIS @ damped @ torch.linalg.inv(_BASIS)

    def draw(self, count: int, generator: torch.Generator) -> Trajectories:
        """Independent trajectories."""
        config = self.config
        step = config.interval / config.substeps
        transition = torch.eye(2, dtype=torch.float64) + self.generator.T * step
        noise_scale = (config.sigma2 * step) ** 0.5
        state = config.initial_scale * _normal((count, 2), generator)
        states = [state]
        for _ in range(config.length - 1):
            for _ in range(config.substeps):
                state = state @ transition + noise_scale * _normal((count, 2), generator)
            states.append(state)
        truth = torch.stack(states, 1)
        return Trajectories(truth, truth + config.eta2**0.5 * _normal(tuple(truth.shape), generator))

    def channels(self, plane: Tensor) -> Tensor:
        """(..., 2) to channels (..., dim), float32."""
        return (plane @ self.embedding.T).float()

    def cases(self) -> Iterator[RotationCase]:
        """The trajectories of the benchmark."""
        found = self._trajectories()
        for measured, upcoming in zip(self.channels(found.measured), self.channels(found.states[:, 1:]), strict=True):
            yield RotationCase(measured, upcoming)

    def score(self, answers: Tensor) -> dict[str, float]:
        """Mean squared error of estimates (count, length, dim), beside what it can be compared with.

        Returns:
            ``error`` of the answers; ``measurement``, of the measurements themselves at the time in question;
            ``mean``, of the average of all measurements so far; ``last``, of the last measurement;
            ``kalman``, of the optimal filter, which knows the dynamics and the noise.

        Raises:
            InputError: answers of another shape.
        """
        found = self._trajectories()
        measured = self.channels(found.measured)
        if answers.shape != measured.shape:
            raise InputError(f"answers of shape {tuple(answers.shape)}; expected {tuple(measured.shape)}")
        truth = self.channels(found.states)[:, 1:]
        counts = torch.arange(1, measured.shape[1] + 1)[:, None]
        candidates = {
            "error": answers[:, :-1],
            "measurement": measured[:, 1:],
            "mean": (measured.cumsum(1) / counts)[:, :-1],
            "last": measured[:, :-1],
            "kalman": self.channels(self.kalman(found.measured))[:, :-1],
        }
        return {name: float((estimate - truth).square().mean()) for name, estimate in candidates.items()}

    @torch.no_grad()
    def run(self, system: Callable[[Tensor], Tensor]) -> dict[str, float]:
        """Score a system."""
        return self.score(system(self.channels(self._trajectories().measured)))

    def kalman(self, measured: Tensor) -> Tensor:
        """Optimal estimates of the next state (count, length, 2) from measurements (count, length, 2) up to now."""
        config = self.config
        step = config.interval / config.substeps
        small = torch.eye(2, dtype=torch.float64) + self.generator * step
        identity = torch.eye(2, dtype=torch.float64)
        transition, noise = identity, torch.zeros(2, 2, dtype=torch.float64)
        for _ in range(config.substeps):
            noise = small @ noise @ small.T + config.sigma2 * step * identity
            transition = small @ transition
        mean, covariance = torch.zeros_like(measured[:, 0]), config.initial_scale**2 * identity
        predictions = []
        for measurement in measured.unbind(1):
            gain = covariance @ torch.linalg.pinv(covariance + config.eta2 * identity)
            mean = (mean + (measurement - mean) @ gain.T) @ transition.T
            covariance = transition @ (covariance - gain @ covariance) @ transition.T + noise
            predictions.append(mean)
        return torch.stack(predictions, 1)

    def _trajectories(self) -> Trajectories:
        return self.draw(self.config.count, torch.Generator().manual_seed(self.config.seed))


def _normal(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def rotation_example(config: NoisyRotationConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Any]:
    """A system that repeats the last measurement."""
    return {"system": lambda channels: channels}
