"""What the paper promises and a machine can check."""

from __future__ import annotations

from typing import Any

import torch

import zoo
from zoo import Measurement
from zoo.evidence.measuring import count_parameters
from zoo_activity.csa_action_detection.attention import ClassSemanticAttention
from zoo_activity.csa_action_detection.bmn import BMN, sampling_mask
from zoo_activity.csa_action_detection.config import BMNConfig, CSAConfig
from zoo_activity.csa_action_detection.facts import WATCH
from zoo_activity.csa_action_detection.training import fit, held_out_scores


def _small(source: str = "semantics") -> ClassSemanticAttention:
    torch.manual_seed(0)
    return ClassSemanticAttention(CSAConfig(20, 16, source=source)).eval()


def check_independence() -> Measurement:
    """Weights for two features with the same semantics, beside those of squeeze-and-excitation."""
    changes = []
    for source in ("semantics", "features"):
        layer, semantics = _small(source), torch.randn(2, 20, 30)
        first, second = (layer.weights(semantics, torch.randn(2, 16, 30)) for _ in range(2))
        changes.append(max(float((first[axis] - second[axis]).detach().abs().max()) for axis in first))
    return Measurement(
        f"changed by {changes[0]:g}; squeeze-and-excitation's by {changes[1]:.2g}", changes[0] == 0 < changes[1]
    )


def check_axes() -> Measurement:
    """Shapes and range of the weights, and how they vary along their axes and answer to the semantics."""
    layer, semantics = _small(), torch.randn(2, 20, 30)
    with torch.no_grad():
        found, other = layer.weights(semantics), layer.weights(torch.randn(2, 20, 30))
    shapes = {axis: tuple(weight.shape[1:]) for axis, weight in found.items()}
    low = min(float(weight.min()) for weight in found.values())
    high = max(float(weight.max()) for weight in found.values())
    alive = all(float((found[axis] - other[axis]).abs().max()) > 1e-4 for axis in found)
    varies = float(found["channel"].std(1).min()) > 1e-4 and float(found["time"].std(2).min()) > 1e-4
    return Measurement(
        f"channels {shapes['channel']}, time {shapes['time']}, values {low:.3f} to {high:.3f}",
        shapes == {"channel": (16, 1), "time": (1, 30)} and low > 0 and high < 1 and alive and varies,
    )


def check_composes() -> Measurement:
    """Both together in one network: output, gradients of both, and each one's effect."""
    torch.manual_seed(0)
    # Bottlenecks as wide as the features: of two units, both may be silent by chance.
    model = zoo.load("csa-action-detection/tiny", attention="se+csa", reduction=1)
    output = model(torch.randn(2, 20, 16))
    (output.start.sum() + output.end.sum() + output.confidence.sum()).backward()
    reached = [
        all(p.grad is not None and bool(p.grad.any()) for p in layer.parameters()) for layer in (model.se, model.csa)
    ]
    kinds = ("none", "se", "csa", "se+csa")
    sizes = [zoo.info("csa-action-detection/tiny", attention=kind).parameters or 0 for kind in kinds]
    return Measurement(
        f"{sizes[1] - sizes[0]} and {sizes[2] - sizes[0]} parameters alone, {sizes[3] - sizes[0]} together; gradients "
        f"reach {'both' if all(reached) else 'not both'}",
        all(reached) and sizes[3] - sizes[0] == sizes[1] + sizes[2] - 2 * sizes[0],
        "they fit together; that both gain together needs data",
    )


def check_overhead() -> Measurement:
    """Count both on the meta device."""
    with torch.device("meta"):
        network, layer = count_parameters(BMN(BMNConfig())), count_parameters(ClassSemanticAttention(CSAConfig()))
    return Measurement(
        f"{layer:,} parameters against {network:,} ({layer / network:.1%})", (layer, network) == (61_809, 2_782_980)
    )


def check_region() -> Measurement:
    """Which points every proposal of the small network weighs: outside of its extended region, none."""
    config = BMNConfig(length=16, max_duration=8, num_samples=4)
    mask = sampling_mask(config).view(16, 4, 8, 16)
    outside, reached = 0.0, 0
    for duration in range(8):
        for first in range(16):
            half = (duration + 1) / 2
            for point in range(16):
                # A point is heard up to one step away, by interpolation.
                beyond = not first - half - 1 < point < first + duration + 1 + half + 1
                weight = float(mask[point, :, duration, first].sum())
                outside = max(outside, weight if beyond else 0.0)
                reached += not beyond and weight > 0
    full = mask[:, :, 3, 6].sum(0)
    return Measurement(
        f"largest weight outside {outside:g}; {reached} weights inside, of a sample {float(full.min()):.3f} in all",
        outside == 0 and reached > 200 and bool(((full - 1).abs() < 1e-5).all()),
    )


def check_watch() -> Measurement:
    """Train the network with the attention, without it and with squeeze-and-excitation, three seeds each."""
    shape: dict[str, Any] = WATCH
    kinds = {
        name: [held_out_scores(fit(BMNConfig(attention=name, **shape), seed=seed))["ap_0.7"] for seed in range(3)]
        for name in ("csa", "none", "se")
    }
    mean = {name: 100 * sum(found) / len(found) for name, found in kinds.items()}
    spread = ", ".join(f"{name} {100 * min(found):.1f} to {100 * max(found):.1f}" for name, found in kinds.items())
    return Measurement(
        f"average precision at tIoU 0.7: {mean['csa']:.1f}% with it, {mean['none']:.1f}% without, {mean['se']:.1f}% "
        "with squeeze-and-excitation",
        mean["csa"] > max(mean["none"], mean["se"]),
        f"three seeds ({spread}); routines of exercises of three held-out people, features are the semantics",
    )
