"""What the paper promises and a machine can check."""

from __future__ import annotations

from typing import Any

import torch

from zoo import Measurement
from zoo.targets import require
from zoo_activity.mvft.config import VIEWS, MVFTConfig
from zoo_activity.mvft.facts import WATCH
from zoo_activity.mvft.network import MVFT
from zoo_activity.mvft.signals import STATISTICS, spectrum, statistics
from zoo_activity.mvft.training import fit, fit_exercises, held_out_scores, linear_scores, scores
from zoo_activity.mvft.views import FrequentView

_STEPS = 250


def check_parseval() -> Measurement:
    """The energy of one-sided spectra, its inner bins twice, over N times that of the signals, at odd and even N."""
    worst = 0.0
    for length in (50, 33):
        signal = torch.randn(20, length, generator=torch.Generator().manual_seed(length), dtype=torch.float64)
        energy = spectrum(signal).square()
        inner = energy[:, 1 : (length + 1) // 2].sum(1)
        total = energy.sum(1) + inner
        worst = max(worst, float((total / (length * signal.square().sum(1)) - 1).abs().max()))
    return Measurement(f"the ratio is off by {worst:.1g} at most", worst < 1e-12)


def check_statistics() -> Measurement:
    """The twelve statistics of random signals of odd and even length beside numpy's and scipy's."""
    stats, np = require("scipy.stats", needed_by="this check"), require("numpy", needed_by="this check")
    worst = 0.0
    for length in (50, 33):
        x = np.random.default_rng(length).normal(0.5, 2.0, (30, length))
        centred = x - x.mean(-1, keepdims=True)
        signs = np.sign(centred)
        expected = (
            *(x.mean(-1), x.std(-1), x.min(-1), x.max(-1), np.median(x, -1), np.ptp(x, -1)),
            *(np.sqrt((x**2).mean(-1)), np.abs(centred).mean(-1), (signs[:, 1:] != signs[:, :-1]).mean(-1)),
            *(stats.skew(x, -1), stats.kurtosis(x, -1), (x**2).sum(-1)),
        )
        found = statistics(torch.from_numpy(x)).numpy()
        worst = max(worst, float(np.abs(found - np.stack(expected, -1)).max()))
    return Measurement(f"{len(STATISTICS)} statistics differ by {worst:.1g} at most", worst < 1e-9)


def check_absorbs() -> Measurement:
    """The gradient of the temporal view's tokens with respect to what the statistical view is made of."""
    found = {}
    for cross in (True, False):
        for fusion in ("gate", "sum", "concat"):
            torch.manual_seed(0)
            model = MVFT(MVFTConfig(window=40, dim=16, num_blocks=1, num_heads=2, cross=cross, fusion=fusion)).eval()
            tokens = {name: view(torch.randn(2, 40, 3)).detach() for name, view in model.views.items()}
            tokens["statistical"].requires_grad_()
            model.blocks[0](tokens)["temporal"].square().sum().backward()
            gradient = tokens["statistical"].grad
            found[cross, fusion] = 0.0 if gradient is None else float(gradient.abs().mean())
    least = min(size for (cross, _), size in found.items() if cross)
    most = max(size for (cross, _), size in found.items() if not cross)
    return Measurement(
        f"mean gradient at least {least:.2g} with cross heads, {most:g} without", least > 1e-6 and most == 0
    )


def check_shifts() -> Measurement:
    """A window of two periodic signals and noise, rolled: its spectrum, beside that of Hann-tapered segments."""
    generator = torch.Generator().manual_seed(0)
    time = torch.arange(200, dtype=torch.float64) / 200
    tones = torch.stack([torch.sin(2 * torch.pi * rate * time) for rate in (6, 11, 25)], -1)
    window = (tones + 0.3 * torch.randn(200, 3, generator=generator, dtype=torch.float64))[None]
    changes = []
    for config in (MVFTConfig(segment=200, taper="none"), MVFTConfig()):
        view = FrequentView(config).double()
        before = view.features(window)
        changes.append(
            max(float((view.features(window.roll(shift, 1)) - before).abs().max()) for shift in (1, 17, 100))
        )
    whole, tapered = changes
    return Measurement(
        f"one segment: changed by {whole:.1g}; tapered quarters, the default, by {tapered:.2g}",
        whole < 1e-5,
        "exact for the spectrum of the whole window without taper, not for shorter segments",
    )


def check_fusion_gains() -> Measurement:
    """Train each view alone and all together for as many steps on the task of three factors."""
    alone = {view: scores(fit([view], _STEPS))["accuracy"] for view in VIEWS}
    fused = scores(fit(list(VIEWS), _STEPS))["accuracy"]
    figures = ", ".join(f"{view} {accuracy:.3f}" for view, accuracy in alone.items())
    return Measurement(
        f"accuracy after {_STEPS} steps: fusion {fused:.3f}; {figures}", fused > 0.95 and max(alone.values()) < 0.65
    )


def check_real_exercises() -> Measurement:
    """Train all views and the temporal one, three seeds each, on exercises of seven people; ask about three others."""
    accuracies = {}
    shape: dict[str, Any] = WATCH
    for name, views in (("all", list(VIEWS)), ("temporal", ["temporal"])):
        config = MVFTConfig(views=views, **shape)
        accuracies[name] = [held_out_scores(fit_exercises(config, seed=seed))["accuracy"] for seed in range(3)]
    linear = linear_scores(MVFTConfig(**shape))["accuracy"]
    mean = {name: sum(found) / len(found) for name, found in accuracies.items()}
    spread = ", ".join(f"{name} {min(found):.3f} to {max(found):.3f}" for name, found in accuracies.items())
    return Measurement(
        f"{100 * (mean['all'] - mean['temporal']):+.1f} points: {mean['all']:.3f} over {mean['temporal']:.3f} of "
        f"held-out windows; a linear model {linear:.3f}",
        mean["all"] > mean["temporal"],
        f"shoulder exercises of the package seglearn, three held-out people; three seeds ({spread})",
    )
