"""Checks of what the paper claims, and the tasks they need."""

from __future__ import annotations

import itertools
import math
import time

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo import Measurement
from zoo.nn.descent import descend
from zoo_sequence.marginal_attention.config import IterativeAttentionConfig, StructuralAttentionConfig
from zoo_sequence.marginal_attention.edges import expanding, multihop, posterior
from zoo_sequence.marginal_attention.iterative import (
    IterativeAttention,
    hopfield_energy,
    hopfield_step,
    slot_log_likelihood,
    slot_step,
)
from zoo_sequence.marginal_attention.layer import StructuralAttention


def _inputs(length: int = 12) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    query, key, value = (torch.randn(2, 3, length, 8, generator=generator, dtype=torch.float64) for _ in range(3))
    return query, key, value


def check_softmax_attention() -> Measurement:
    """The posterior under a uniform prior against torch's attention."""
    query, key, value = _inputs()
    ours = posterior(query @ key.transpose(-1, -2) / math.sqrt(8)) @ value
    difference = float((ours - functional.scaled_dot_product_attention(query, key, value)).abs().max())
    return Measurement(f"difference {difference:.1e}", difference < 1e-6)


def check_priors() -> Measurement:
    """Causal, window, padding and ALiBi priors against masked and biased softmax."""
    query, key, value = _inputs()
    scores = query @ key.transpose(-1, -2) / math.sqrt(8)
    lag = torch.arange(12)[:, None] - torch.arange(12)
    slopes = torch.tensor([0.5, 0.25, 0.125], dtype=torch.float64)[:, None, None]
    padding = (torch.arange(12) < 9).expand(12, 12)
    cases: list[tuple[Tensor | None, Tensor]] = [(None, lag >= 0), (None, lag.abs() <= 3), (None, padding)]
    cases.append((-slopes * lag.abs(), lag >= 0))
    worst = 0.0
    for bias, mask in cases:
        additive = torch.where(mask, 0.0, -torch.inf).double() + (0.0 if bias is None else bias)
        expected = functional.scaled_dot_product_attention(query, key, value, additive.expand(2, 3, 12, 12))
        worst = max(worst, float((posterior(scores, bias, mask) @ value - expected).abs().max()))
    return Measurement(f"largest difference {worst:.1e}", worst < 1e-6)


def check_enumeration() -> Measurement:
    """Factorised posterior and multihop value against all n^n parent assignments of 4 nodes."""
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(4, 4, generator=generator, dtype=torch.float64)
    value, value2 = torch.randn(2, 4, 3, generator=generator, dtype=torch.float64)
    total, single, double = 0.0, torch.zeros(4, 3).double(), torch.zeros(4, 3).double()
    for parents in itertools.product(range(4), repeat=4):
        weight = float(torch.exp(sum((scores[i, j] for i, j in enumerate(parents)), torch.zeros(()).double())))
        total += weight
        chosen = torch.tensor(parents)
        single += weight * value[chosen]
        double += weight * (value[chosen] + 0.7 * value2[chosen[chosen]])
    weights = posterior(scores)
    worst = max(
        float((single / total - weights @ value).abs().max()),
        float((double / total - multihop(weights, value, value2, 0.7)).abs().max()),
    )
    return Measurement(f"largest difference {worst:.1e} over 256 structures", worst < 1e-6)


def check_hopfield() -> Measurement:
    """Energy over 20 steps of retrieval, and the fixed point."""
    generator = torch.Generator().manual_seed(0)
    patterns = torch.randn(12, 8, generator=generator, dtype=torch.float64)
    state, energies = torch.randn(8, generator=generator, dtype=torch.float64), []
    for _ in range(200):
        energies.append(float(hopfield_energy(state, patterns, 1.0)))
        state = hopfield_step(state, patterns, 1.0)
    rise = max(after - before for before, after in itertools.pairwise(energies[:21]))
    gap = float((hopfield_step(state, patterns, 1.0) - state).abs().max())
    return Measurement(
        f"largest rise {rise:.1e}, distance from the fixed point {gap:.1e}", rise <= 1e-12 and gap < 1e-6
    )


def check_slots() -> Measurement:
    """Marginal likelihood over EM steps on Gaussian clusters."""
    generator = torch.Generator().manual_seed(0)
    centres = 4 * torch.randn(3, 2, generator=generator, dtype=torch.float64)
    inputs = (centres[:, None] + torch.randn(3, 40, 2, generator=generator, dtype=torch.float64)).flatten(0, 1)
    slots, found = torch.randn(3, 2, generator=generator, dtype=torch.float64), []
    for _ in range(20):
        found.append(float(slot_log_likelihood(inputs, slots, 1.0)))
        slots = slot_step(inputs, slots, 1.0)
    fall = max(before - after for before, after in itertools.pairwise(found))
    return Measurement(
        f"log likelihood {found[0]:.1f} to {found[-1]:.1f}, largest fall {max(fall, 0):.1e}", fall <= 1e-9
    )


