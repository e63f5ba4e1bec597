"""The drawing LSTM with two-dimensional attention: one cell, along true points and free."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.errors import InputError
from zoo_vision.sketch2saliency.config import SketchDecoderConfig

START = (0.0, 0.0, 1.0, 0.0, 0.0)
"""The point before the first: the pen is down."""


@dataclass(frozen=True, eq=False)
class Mixture:
    """What may come next.

    Args:
        pi, mu_x, mu_y, sigma_x, sigma_y, rho: (..., K) of the offset; weights sum to 1, deviations are positive and
            correlations lie in (-1, 1).
        pen_logits: (..., 3) down, up, end; before the softmax.
    """

    pi: Tensor
    mu_x: Tensor
    mu_y: Tensor
    sigma_x: Tensor
    sigma_y: Tensor
    rho: Tensor
    pen_logits: Tensor

    def mode(self) -> Tensor:
        """(..., 5): the mean of the heaviest component, and the likeliest pen."""
        best = self.pi.argmax(-1, keepdim=True)
        pen = functional.one_hot(self.pen_logits.argmax(-1), 3).to(self.pi.dtype)
        return torch.cat((self.mu_x.gather(-1, best), self.mu_y.gather(-1, best), pen), -1)


@dataclass(frozen=True, eq=False)
class Drawing:
    """A run along true points.

    Args:
        mixture: of the point after each of the T + 1 given ones: (batch, T + 1, ...).
        attention: (batch, T + 1, h, w), each step sums to 1; of three scales the mean, at the coarsest.
    """

    mixture: Mixture
    attention: Tensor


class Looked(NamedTuple):
    """What one look gives: the mean feature (batch, C) and the weights (batch, h w) of every scale."""

    context: Tensor
    weights: list[Tensor]


class Attention2D(nn.Module):
    """Scores every place of a map by a state."""

    def __init__(self, channels: int, hidden_dim: int, dim: int) -> None:
        super().__init__()
        self.conv_f = nn.Conv2d(channels, dim, 3, padding=1)
        self.conv_h = nn.Linear(hidden_dim, dim)
        self.conv_att = nn.Linear(dim, 1)

    def forward(self, places: Tensor, hidden: Tensor) -> Tensor:
        """Weights (batch, h w) of places (batch, h w, dim), which are ``conv_f`` of the map, for a state (batch, H)."""
        scores = self.conv_att((places + self.conv_h(hidden)[:, None]).tanh())[..., 0]
        return scores.softmax(-1, dtype=torch.promote_types(scores.dtype, torch.float32))


class SketchDecoder(nn.Module):
    """Maps (batch, C, h, w) and z (batch, Z) to a drawing."""

    def __init__(self, config: SketchDecoderConfig) -> None:
        super().__init__()
        self.config = config
        channels, hidden = config.feature_channels, config.hidden_dim
        self.fc_hc = nn.Linear(config.latent_dim, 2 * hidden)
        self.lstm = nn.LSTMCell(channels + 5, hidden)
        self.fc_params = nn.Linear(hidden, 6 * config.num_mixtures + 3)
        self.attention_cell = Attention2D(channels, hidden, config.attention_dim)
        self.mix = nn.Linear(3 * channels, channels) if config.scales == 3 else None

    def forward(self, features: Tensor | list[Tensor], latent: Tensor, strokes: Tensor) -> Drawing:
        """Along true points.

        Args:
            features: (batch, C, h, w), or three of them, coarsest first.
            latent: (batch, Z).
            strokes: (batch, T, 5) true points, without the start.

        Raises:
            InputError: points of another shape.
        """
        hidden, weights = self.along(features, latent, strokes)
        return Drawing(self.mixture(hidden), weights)

    def along(self, features: Tensor | list[Tensor], latent: Tensor, strokes: Tensor) -> tuple[Tensor, Tensor]:
        """States (batch, T + 1, H) and attention (batch, T + 1, h, w); arguments as for ``forward``."""
        if strokes.ndim != 3 or strokes.shape[2] != 5 or strokes.shape[0] != latent.shape[0]:
            raise InputError(f"strokes {list(strokes.shape)}; expected ({latent.shape[0]}, points, 5)")
        given = torch.cat((self._start(latent)[:, None], strokes.to(latent.dtype)), 1)
        run = _Run(self, features, latent)
        states, seen = [], []
        for point in given.unbind(1):
            seen.append(run.step(point))
            states.append(run.hidden)
        return torch.stack(states, 1), torch.stack(seen, 1)

    def draw(self, features: Tensor | list[Tensor], latent: Tensor, steps: int) -> tuple[Tensor, Tensor]:
        """A free run from the start: points (batch, steps, 5) and attention (batch, steps, h, w)."""
        maps = [features] if isinstance(features, Tensor) else features
        # A run feeds its own hard choices back: in mixed precision it would become another sketch.
        with torch.autocast(latent.device.type, enabled=False):
            dtype = self.fc_hc.weight.dtype
            run = _Run(self, [each.to(dtype) for each in maps], latent.to(dtype))
            point = self._start(latent.to(dtype))
            points: list[Tensor] = []
            seen: list[Tensor] = []
            for _ in range(steps):
                seen.append(run.step(point))
                point = self.mixture(run.hidden).mode().to(dtype)
                points.append(point)
        return torch.stack(points, 1), torch.stack(seen, 1)

    def mixture(self, hidden: Tensor) -> Mixture:
        """Of states (..., H)."""
        numbers = self.fc_params(hidden)
        numbers = numbers.to(torch.promote_types(numbers.dtype, torch.float32))
        pen, *parts = numbers.split([3, *[self.config.num_mixtures] * 6], -1)
        pi, mu_x, mu_y, sigma_x, sigma_y, rho = parts
        return Mixture(pi.softmax(-1), mu_x, mu_y, sigma_x.exp(), sigma_y.exp(), rho.tanh(), pen)

    def _start(self, latent: Tensor) -> Tensor:
        return latent.new_tensor(START).expand(latent.shape[0], -1)


class _Run:
    """A run: what was computed once of the photograph, and the state so far."""

    def __init__(self, decoder: SketchDecoder, features: Tensor | list[Tensor], latent: Tensor) -> None:
        self.decoder = decoder
        self.maps = [features] if isinstance(features, Tensor) else features
        if len(self.maps) != decoder.config.scales:
            raise InputError(f"{len(self.maps)} maps for scales={decoder.config.scales}")
        channels = decoder.config.feature_channels
        for each in self.maps:
            if each.ndim != 4 or each.shape[:2] != (latent.shape[0], channels) or 0 in each.shape[2:]:
                raise InputError(
                    f"features {list(each.shape)}; expected ({latent.shape[0]}, {channels}, height, width)"
                )
        self.places = [decoder.attention_cell.conv_f(each).flatten(2).mT for each in self.maps]
        self.hidden, self.cell = decoder.fc_hc(latent).tanh().chunk(2, -1)

    def look(self) -> Looked:
        """With the state before the step."""
        weights = [self.decoder.attention_cell(places, self.hidden) for places in self.places]
        contexts = [
            (each.flatten(2) * share[:, None].to(each.dtype)).sum(-1)
            for each, share in zip(self.maps, weights, strict=True)
        ]
        mix = self.decoder.mix
        return Looked(contexts[0] if mix is None else mix(torch.cat(contexts, -1)), weights)

    def step(self, point: Tensor) -> Tensor:
        """Go on from a point (batch, 5); the attention (batch, h, w) of the step."""
        context, weights = self.look()
        inputs = torch.cat((context, point.to(context.dtype)), -1)
        # The cell's kernel wants one type, which mixed precision does not give it.
        with torch.autocast(inputs.device.type, enabled=False):
            dtype = self.decoder.lstm.weight_ih.dtype
            state = self.hidden.to(dtype), self.cell.to(dtype)
            self.hidden, self.cell = self.decoder.lstm(inputs.to(dtype), state)
        height, width = self.maps[0].shape[-2:]
        found = [
            functional.adaptive_avg_pool2d(share.unflatten(-1, each.shape[-2:])[:, None], (height, width))[:, 0]
            * (each.shape[-2] * each.shape[-1] / (height * width))
            for share, each in zip(weights, self.maps, strict=True)
        ]
        return torch.stack(found).mean(0)


def example(config: SketchDecoderConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor | list[Tensor]]:
    """Random maps and points."""
    generator = torch.Generator().manual_seed(seed)
    maps = [
        torch.randn(batch_size, config.feature_channels, 4 * 2**scale, 3 * 2**scale, generator=generator)
        for scale in range(config.scales)
    ]
    points = torch.randn(batch_size, 4, 5, generator=generator)
    latent = torch.randn(batch_size, config.latent_dim, generator=generator)
    return {"features": maps[0] if config.scales == 1 else maps, "latent": latent, "strokes": points}
