"""The boundary-matching network, with or without attention behind its base."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from zoo.errors import InputError
from zoo_activity.csa_action_detection.attention import ClassSemanticAttention
from zoo_activity.csa_action_detection.config import BMNConfig


@dataclass
class Boundaries:
    """What the network says of every point and proposal, probabilities.

    Args:
        start, end: (batch, T).
        confidence: (batch, 2, D, T): regression of the overlap, and classification, of the proposal that starts at
            point t and lasts d + 1 points.
    """

    start: Tensor
    end: Tensor
    confidence: Tensor


def valid_proposals(config: BMNConfig) -> Tensor:
    """Boolean (D, T): proposals that end within the T points, t + d + 1 <= T."""
    durations = torch.arange(1, config.max_duration + 1)[:, None]
    return durations + torch.arange(config.length) <= config.length


def sampling_mask(config: BMNConfig) -> Tensor:
    """(T, N D T): the weight of each point in each sample of each proposal; zeros for proposals that end behind T.

    The samples of proposal (d, t) spread evenly from t - r (d + 1) to t + (1 + r) (d + 1), r the boundary ratio;
    ``sub_samples`` neighbours are averaged. Each is interpolated between its two points, or 0 outside.
    """
    length, count = config.length, config.num_samples * config.sub_samples
    duration = torch.arange(1, config.max_duration + 1, dtype=torch.float64)[:, None]
    first = torch.arange(length, dtype=torch.float64) - config.boundary_ratio * duration
    step = (1 + 2 * config.boundary_ratio) * duration / (count - 1)
    valid = valid_proposals(config)
    mask = torch.zeros(length, config.num_samples, config.max_duration, length)
    for sample in range(count):
        place = first + step * sample
        inside = (place >= 0) & (place <= length - 1) & valid
        weight = (1 - (place - torch.arange(length)[:, None, None]).abs()).clamp(min=0) * inside
        mask[:, sample // config.sub_samples] += (weight / config.sub_samples).float()
    return mask.flatten(1)


class BMN(nn.Module):
    """Features of snippets (batch, in_channels, T) to ``Boundaries``."""

    sample_mask: Tensor

    def __init__(self, config: BMNConfig) -> None:
        super().__init__()
        self.config = config
        wide, narrow, groups = config.hidden1, config.hidden2, config.groups
        self.x_1d_b = nn.Sequential(
            nn.Conv1d(config.in_channels, wide, 3, padding=1, groups=groups),
            nn.ReLU(),
            nn.Conv1d(wide, wide, 3, padding=1, groups=groups),
            nn.ReLU(),
        )
        self.se = ClassSemanticAttention(config.csa("features")) if "se" in config.attention.split("+") else None
        self.csa = ClassSemanticAttention(config.csa("semantics")) if "csa" in config.attention.split("+") else None
        self.x_1d_s, self.x_1d_e = (
            nn.Sequential(
                nn.Conv1d(wide, wide, 3, padding=1, groups=groups), nn.ReLU(), nn.Conv1d(wide, 1, 1), nn.Sigmoid()
            )
            for _ in range(2)
        )
        self.x_1d_p = nn.Sequential(nn.Conv1d(wide, narrow, 3, padding=1), nn.ReLU())
        kernel = (config.num_samples, 1, 1)
        self.x_3d_p = nn.Sequential(nn.Conv3d(narrow, config.hidden3, kernel, stride=kernel), nn.ReLU())
        self.x_2d_p = nn.Sequential(
            nn.Conv2d(config.hidden3, narrow, 1),
            nn.ReLU(),
            nn.Conv2d(narrow, narrow, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(narrow, narrow, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(narrow, 2, 1),
            nn.Sigmoid(),
        )
        self.register_buffer("sample_mask", sampling_mask(config), persistent=False)

    def forward(self, features: Tensor) -> Boundaries:
        """Boundaries and confidences.

        Raises:
            InputError: features of other channels or another length than the weights are for.
        """
        config = self.config
        if features.ndim != 3 or tuple(features.shape[1:]) != (config.in_channels, config.length):
            raise InputError(
                f"features {list(features.shape)}; expected (batch, {config.in_channels}, {config.length})"
            )
        base = self.x_1d_b(features)
        for attention in (self.se, self.csa):
            if attention is not None:
                base = attention(features, base)
        start, end = (head(base)[:, 0] for head in (self.x_1d_s, self.x_1d_e))
        sampled = (self.x_1d_p(base) @ self.sample_mask.to(base.dtype)).unflatten(
            -1, (config.num_samples, config.max_duration, config.length)
        )
        return Boundaries(start, end, self.x_2d_p(self.x_3d_p(sampled)[:, :, 0]))


def example(config: BMNConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random features."""
    generator = torch.Generator().manual_seed(seed)
    return {"features": torch.randn(batch_size, config.in_channels, config.length, generator=generator)}
