"""Checks of what the paper claims."""

from __future__ import annotations

import math
from functools import partial

import torch

from zoo import Measurement
from zoo_sequence.linear_attention import linear_attention
from zoo_sequence.pavlovian_attention.conditioning import Conditioning
from zoo_sequence.pavlovian_attention.config import CapacityConfig, ConditioningConfig, MemoryConfig
from zoo_sequence.pavlovian_attention.memory import AssociativeMemory
from zoo_sequence.pavlovian_attention.rules import Plasticity, recurrent
from zoo_sequence.pavlovian_attention.storage import (
    Capacity,
    capacity_worst,
    majority_error,
    memory_system,
    reliability,
    unit_vectors,
)


def check_hebbian_identity() -> Measurement:
    """Parallel, recurrent and matrix forms of linear attention."""
    generator = torch.Generator().manual_seed(0)
    query, key, value = (torch.randn(1, 2, 40, 16, generator=generator) for _ in range(3))
    stepwise, state = recurrent(Plasticity("hebb"), query, key, value)
    explicit = ((query @ key.transpose(-1, -2)).tril()) @ value
    matrix = (value.transpose(-1, -2) @ key) @ query[..., -1, :, None]
    worst = max(
        float((stepwise - explicit).abs().max()),
        float((linear_attention(query, key, value, chunk=16) - explicit).abs().max()),
        float((matrix[..., 0] - stepwise[..., -1, :]).abs().max()),
        float((state - value.transpose(-1, -2) @ key).abs().max()),
    )
    scale = float(explicit.abs().max())
    return Measurement(f"largest relative difference {worst / scale:.1e}", worst / scale < 1e-5)


def check_average_capacity() -> Measurement:
    """Mean squared error of the Hebb rule over (n - 1) / d_k."""
    few: list[float] = []
    many: list[float] = []
    for key_dim in (16, 64, 256):
        pairs = [count for count in (4, 8, 16, 64, 256) if count <= key_dim]
        task = Capacity(CapacityConfig(key_dim, key_dim, pairs, trials=200))
        scores = task.run(memory_system(Plasticity("hebb")))
        for count in pairs:
            deviation = abs(scores[f"error at {count}"] / task.theory(count) - 1)
            (few if count == 4 else many).append(deviation)
    return Measurement(
        f"off by {max(many):.1%} at most for n >= 8, {max(few):.1%} for n = 4", max(many) < 0.03 and max(few) < 0.10
    )


def check_worst_case_capacity() -> Measurement:
    """Growth of the coherent capacity with the key size."""
    sizes = (64, 256, 1024, 4096)
    found = [capacity_worst(size) for size in sizes]
    exponent = math.log(found[-1] / found[1]) / math.log(sizes[-1] / sizes[1])
    listing = ", ".join(f"{count:.1f}" for count in found)
    return Measurement(f"{listing} for d_k = 64, 256, 1024, 4096; exponent {exponent:.2f}", 0.4 <= exponent <= 0.6)


def check_redundant_heads() -> Measurement:
    """Majority error against Hoeffding's bound, and depth, in closed form and simulated."""
    generator = torch.Generator().manual_seed(0)
    slack, deviation, depth = math.inf, 0.0, 4
    for error in (0.1, 0.3, 0.45):
        for heads in (1, 3, 9, 33):
            exact = majority_error(error, heads)
            slack = min(slack, math.exp(-2 * heads * (0.5 - error) ** 2) - exact)
            wrong = (torch.rand(20_000, depth, heads, generator=generator) < error).sum(-1) * 2 > heads
            deviation = max(deviation, abs(float(wrong[:, 0].float().mean()) - exact))
            right = float((~wrong).all(-1).float().mean())
            deviation = max(deviation, abs(right - reliability(error, heads, depth)))
    return Measurement(
        f"bound minus error at least {slack:.3f}; simulation of one and of {depth} layers within {deviation:.3f}",
        slack >= 0 and deviation < 0.015,
    )


def check_blocking() -> Measurement:
    """Exact storage by the delta rule, and blocking."""
    generator = torch.Generator().manual_seed(0)
    keys = unit_vectors(16, 16, generator)
    values = torch.randn(16, 4, generator=generator, dtype=torch.float64)
    memory = AssociativeMemory(MemoryConfig(16, 4, rule="delta", eta=1.0)).double()
    for _ in range(4000):
        memory.write(keys, values)
    error = float((memory.read(keys) - values).abs().max())
    protocols = Conditioning(ConditioningConfig())
    blocked = {rule: protocols.run(partial(protocols.memory, rule))["blocking"] for rule in ("delta", "hebb")}
    return Measurement(
        f"d_k = 16 associations stored to {error:.1e}; "
        f"blocked cue {blocked['delta']:.3f} (delta), {blocked['hebb']:.1f} (Hebb)",
        error < 1e-6 and abs(blocked["delta"] - 0.006) < 5e-4 and abs(blocked["hebb"] - 4.0) < 0.05,
    )