def check_precision() -> Measurement:
    """Weights of predictive coding against the posterior with Gaussian potentials of the errors."""
    torch.manual_seed(0)
    layer = IterativeAttention(IterativeAttentionConfig("pcn", dim=4, num_slots=3)).double()
    with torch.no_grad():
        layer.log_scale.copy_(torch.randn(3))
        inputs, state = torch.randn(2, 6, 4).double(), torch.randn(2, 4).double()
        layer.log_prior.copy_(torch.randn(3))
        scale = layer.log_scale.exp()
        errors = (inputs[:, :, None] - layer.predictions(state)[:, None]).square().sum(-1)
        potential = layer.log_prior.exp() * torch.exp(-errors / (2 * scale.square())) / scale
        expected = potential / potential.sum(-1, keepdim=True)
        difference = float((layer.precisions(inputs, state) - expected).abs().max())
    return Measurement(f"difference {difference:.1e}", difference < 1e-6)


def pointer_batch(count: int, generator: torch.Generator, length: int = 16) -> tuple[Tensor, Tensor]:
    """Pointer chains: token i holds a symbol and points to a place; the label is the symbol two pointers on.

    Returns:
        One-hot inputs (count, length, 3 length), [own place, pointed place, symbol], and labels (count, length).
    """
    pointers = torch.randint(length, (count, length), generator=generator)
    symbols = torch.randint(length, (count, length), generator=generator)
    places = torch.arange(length).expand(count, -1)
    parts = [functional.one_hot(ids, length).float() for ids in (places, pointers, symbols)]
    twice = pointers.gather(1, pointers)
    return torch.cat(parts, -1), symbols.gather(1, twice)


def train_pointer_layer(value: str, *, steps: int = 250, seed: int = 0) -> float:
    """Accuracy of one attention layer with a linear read-out on pointer chains."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    length = 16
    layer = StructuralAttention(StructuralAttentionConfig(3 * length, 1, value=value))
    model = nn.Sequential(layer, nn.Linear(3 * length, length))

    def loss_of(step: int) -> Tensor:
        inputs, labels = pointer_batch(64, generator)
        return functional.cross_entropy(model(inputs).flatten(0, 1), labels.flatten())

    descend(model, range(steps), loss_of, torch.optim.Adam(model.parameters(), lr=5e-3))
    with torch.no_grad():
        inputs, labels = pointer_batch(500, generator)
        return float((model(inputs).argmax(-1) == labels).float().mean())


def check_pointer_chains() -> Measurement:
    """One multihop layer against one softmax layer on chains of two pointers."""
    found = {value: [train_pointer_layer(value, seed=seed) for seed in range(3)] for value in ("parent", "multihop")}
    spread = {value: f"{min(each):.2f} to {max(each):.2f}" for value, each in found.items()}
    return Measurement(
        f"accuracy {spread['multihop']} with multihop, {spread['parent']} without, over 3 seeds (chance 0.06)",
        min(found["multihop"]) > 2 * max(found["parent"]),
    )


def check_expanding_window() -> Measurement:
    """Mean window of the last round of expanding attention against the distance of the relevant token."""
    generator = torch.Generator().manual_seed(0)
    windows = []
    for distance in (2, 8, 32):
        found = []
        for _ in range(20):
            scores = 0.1 * torch.randn(128, generator=generator)
            scores[distance] = 6.0
            row, lag = scores.flip(0)[None], torch.arange(127, -1, -1)[None]
            found.append(int(expanding(row, lag, 1.0, 9.0, 4, largest=row.amax(-1), epsilon=1e-2).window))
        windows.append(sum(found) / len(found))
    text = ", ".join(f"{window:.0f}" for window in windows)
    # It reaches the token, and is the longer the farther that is.
    reached = all(window > distance for window, distance in zip(windows, (2, 8, 32), strict=True))
    grows = all(later > 1.1 * earlier for earlier, later in itertools.pairwise(windows))
    return Measurement(f"{text} tokens read for distances 2, 8, 32", reached and grows)


def check_expanding_cost() -> Measurement:
    """Seconds of the expanding layer that may stop and of one that reads everything, at 4096 tokens."""
    torch.manual_seed(0)
    x, seconds, outputs = torch.randn(1, 4096, 64), {}, {}
    for epsilon in (1e-3, 0.0):
        torch.manual_seed(1)
        config = StructuralAttentionConfig(64, 2, causal=True, prior="expanding", epsilon=epsilon)
        layer = StructuralAttention(config)
        with torch.no_grad():
            layer(x[:, :64])
            started = time.perf_counter()
            outputs[epsilon] = layer(x)
            seconds[epsilon] = time.perf_counter() - started
    ratio = seconds[0.0] / seconds[1e-3]
    difference = float((outputs[0.0] - outputs[1e-3]).norm() / outputs[0.0].norm())
    return Measurement(
        f"{ratio:.1f} times faster at 4096 random tokens, output off by {difference:.1e}",
        ratio > 1.5 and difference < 1e-2,
        "epsilon = 1e-3, two heads of 32 features",
    )
