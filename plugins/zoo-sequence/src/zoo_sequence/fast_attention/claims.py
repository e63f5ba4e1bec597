"""What the paper promises and a machine can check."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from zoo import Measurement
from zoo.evidence.measuring import PeakMemory, growth_exponent, quickest
from zoo_sequence.fast_attention.attention import fastmax
from zoo_sequence.fast_attention.config import FastmaxKernelConfig
from zoo_sequence.fast_attention.polynomial import (
    Polynomial,
    by_autograd,
    explicit_weights,
    factorised_attention,
)

TAYLOR = {1: Polynomial(a2=0.0), 2: Polynomial()}


def _random(heads: int, length: int, dim: int, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Query, key and value (1, heads, length, dim)."""
    tensors = torch.randn(3, 1, heads, length, dim, generator=torch.Generator().manual_seed(seed))
    query, key, value = tensors.unbind()
    return query, key, value


def check_factorised() -> Measurement:
    """64 tokens of 8 features against the explicit matrix, both degrees, causal and full."""
    query, key, value = _random(2, 64, 8)
    errors = []
    for degree, polynomial in TAYLOR.items():
        config = FastmaxKernelConfig(p=degree)
        scaled = query / (config.normalize_term * math.sqrt(8))
        for causal in (False, True):
            explicit = explicit_weights(scaled, key, polynomial, causal=causal) @ value
            errors.append(float((fastmax(query, key, value, config, causal=causal) - explicit).abs().max()))
    measured = f"max abs difference {max(errors):.1e}"
    return Measurement(measured, max(errors) < 1e-5, "N = 64, D = 8, p = 1 and 2, causal and full, float32")


def check_every_token_attends() -> Measurement:
    """The factorised form's weights, its response to the identity as values, at scores of very different size."""
    smallest, error = math.inf, 0.0
    for term in (0.25, 1.0, 8.0):
        query, key, _ = (tensor.double() for tensor in _random(4, 96, 8))
        weights = fastmax(
            query, key, torch.eye(96).double().expand(1, 4, -1, -1), FastmaxKernelConfig(normalize_term=term)
        )
        smallest = min(smallest, float(weights.min()))
        error = max(error, float((weights.sum(-1) - 1).abs().max()))
    return Measurement(
        f"smallest weight {smallest:.1e}, rows sum to 1 within {error:.1e}",
        smallest > 0 and error < 1e-9,
        "N = 96, D = 8, p = 2, scores divided by 0.25, 1 and 8 times sqrt(D), float64",
    )


def check_taylor() -> Measurement:
    """How much less fastmax differs from softmax when scores of scale 0.05 are halved, over ten draws."""
    usual: dict[int, list[float]] = {1: [], 2: []}
    largest: dict[int, list[float]] = {1: [], 2: []}
    for degree in usual:
        for seed in range(10):
            query, key, value = (tensor.double() for tensor in _random(2, 64, 8, seed))
            scores = query @ key.mT / math.sqrt(8)
            errors = []
            for scale in (0.05, 0.025):
                ours = fastmax(query * scale, key, value, FastmaxKernelConfig(p=degree, normalize_term=1.0))
                errors.append((ours - (scale * scores).softmax(-1) @ value).abs())
            usual[degree].append(float(errors[0].square().mean().sqrt() / errors[1].square().mean().sqrt()))
            largest[degree].append(float(errors[0].max() / errors[1].max()))
    ranges = {degree: (min(found), max(found)) for degree, found in usual.items()}
    single = " and ".join(f"{min(found):.2f} to {max(found):.2f}" for found in largest.values())
    return Measurement(
        "error falls by " + ", ".join(f"{low:.2f} to {high:.2f} (p = {p})" for p, (low, high) in ranges.items()),
        ranges[1][0] >= 3.9 and ranges[1][1] <= 4.1 and ranges[2][0] >= 7.3 and ranges[2][1] <= 8.2,
        "root mean square error of 64 tokens, scores of deviation 0.05, then 0.025; ten draws, float64; the largest "
        f"error of each, at whichever token it is, falls by {single}",
    )


def check_gradient_bound() -> Measurement:
    """|d o / d s| of the factorised form's own gradient: with the identity as keys, queries are the scores."""
    worst, largest = 0.0, []
    for length in (4, 16, 64):
        generator = torch.Generator().manual_seed(length)
        scores = (2 * torch.randn(length, length, generator=generator, dtype=torch.float64)).requires_grad_()
        value = F.pad(torch.randn(length, 3, generator=generator, dtype=torch.float64), (0, 1), value=1.0)
        polynomial = TAYLOR[2]
        output = factorised_attention(scores, torch.eye(length).double(), value, polynomial, False)
        top = value[:, :-1].abs().amax(0)
        with torch.no_grad():
            bound = 2 * polynomial.slope(scores).abs() / polynomial(scores).sum(-1, keepdim=True)
        steepest = 0.0
        for feature in range(3):
            (grad,) = torch.autograd.grad(output[:, feature].sum(), scores, retain_graph=True)
            worst = max(worst, float((grad.abs() / (bound * top[feature])).max()))
            steepest = max(steepest, float(grad.abs().max() / top[feature]))
        largest.append(steepest)
    return Measurement(
        f"at most {worst:.2f} of the bound; largest |d o / d s| / max |v|: "
        f"{', '.join(f'{each:.2f}' for each in largest)} for N = 4, 16, 64",
        worst <= 1 and max(largest) <= 2,
        "p = 2, scores of deviation 2, float64",
    )


