"""Checks of what the paper claims."""

from __future__ import annotations

import math

import torch
from torch.nn import functional

from zoo import Measurement
from zoo.bridges.transformers.maps import attention_maps, queries_keys_values
from zoo_sequence.attention_sdm.config import CriticalDistanceConfig, MemoryConfig, ProbeConfig
from zoo_sequence.attention_sdm.critical_distance import CriticalDistance, retrieval
from zoo_sequence.attention_sdm.intersections import (
    expected_intersection,
    fit_beta,
    optimal_fraction,
    radius_of_fraction,
)
from zoo_sequence.attention_sdm.memory import SparseDistributedMemory, flipped, softmax_weights
from zoo_sequence.attention_sdm.probe import probe_example

_RADII = (9, 11, 15, 20)


def check_exponential_decay() -> Measurement:
    """R^2 of the log-linear fits at n = 64."""
    found = [fit_beta(64, radius)[2] for radius in _RADII]
    expected = (0.960, 0.972, 0.984, 0.988)
    close = all(abs(ours - theirs) < 0.002 for ours, theirs in zip(found, expected, strict=True))
    return Measurement(", ".join(f"{value:.3f}" for value in found) + " for d = 9, 11, 15, 20", close)


def check_fitted_beta() -> Measurement:
    """Fitted betas at n = 64."""
    found = [fit_beta(64, radius)[0] for radius in _RADII]
    expected = (20.04, 15.85, 10.11, 5.60)
    close = all(abs(ours - theirs) < 0.01 for ours, theirs in zip(found, expected, strict=True))
    return Measurement(", ".join(f"{value:.2f}" for value in found) + " for d = 9, 11, 15, 20", close)


def check_agreement() -> Measurement:
    """Total variation between the memory's weights and attention's, and a clean-up task."""
    variations = []
    for radius in _RADII:
        distances = torch.arange(2 * radius + 1)
        memory = expected_intersection(64, radius, 1e6, distances)
        beta = fit_beta(64, radius, estimator="least-squares")[0]
        attention = (beta * (1 - 2 * distances.double() / 64)).softmax(0)
        variations.append(float((memory / memory.sum() - attention).abs().sum() / 2))
    generator = torch.Generator().manual_seed(0)
    patterns = torch.randint(2, (64, 40), generator=generator).float()
    noisy = torch.stack([flipped(column, 5, generator) for column in patterns.T], 1)
    right = []
    for form in ("intersection", "attention"):
        memory_form = SparseDistributedMemory(MemoryConfig(64, 1_000_000, 20, form=form))
        memory_form.write(patterns)
        right.append(float((memory_form.step(noisy) == patterns).all(0).float().mean()))
    close = all(abs(ours - theirs) < 0.01 for ours, theirs in zip(variations, (0.14, 0.12, 0.09, 0.06), strict=True))
    text = ", ".join(f"{value:.2f}" for value in variations)
    return Measurement(
        f"total variation {text}; 5 flipped bits cleaned up for {right[0]:.0%} (memory) and {right[1]:.0%} "
        "(attention) of 40 patterns",
        close and min(right) == 1.0,
    )


def check_hopfield_identity() -> Measurement:
    """Attention on normalised vectors against torch's own with scale = beta."""
    generator = torch.Generator().manual_seed(0)
    patterns, queries = (functional.normalize(torch.randn(16, count, generator=generator), dim=0) for count in (30, 5))
    ours = patterns @ softmax_weights(patterns, queries, 8.0)
    theirs = functional.scaled_dot_product_attention(queries.T[None], patterns.T[None], patterns.T[None], scale=8.0)
    difference = float((ours.T - theirs[0]).abs().max())
    return Measurement(f"difference {difference:.1e}", difference < 1e-5)


def check_optimal_radius() -> Measurement:
    """Signal-to-noise optimum, attention-like and canonical."""
    small = optimal_fraction(1024, 2.0**64)
    radii = (radius_of_fraction(64, small), radius_of_fraction(1000, optimal_fraction(1e4, 1e6)))
    return Measurement(
        f"n=64: p* = {small:.2e}, radius {radii[0]}; n=1000: radius {radii[1]}",
        radii == (11, 447) and abs(small / 2.98e-8 - 1) < 0.01,
    )


def check_heads_are_memories() -> Measurement:
    """Attention maps of a GPT-2 against softmax(beta cos) with the probe's beta, query by query."""
    case = probe_example(ProbeConfig())
    maps = attention_maps(**case)
    worst = 0.0
    for alpha, (query, key, _) in zip(maps, queries_keys_values(**case), strict=True):
        beta = query.norm(dim=-1)[..., None] * key.norm(dim=-1)[..., None, :] / math.sqrt(query.shape[-1])
        cosine = functional.normalize(query, dim=-1) @ functional.normalize(key, dim=-1).transpose(-1, -2)
        later = torch.ones(alpha.shape[-2:], dtype=torch.bool).triu(1)
        worst = max(worst, float((alpha - (beta * cosine).masked_fill(later, -math.inf).softmax(-1)).abs().max()))
    return Measurement(f"largest difference {worst:.1e}", worst < 1e-6, "a random GPT-2 of 2 layers and 4 heads")


def check_critical_distances() -> Measurement:
    """Critical distances of the binary memory, the continuous one and attention with the fitted beta."""
    task = CriticalDistance(CriticalDistanceConfig(num_patterns=1024, trials=400))
    forms = (("intersection", False), ("intersection", True), ("attention", False))
    texts, spread, apart = [], 0.0, 0.0
    for radius in (9, 11, 15):
        systems = [retrieval(MemoryConfig(64, 2**64, radius, form=form, continuous=kind)) for form, kind in forms]
        answers = [[system(case.patterns, case.queries) for case in task.cases()] for system in systems]
        found = [task.score(answer)["critical_distance"] for answer in answers]
        curves = torch.tensor([list(task.curve(answer).values()) for answer in answers])
        spread = max(spread, max(found) - min(found))
        apart = max(apart, float((curves - curves[0]).abs().mean(1).max()))
        texts.append(f"d={radius}: " + ", ".join(f"{value:.0f}" for value in found))
    listing = "; ".join(texts)
    return Measurement(
        f"{listing} bits (binary, continuous, attention); curves differ by {apart:.1f} bits at most on average",
        # Five hundredths of the 64 bits.
        spread <= 3,
        "n = 64, m = 1024 random patterns, r = 2^64",
    )
