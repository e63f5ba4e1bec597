"""The attention: weights along channels and time, from class semantics."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.errors import InputError
from zoo_activity.csa_action_detection.config import CSAConfig


class ChannelBranch(nn.Module):
    """One weight in (0, 1) for each channel of the features, from what each semantic channel does over time."""

    def __init__(self, config: CSAConfig) -> None:
        super().__init__()
        self.config = config
        hidden = config.dim // config.reduction
        semantic = config.source == "semantics"
        channels = config.semantic_channels if semantic else config.dim
        if semantic:
            self.seg = nn.Parameter(torch.empty(channels, config.segments + 1))
            bound = self.seg.shape[1] ** -0.5
            nn.init.uniform_(self.seg, -bound, bound)
        self.fc1 = nn.Linear(channels, hidden)
        self.fc2 = nn.Linear(hidden, config.dim)

    def forward(self, source: Tensor) -> Tensor:
        """(batch, channels, T) to (batch, C, 1)."""
        if self.config.source == "semantics":
            means = functional.adaptive_avg_pool1d(source, self.config.segments)
            squeezed = (torch.cat((means, source.amax(-1, keepdim=True)), -1) * self.seg).sum(-1)
        else:
            squeezed = source.mean(-1)
        return torch.sigmoid(self.fc2(self.fc1(squeezed).relu()))[..., None]


class TimeBranch(nn.Module):
    """One weight in (0, 1) for each point in time, from the semantics around it."""

    def __init__(self, config: CSAConfig) -> None:
        super().__init__()
        hidden = config.dim // config.reduction
        self.conv1 = nn.Conv1d(config.semantic_channels, hidden, 3, padding=1)
        self.conv2 = nn.Conv1d(hidden, 1, 3, padding=1)

    def forward(self, semantics: Tensor) -> Tensor:
        """(batch, C_R, T) to (batch, 1, T)."""
        return torch.sigmoid(self.conv2(self.conv1(semantics).relu()))


class ClassSemanticAttention(nn.Module):
    """Features, weighed by what class semantics say. With ``source=features`` it is squeeze and excitation."""

    def __init__(self, config: CSAConfig) -> None:
        super().__init__()
        self.config = config
        axes = config.axes if config.source == "semantics" else "channel"
        self.channel = ChannelBranch(config) if axes != "time" else None
        self.time = TimeBranch(config) if axes != "channel" else None
        self.fuse = nn.Conv1d(2 * config.dim, config.dim, 1) if config.fuse == "conv" and axes == "both" else None

    def weights(self, semantics: Tensor, features: Tensor | None = None) -> dict[str, Tensor]:
        """Weights by axis: "channel" (batch, C, 1) and "time" (batch, 1, T).

        Args:
            semantics: (batch, C_R, T).
            features: (batch, C, T); what weights come from with ``source=features``, not looked at otherwise.
        """
        source = semantics if self.config.source == "semantics" or features is None else features
        branches = {"channel": self.channel, "time": self.time}
        return {axis: branch(source) for axis, branch in branches.items() if branch is not None}

    def forward(self, semantics: Tensor, features: Tensor) -> Tensor:
        """Weigh features (batch, C, T) by semantics (batch, C_R, T).

        Raises:
            InputError: other channels than the weights are for, or two lengths.
        """
        config = self.config
        length = semantics.shape[-1]
        expected = ((config.semantic_channels, length), (config.dim, length))
        if semantics.ndim != 3 or (tuple(semantics.shape[1:]), tuple(features.shape[1:])) != expected or not length:
            raise InputError(
                f"semantics {list(semantics.shape)} and features {list(features.shape)}; expected (batch, "
                f"{config.semantic_channels}, T) and (batch, {config.dim}, T) with T of at least 1"
            )
        weighed = [features * weight for weight in self.weights(semantics, features).values()]
        if self.fuse is not None:
            fused = self.fuse(torch.cat(weighed, 1))
        elif config.fuse == "max":
            fused = torch.stack(weighed).amax(0)
        else:
            fused = torch.stack(weighed).mean(0)
        return fused + features if config.residual else fused


def example(config: CSAConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random semantics and features of twelve points."""
    generator = torch.Generator().manual_seed(seed)
    return {
        "semantics": torch.randn(batch_size, config.semantic_channels, 12, generator=generator),
        "features": torch.randn(batch_size, config.dim, 12, generator=generator),
    }
