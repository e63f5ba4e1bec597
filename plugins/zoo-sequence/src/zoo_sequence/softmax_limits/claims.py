"""Checks of what the paper claims."""

from __future__ import annotations

import torch
from torch import nn

from zoo import Measurement
from zoo_sequence.softmax_limits.config import NORMALISERS
from zoo_sequence.softmax_limits.normalisers import normalise
from zoo_sequence.softmax_limits.quantities import gradient_sensitivity, jacobian, sphere_reference, weight_bounds


def check_vanishing_attention() -> Measurement:
    """Weights of random queries and keys against the bounds."""
    generator = torch.Generator().manual_seed(0)
    rows, broken = 0, 0
    for length in (16, 64, 256, 1024, 4096):
        query, key = torch.randn(32, 16, generator=generator), torch.randn(32, length, 16, generator=generator)
        query, key = (nn.functional.normalize(tensor.double(), dim=-1) for tensor in (query, key))
        alpha = normalise((key @ query[..., None])[..., 0])
        low, high = weight_bounds(length, 1.0)
        rows += len(alpha)
        broken += int(((alpha < low) | (alpha > high)).any(-1).sum())
    return Measurement(f"{broken} of {rows} rows leave the bounds, L = 16 to 4096", broken == 0)


def check_gradient_bounds() -> Measurement:
    """Entries and spectral norm of J for random rows, and the two-token case."""
    generator = torch.Generator().manual_seed(0)
    worst_entry = worst_norm = 0.0
    for temperature in (0.1, 0.5, 1.0, 4.0):
        alpha = normalise(torch.randn(200, 12, generator=generator, dtype=torch.float64), temperature=temperature)
        matrix = jacobian(alpha, temperature)
        worst_entry = max(worst_entry, float(matrix.abs().max()) * 4 * temperature)
        worst_norm = max(worst_norm, float(torch.linalg.matrix_norm(matrix, 2).max()) * 2 * temperature)
    pair = jacobian(torch.tensor([0.5, 0.5], dtype=torch.float64), 0.3)
    reached = float(torch.linalg.matrix_norm(pair, 2)) * 2 * 0.3
    return Measurement(
        f"entries at most {worst_entry:.3f} / (4T), spectral norm at most {worst_norm:.3f} / (2T), "
        f"two equal tokens {reached:.6f} / (2T)",
        worst_entry <= 1 + 1e-12 and worst_norm <= 1 + 1e-12 and abs(reached - 1) < 1e-9,
        "the paper's 1/(4T) bounds the entries; the spectral norm reaches 1/(2T)",
    )


_LENGTHS = (32, 128, 512, 1024)


def check_distance_collapse() -> Measurement:
    """Distance for random unit tokens as the length grows with N = L / 10."""
    found = [sphere_reference(length, 64, length // 10)["distance"] for length in _LENGTHS]
    expected = (0.26, 0.14, 0.070, 0.051)
    close = all(abs(ours - theirs) < 0.15 * theirs for ours, theirs in zip(found, expected, strict=True))
    return Measurement(", ".join(f"{value:.3f}" for value in found), close and found == sorted(found, reverse=True))


def check_separability() -> Measurement:
    """Separable fraction for random unit tokens as the length grows with N = L / 10."""
    found = [sphere_reference(length, 64, length // 10)["separable"] for length in _LENGTHS]
    expected = (0.97, 0.58, 0.28, 0.20)
    # The figure is a mean over 50 trials of 3 selected tokens at L = 32: two of its standard errors are 0.07.
    close = all(abs(ours - theirs) < 0.07 for ours, theirs in zip(found, expected, strict=True))
    return Measurement(
        ", ".join(f"{value:.2f}" for value in found),
        close,
        "random unit vectors; the 0.70-0.85 of the paper needs the pre-trained GPT-2",
    )


def check_low_temperature_gradient() -> Measurement:
    """Log-log slope of the gradient norm in T on logits with near ties."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(64, 32, generator=generator, dtype=torch.float64)
    top = logits.amax(-1, keepdim=True)
    logits = torch.cat((logits, top + 4 + 0.01 * torch.rand(64, 2, generator=generator, dtype=torch.float64)), -1)
    temperatures = [10 ** (-exponent / 8) for exponent in range(9)]
    norms = [values["spectral"] for values in gradient_sensitivity(logits, temperatures).values()]
    x = torch.tensor(temperatures).log()
    y = torch.tensor(norms).log()
    slope = float(((x - x.mean()) * (y - y.mean())).sum() / (x - x.mean()).square().sum())
    return Measurement(f"slope {slope:.2f} for T from 1 to 0.1", abs(slope + 1) < 0.25)


def check_alternatives() -> Measurement:
    """Largest weight of a row with one logit of 3 among logits in [-1, 1], as the row grows."""
    lengths = (64, 1024, 16384)
    peaks: dict[str, list[float]] = {kind: [] for kind in NORMALISERS}
    generator = torch.Generator().manual_seed(0)
    for kind in NORMALISERS:
        for length in lengths:
            logits = 2 * torch.rand(length, generator=generator, dtype=torch.float64) - 1
            peaks[kind].append(float(normalise(logits.index_fill(0, torch.tensor(0), 3.0), kind).max()))
    bounded = all(peak <= weight_bounds(length, 3.0)[1] for peak, length in zip(peaks["softmax"], lengths, strict=True))
    sharp = min(peak for kind in ("scalable-softmax", "sparsemax", "entmax15") for peak in peaks[kind])
    listing = "; ".join(f"{kind} " + ", ".join(f"{peak:.2g}" for peak in found) for kind, found in peaks.items())
    return Measurement(f"{listing} for L = 64, 1024, 16384", bounded and peaks["softmax"][-1] < 0.01 and sharp > 0.9)
