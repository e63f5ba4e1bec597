"""The pictures on the cards."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

import zoo
from zoo.evidence.plots import new_figure, saved
from zoo_sequence.adaptive_filter_attention.config import FilterNetworkConfig, NoisyRotationConfig
from zoo_sequence.adaptive_filter_attention.rotation import NoisyRotation
from zoo_sequence.adaptive_filter_attention.training import MEASUREMENT_NOISE, rotation_for


def _plane(rotation: NoisyRotation, channels: Tensor) -> Tensor:
    """Channels (..., dim) back to the plane (..., 2), by least squares."""
    return channels.double() @ torch.linalg.pinv(rotation.embedding).T


def trajectory(path: Path) -> None:
    """A new damped rotation: noisy measurements, the true path, and where the bundled network and a Kalman filter,
    which knows the dynamics, expected the next point; both start from measurements alone."""
    model = zoo.load("adaptive-filter-attention-network/filter-2d")
    rotation = rotation_for(FilterNetworkConfig())
    found = rotation.draw(1, torch.Generator().manual_seed(7))
    with torch.no_grad():
        estimates = _plane(rotation, model(rotation.channels(found.measured)))[0]
    kalman = rotation.kalman(found.measured)[0]
    figure = new_figure(figsize=(7, 5.4))
    axis = figure.subplots()
    axis.scatter(*found.measured[0].T.tolist(), s=12, color="silver", label="measured")
    axis.plot(*found.states[0].T.tolist(), color="black", label="true path")
    axis.plot(*kalman[:-1].T.tolist(), color="C2", linewidth=1, label="Kalman filter")
    axis.plot(*estimates[:-1].T.tolist(), color="C1", linewidth=1, label="adaptive filter attention")
    axis.set(title="one step ahead", xlabel="first coordinate", ylabel="second coordinate")
    axis.legend()
    saved(figure, path)


def errors(path: Path) -> None:
    """Error of each estimate by the number of measurements so far, on the benchmark's trajectories with the noise of
    the bundled layer's training: it comes near the Kalman filter, which knows the dynamics."""
    config = FilterNetworkConfig()
    rotation = NoisyRotation(NoisyRotationConfig(dim=config.dim, length=config.max_length, eta2=MEASUREMENT_NOISE))
    model = zoo.load("adaptive-filter-attention/filter-2d")
    drawn = rotation.draw(rotation.config.count, torch.Generator().manual_seed(rotation.config.seed))
    measured, truth = rotation.channels(drawn.measured), rotation.channels(drawn.states)[:, 1:]
    with torch.no_grad():
        answers = model(measured)[:, :-1]
    counts = torch.arange(1, measured.shape[1] + 1)[:, None]
    candidates = {
        "last measurement": measured[:, :-1],
        "mean of the measurements": (measured.cumsum(1) / counts)[:, :-1],
        "adaptive filter attention": answers,
        "Kalman filter": rotation.channels(rotation.kalman(drawn.measured))[:, :-1],
    }
    figure = new_figure(figsize=(7.5, 4.4))
    axis = figure.subplots()
    for label, estimate in candidates.items():
        axis.semilogy(range(1, truth.shape[1] + 1), (estimate - truth).square().mean((0, 2)).tolist(), label=label)
    axis.set(xlabel="measurements so far", ylabel="mean squared error", title="one step ahead")
    axis.grid(alpha=0.3)
    axis.legend()
    saved(figure, path)
