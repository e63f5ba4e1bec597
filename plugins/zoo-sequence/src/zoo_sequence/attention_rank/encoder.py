"""The widened encoder of the experiments."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.errors import InputError
from zoo_sequence.attention_rank.config import RankEncoderConfig


class SphereNorm(nn.Module):
    """n(x) = s x / ||x||, one learned scalar s."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.empty(1))
        nn.init.ones_(self.scale)

    def forward(self, x: Tensor) -> Tensor:
        """(..., d) to the same shape."""
        return self.scale * x / x.norm(dim=-1, keepdim=True)


class WidenedLayer(nn.Module):
    """Post-norm layer whose attention is the mean of w independent multi-head attentions."""

    def __init__(self, config: RankEncoderConfig) -> None:
        super().__init__()
        width = config.dim + config.positional_dim
        self.widened_self_attn = nn.ModuleList(
            nn.MultiheadAttention(width, config.num_heads, bias=config.bias, batch_first=True)
            for _ in range(config.width_multiplier)
        )
        self.linear1 = nn.Linear(width, config.hidden_dim, bias=config.bias)
        self.linear2 = nn.Linear(config.hidden_dim, width, bias=config.bias)
        self.norm1 = SphereNorm()
        self.norm2 = SphereNorm()

    def forward(self, x: Tensor) -> Tensor:
        """(batch, N, width) to the same shape."""
        attended = [attention(x, x, x, need_weights=False)[0] for attention in self.widened_self_attn]
        x = self.norm1(x + torch.stack(attended).mean(0))
        return self.norm2(x + self.linear2(functional.relu(self.linear1(x))))


class Layers(nn.Module):
    """The stack, under the name it has in recorded states."""

    def __init__(self, config: RankEncoderConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(WidenedLayer(config) for _ in range(config.num_layers))


class RankEncoder(nn.Module):
    """The widened encoder: points (batch, d, N) to (batch, d, N)."""

    def __init__(self, config: RankEncoderConfig) -> None:
        super().__init__()
        self.config = config
        appended, added = (config.positional_dim, config.num_points), (config.dim, config.num_points)
        self.positional_encodings = nn.Parameter(torch.empty(appended)) if config.positional_dim else None
        self.additive_positional = nn.Parameter(torch.empty(added)) if config.additive_positional else None
        self.encoder = Layers(config)
        if self.positional_encodings is not None:
            nn.init.uniform_(self.positional_encodings, -1, 1)
        if self.additive_positional is not None:
            nn.init.normal_(self.additive_positional, -1, 1)

    def forward(self, points: Tensor) -> Tensor:
        """Encode.

        Raises:
            InputError: more points than positions.
        """
        batch, dim, count = points.shape
        tables = [table for table in (self.positional_encodings, self.additive_positional) if table is not None]
        if any(table.shape[1] < count for table in tables):
            raise InputError(f"{count} points, but positions for {self.config.num_points}")
        if self.additive_positional is not None:
            points = points + self.additive_positional[:, :count]
        if self.positional_encodings is not None:
            appended = self.positional_encodings[:, :count].expand(batch, -1, -1)
            points = torch.cat((points, appended), 1)
        x = points.transpose(1, 2)
        for layer in self.encoder.layers:
            x = layer(x)
        return x[..., :dim].transpose(1, 2)


def encoder_example(config: RankEncoderConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random points."""
    generator = torch.Generator().manual_seed(seed)
    points = torch.randn(batch_size, config.dim, min(6, config.num_points) or 6, generator=generator)
    return {"points": functional.normalize(points, dim=1)}
