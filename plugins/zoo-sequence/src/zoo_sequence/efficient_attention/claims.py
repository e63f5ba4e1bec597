"""What the paper promises, measured."""

from __future__ import annotations

import math
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from zoo import Measurement
from zoo.evidence.measuring import quickest
from zoo_sequence.efficient_attention.layer import efficient_attention


def _random(*shapes: tuple[int, ...], seed: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator) for shape in shapes]


def check_scaling() -> Measurement:
    """Scaling normalisation against the dense product, n = 200, d_k = 16."""
    query, key, value = _random((200, 16), (200, 16), (200, 24))
    difference = efficient_attention(query, key, value, normalization="scaling") - (query @ key.T / 200) @ value
    error = float(difference.abs().max())
    return Measurement(f"max abs difference {error:.1e}", error < 1e-5, "n = 200, d_k = 16, d_v = 24, float32")


def check_distribution() -> Measurement:
    """Rows of the implied matrix: the module's response to the identity as values."""
    query, key = _random((300, 16), (300, 16))
    matrix = efficient_attention(query, key, torch.eye(300))
    error, smallest = float((matrix.sum(-1) - 1).abs().max()), float(matrix.min())
    measured = f"row sums within {error:.1e} of 1, smallest entry {smallest:.1e}"
    return Measurement(measured, error < 1e-5 and smallest >= 0, "n = 300, d_k = 16")


def multiply_adds(positions: int, keys: int, values: int) -> tuple[int, int]:
    """Of dense and of efficient attention."""
    return positions**2 * (keys + values), 2 * positions * keys * values


def numbers_between(positions: int, keys: int, values: int) -> tuple[int, int]:
    """Intermediate numbers of dense and of efficient attention."""
    return positions**2, keys * positions + keys * values


def check_complexity() -> Measurement:
    """Multiply-adds that torch counts in this implementation, against both closed forms."""
    from torch.utils.flop_counter import FlopCounterMode

    positions, keys, values = 16_384, 32, 48
    query, key, value = _random((1, positions, keys), (1, positions, keys), (1, positions, values))
    with FlopCounterMode(display=False) as counter:
        efficient_attention(query, key, value)
    counted = counter.get_total_flops() // 2
    dense, efficient = multiply_adds(positions, keys, values)
    memory = numbers_between(positions, keys, values)
    return Measurement(
        f"{counted / 1e6:.1f}M multiply-adds against {dense / 1e6:.0f}M dense ({dense / counted:.0f}x); "
        f"{memory[1] / 1e6:.2f}M numbers in between against {memory[0] / 1e6:.0f}M ({memory[0] / memory[1]:.0f}x)",
        counted == efficient,
        f"n = {positions}, d_k = {keys}, d_v = {values}; multiply-adds counted while running, numbers by closed form",
    )


def check_linear() -> Measurement:
    """Against torch's fused dense attention at n = 4096 and 16384, and alone from 262144 to 1048576; d = 32."""
    ratios = {}
    for length in (4_096, 16_384):
        query, key, value = _random(*[(1, 1, length, 32)] * 3)
        ours = quickest(partial(efficient_attention, query, key, value), 5)
        dense = quickest(partial(F.scaled_dot_product_attention, query, key, value), 2)
        ratios[f"n = {length}: {1e3 * ours:.1f} ms against {1e3 * dense:.0f} ms dense"] = dense / ours
    times = []
    # So long that every tensor is fresh memory, whatever ran before in this process.
    for length in (262_144, 1_048_576):
        query, key, value = _random(*[(1, 1, length, 32)] * 3)
        times.append(quickest(partial(efficient_attention, query, key, value), 5))
    exponent = math.log(times[1] / times[0]) / math.log(4)
    return Measurement(
        f"{'; '.join(f'{name} ({ratio:.0f}x)' for name, ratio in ratios.items())}; from 262144 to 1048576 "
        f"positions time grows with n^{exponent:.2f}",
        list(ratios.values())[1] >= 20 and exponent < 1.2,
        "one core, d = 32, float32; dense is scaled_dot_product_attention, quicker than the paper's explicit product; "
        "growth is measured where no tensor fits the processor's caches",
    )
