"""Gaussian diffusion as DiT trains and samples it: linear betas, noise prediction, variance in a learned range.

    q(x_t | x_0) = N(sqrt(abar_t) x_0, (1 - abar_t) I)
    p(x_{t-1} | x_t) = N(mu(x_t, eps), exp(w log beta_t + (1 - w) log betatilde_t) I)

``eps`` and v = 2 w - 1 are the two halves of the model's output channels. Steps may be a subset of the thousand
of training.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from zoo.errors import InputError
from zoo_sequence.moh.dit import MoHDiT
from zoo_sequence.moh.routing import Routing

_TRAINING_STEPS = 1000
_BIN, _OUTERMOST = 1 / 255, 0.999


class Diffusion:
    """The noise schedule, and what follows from it.

    Args:
        steps: how many of the thousand training timesteps are used, evenly spaced.
    """

    def __init__(self, steps: int = _TRAINING_STEPS) -> None:
        if not 2 <= steps <= _TRAINING_STEPS:
            raise InputError(f"{steps} diffusion steps; expected 2 to {_TRAINING_STEPS}")
        all_betas = torch.linspace(1e-4, 0.02, _TRAINING_STEPS, dtype=torch.float64)
        self.timesteps = torch.linspace(0, _TRAINING_STEPS - 1, steps).round().long()
        self.alpha_bar = (1 - all_betas).cumprod(0)[self.timesteps]
        before = torch.cat((torch.ones(1, dtype=torch.float64), self.alpha_bar[:-1]))
        self.betas = 1 - self.alpha_bar / before
        posterior = self.betas * (1 - before) / (1 - self.alpha_bar)
        # The first step has no posterior variance: the second one's stands in for its logarithm.
        self.log_posterior = torch.cat((posterior[1:2], posterior[1:])).log()
        self.clean_factor = self.betas * before.sqrt() / (1 - self.alpha_bar)
        self.noisy_factor = (1 - before) * (1 - self.betas).sqrt() / (1 - self.alpha_bar)

    def _at(self, table: Tensor, step: Tensor, like: Tensor) -> Tensor:
        return table.to(like.device)[step].to(like.dtype).view(-1, *[1] * (like.ndim - 1))

    def add_noise(self, x: Tensor, noise: Tensor, step: Tensor) -> Tensor:
        """x_t of clean ``x`` at ``step`` (batch,), indices into ``timesteps``."""
        signal = self._at(self.alpha_bar, step, x)
        return signal.sqrt() * x + (1 - signal).sqrt() * noise

    def posterior_mean(self, clean: Tensor, noisy: Tensor, step: Tensor) -> Tensor:
        """Mean of q(x_{t-1} | x_t, x_0)."""
        return self._at(self.clean_factor, step, noisy) * clean + self._at(self.noisy_factor, step, noisy) * noisy

    def previous(self, output: Tensor, noisy: Tensor, step: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance of p(x_{t-1} | x_t) from a model's output of twice the channels."""
        noise, interpolation = output.chunk(2, dim=1)
        signal = self._at(self.alpha_bar, step, noisy)
        clean = (noisy - (1 - signal).sqrt() * noise) / signal.sqrt()
        low, high = self._at(self.log_posterior, step, noisy), self._at(self.betas.log(), step, noisy)
        weight = (interpolation + 1) / 2
        return self.posterior_mean(clean, noisy, step), weight * high + (1 - weight) * low

    def loss(
        self,
        model: MoHDiT,
        x: Tensor,
        labels: Tensor,
        *,
        generator: torch.Generator | None = None,
        routings: list[Routing] | None = None,
    ) -> Tensor:
        """Mean squared error of the noise, plus the variational bound (bits per dimension) for the variance alone.

        Args:
            model: MoHDiT with ``learn_sigma``.
            x: clean latents (batch, channels, side, side).
            labels: (batch,) int64.
            generator: for timesteps and noise.
            routings: passed on to the model.
        """
        step = torch.randint(len(self.timesteps), (len(x),), generator=generator).to(x.device)
        noise = torch.randn(x.shape, generator=generator, dtype=x.dtype).to(x.device)
        noisy = self.add_noise(x, noise, step)
        output = model(noisy, self.timesteps.to(x.device)[step], labels, routings=routings)
        predicted, interpolation = output.chunk(2, dim=1)
        error = (predicted - noise).square().mean()
        return error + self._bound(torch.cat((predicted.detach(), interpolation), 1), x, noisy, step).mean()

    def _bound(self, output: Tensor, clean: Tensor, noisy: Tensor, step: Tensor) -> Tensor:
        """KL(q || p) per example, or the negative log likelihood at the first step, in bits per dimension."""
        mean, log_variance = self.previous(output, noisy, step)
        true_mean = self.posterior_mean(clean, noisy, step)
        true_log = self._at(self.log_posterior, step, noisy)
        ratio = true_log - log_variance
        divergence = 0.5 * (ratio.exp() - 1 - ratio + (true_mean - mean).square() * (-log_variance).exp())
        likelihood = _discretised_log_likelihood(clean, mean, log_variance)
        per_value = torch.where(step.view(-1, *[1] * (clean.ndim - 1)) == 0, -likelihood, divergence)
        return per_value.flatten(1).mean(1) / math.log(2)

    @torch.no_grad()
    def sample(
        self,
        model: MoHDiT,
        noise: Tensor,
        labels: Tensor,
        *,
        null_class: int,
        guidance: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Ancestral sampling with classifier-free guidance.

        Args:
            model: MoHDiT with ``learn_sigma``.
            noise: (n, channels, side, side), the start.
            labels: (n,) int64.
            null_class: index that stands for no class.
            guidance: scale s; 1 samples without guidance, 1.25 is the paper's.
            generator: for the noise of every step.

        Returns:
            (n, channels, side, side) latents.
        """
        use_guidance = guidance != 1.0
        both = torch.cat((labels, torch.full_like(labels, null_class))) if use_guidance else labels
        x = noise
        for index in reversed(range(len(self.timesteps))):
            doubled = torch.cat((x, x)) if use_guidance else x
            t = self.timesteps[index].to(x.device).expand(len(doubled))
            output = model.guided(doubled, t, both, guidance) if use_guidance else model(doubled, t, both)
            step = torch.full((len(x),), index, device=x.device)
            mean, log_variance = self.previous(output[: len(x)], x, step)
            fresh = torch.randn(x.shape, generator=generator, dtype=x.dtype).to(x.device)
            x = mean + (0.5 * log_variance).exp() * fresh if index else mean
        return x


def _discretised_log_likelihood(x: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
    """Log probability of the bin of width 2/255 around ``x`` under a Gaussian; the outermost bins are open."""
    centred, inverse = x - mean, (-0.5 * log_variance).exp()
    upper = torch.special.ndtr((centred + _BIN) * inverse)
    lower = torch.special.ndtr((centred - _BIN) * inverse)
    upper = torch.where(x > _OUTERMOST, 1.0, upper)
    lower = torch.where(x < -_OUTERMOST, 0.0, lower)
    return (upper - lower).clamp(min=1e-12).log()