def _kept(run: Callable[[], object]) -> int:
    """Numbers in distinct tensors that are kept for a backward pass."""
    kept: dict[int, Tensor] = {}

    def pack(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        run()
    return sum(tensor.untyped_storage().nbytes() // tensor.element_size() for tensor in kept.values())


def check_memory_of_gradient() -> Measurement:
    """Numbers kept for the backward pass and gradients, against autograd on the factorised form."""
    length, worst, holds, kept = 2_048, 0.0, True, []
    for width in (16, 32):
        inputs = [tensor.double().requires_grad_() for tensor in _random(1, length, width)]
        query, key, value = inputs
        for causal in (False, True):
            arguments = (query / 8, key, F.pad(value, (0, 1), value=1.0), TAYLOR[2], causal)
            ours, plain = (partial(run, *arguments) for run in (factorised_attention, by_autograd))
            counts = _kept(ours) / length, _kept(plain) / length
            grads = [torch.autograd.grad(run().square().sum(), inputs, retain_graph=True) for run in (ours, plain)]
            worst = max(worst, *(float((a - b).abs().max()) for a, b in zip(*grads, strict=True)))
            holds = holds and counts[0] <= 4 * width + 2 < counts[1]
        kept.append(f"{counts[0]:.0f} against {counts[1]:.0f} (D = {width})")
    return Measurement(
        f"numbers kept per token: {', '.join(kept)}; gradients differ by {worst:.1e}",
        holds and worst < 1e-10,
        f"one head, N = {length}, p = 2, float64; of the causal form, while both forms must keep at most 4 D + 2: q, "
        "k, v with its ones, outputs and denominators",
    )


def check_linear() -> Measurement:
    """Time of fastmax and of softmax, and memory of fastmax with its gradient, from 2048 to 16384 tokens."""
    lengths, dim, heads = (2_048, 4_096, 8_192, 16_384), 16, 8
    growth, memory = {}, {}
    for degree in (1, 2):
        config = FastmaxKernelConfig(p=degree)
        for causal in (False, True):
            name = f"p = {degree} {'causal' if causal else 'full'}"
            run = partial(fastmax, config=config, causal=causal)
            growth[name] = growth_exponent(lengths, [quickest(partial(run, *_random(heads, n, dim))) for n in lengths])
            memory[name] = growth_exponent(lengths, [_peak(run, n, dim) for n in lengths])
    dense = [quickest(partial(F.scaled_dot_product_attention, *_random(1, n, dim)), 3) for n in lengths]
    softmax = growth_exponent(lengths, dense)
    times = ", ".join(f"{2**each:.2f} ({name})" for name, each in growth.items())
    sizes = [2**each for each in memory.values()]
    return Measurement(
        f"per doubling time grows by {times}, {2**softmax:.2f} (softmax); memory, forward and backward, by "
        f"{min(sizes):.2f} to {max(sizes):.2f}",
        max(growth.values()) < 1.25 < 1.75 < softmax and max(memory.values()) < 1.05,
        f"fitted to N = 2048 to 16384, D = {dim}, one core, float32; {heads} heads of fastmax, one of fused softmax",
    )


def _peak(run: Callable[..., Tensor], length: int, dim: int) -> float:
    inputs = [tensor.requires_grad_() for tensor in _random(1, length, dim)]
    with PeakMemory() as memory:
        run(*inputs).sum().backward()
    return memory.peak


def multiply_adds(length: int, dim: int, degree: int) -> int:
    """Of factorised attention with all D^degree products: moments, then reads, 2 N D^(degree + 1)."""
    return 2 * length * dim ** (degree + 1)


def check_break_even() -> Measurement:
    """Multiply-adds counted while running, the length at which softmax needs as many, and times at two lengths."""
    from torch.utils.flop_counter import FlopCounterMode

    dim, length = 64, 8_192
    shares, even = [], []
    for degree in (1, 2):
        with FlopCounterMode(display=False) as counter:
            fastmax(*_random(1, length, dim), FastmaxKernelConfig(p=degree))
        counted = counter.get_total_flops() / 2
        shares.append(counted / multiply_adds(length, dim, degree))
        even.append(counted / length / (2 * dim))
    times = {length: _times(length) for length in (2_048, 8_192)}
    listing = "; ".join(
        f"N = {length}: {', '.join(f'{1e3 * each:.1f}' for each in found)} ms" for length, found in times.items()
    )
    return Measurement(
        f"{shares[0]:.2f} of 2ND^2 and {shares[1]:.2f} of 2ND^3 multiply-adds: as many as softmax at N = {even[0]:.0f} "
        f"(p = 1) and {even[1]:.0f} (p = 2) for D = {dim}; p = 1, p = 2, explicit softmax, fused softmax at {listing}",
        abs(shares[0] - 1) < 0.1 and 0.45 < shares[1] <= 1.05 and times[8_192][1] < min(times[8_192][2:]),
        "products of two features are symmetric, so half of D^2 do for p = 2; times on one core, D = 16, non-causal",
    )


def _times(length: int) -> tuple[float, ...]:
    query, key, value = _random(1, length, 16)
    ours = [quickest(partial(fastmax, query, key, value, FastmaxKernelConfig(p=degree))) for degree in (1, 2)]
    explicit = quickest(lambda: (query @ key.mT / 4).softmax(-1) @ value, 2)
    return (*ours, explicit, quickest(partial(F.scaled_dot_product_attention, query, key, value), 2))
