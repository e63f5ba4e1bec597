"""Checks of what the paper claims."""

from __future__ import annotations

import math

import torch

import zoo
from zoo import Measurement
from zoo.building import build_on_meta
from zoo.evidence.measuring import count_parameters
from zoo_sequence.minimal_transformer.config import MinimalAttentionConfig, MinimalTransformerConfig
from zoo_sequence.minimal_transformer.layer import MinimalAttention, lower_triangle
from zoo_sequence.minimal_transformer.network import MinimalTransformer, overdetermination


def _single(variant: str, dim: int = 12) -> MinimalAttention:
    return MinimalAttention(MinimalAttentionConfig(dim, 1, variant)).double().eval()


def check_merged_queries_and_keys() -> Measurement:
    """One head with W = W_Q W_K' and b = W_K b_Q against separate projections."""
    torch.manual_seed(0)
    full, merged = _single("unchanged"), _single("wqk")
    state = full.state_dict()
    kept = {name: tensor for name, tensor in state.items() if name.partition(".")[0] in ("value", "out")}
    key = state["key.weight"]
    joint = {"qk.weight": key.T @ state["query.weight"], "qk.bias": state["query.bias"] @ key}
    zoo.fill(merged, kept | joint)
    x = torch.randn(3, 9, 12, dtype=torch.float64)
    with torch.no_grad():
        maps = float((full.scores(x).softmax(-1) - merged.scores(x).softmax(-1)).abs().max())
        outputs = float((full(x) - merged(x)).abs().max())
    return Measurement(f"maps differ by {maps:.1e}, outputs by {outputs:.1e}", max(maps, outputs) < 1e-5)


def check_merged_values_and_output() -> Measurement:
    """One head with W_V W_O as one matrix against both."""
    torch.manual_seed(0)
    full, merged = _single("unchanged"), _single("unchanged")
    state = full.state_dict()
    output, identity = state["out.weight"], torch.eye(12, dtype=torch.float64)
    joint = {
        "value.weight": output @ state["value.weight"],
        "value.bias": output @ state["value.bias"] + state["out.bias"],
        "out.weight": identity,
        "out.bias": torch.zeros(12, dtype=torch.float64),
    }
    zoo.fill(merged, state | joint)
    x = torch.randn(3, 9, 12, dtype=torch.float64)
    with torch.no_grad():
        difference = float((full(x) - merged(x)).abs().max())
    return Measurement(f"outputs differ by {difference:.1e}", difference < 1e-5)


def check_convexity() -> Measurement:
    """Weights without V and O, read off one-hot tokens, and outputs against the range of the inputs."""
    torch.manual_seed(0)
    outside, lowest, total = 0.0, math.inf, 0.0
    for variant in ("wqk-no-vo", "symmetric-no-vo"):
        layer, x = _single(variant), torch.randn(50, 9, 12, dtype=torch.float64)
        with torch.no_grad():
            output = layer(x)
            weights = layer(torch.eye(12, dtype=torch.float64)[None])
        over = (output - x.amax(1, keepdim=True)).clamp(min=0)
        under = (x.amin(1, keepdim=True) - output).clamp(min=0)
        outside = max(outside, float(over.max()), float(under.max()))
        lowest, total = min(lowest, float(weights.min())), max(total, float((weights.sum(-1) - 1).abs().max()))
    return Measurement(
        f"at most {outside:.1e} outside the inputs' range; weights from {lowest:.3f}, sums within {total:.1e} of 1",
        outside < 1e-12 and lowest >= 0 and total < 1e-12,
    )


def check_semidefinite() -> Measurement:
    """Eigenvalues of T T' for random T, and the similarity of random tokens to themselves."""
    layer = MinimalAttention(MinimalAttentionConfig(16, 2, "symmetric")).double()
    torch.manual_seed(0)
    lowest, asymmetry, least = math.inf, 0.0, math.inf
    with torch.no_grad():
        for _ in range(20):
            layer.get_parameter("tril").normal_()
            triangles = lower_triangle(layer.get_parameter("tril"))
            matrix = triangles @ triangles.transpose(-1, -2)
            lowest = min(lowest, float(torch.linalg.eigvalsh(matrix).min()))
            scores = layer.scores(torch.randn(4, 30, 16, dtype=torch.float64))
            asymmetry = max(asymmetry, float((scores - scores.transpose(-1, -2)).abs().max()))
            least = min(least, float(scores.diagonal(dim1=-2, dim2=-1).min()))
    return Measurement(
        f"smallest eigenvalue {lowest:.1e}; scores asymmetric by {asymmetry:.1e}, x'T T'x at least {least:.2f}",
        lowest >= -1e-6 and asymmetry < 1e-12 and least >= 0,
    )


def check_savings() -> Measurement:
    """Parameters of the whole network, unchanged and at its smallest, with 6 layers and with 12."""

    def count(layers: int, variant: str, mlp: bool, mlp_ratio: float = 1.0) -> int:
        config = MinimalTransformerConfig(num_layers=layers, variant=variant, mlp=mlp, mlp_ratio=mlp_ratio)
        return count_parameters(build_on_meta(lambda: MinimalTransformer(config)))

    full, least = count(6, "unchanged", True), count(6, "wqk-no-vo", False)
    deep = count(12, "wqk-no-vo", False)
    same, wide = (1 - deep / count(12, "unchanged", True, ratio) for ratio in (1.0, 4.0))
    return Measurement(
        f"{full} to {least}: {1 - least / full:.0%} with 6 layers; with 12 layers {same:.0%}, and {wide:.0%} of a "
        f"network with the usual MLPs of 4 d",
        (full, least) == (156_298, 31_498) and f"{1 - least / full:.0%}" == "80%" and wide >= 0.9,
        f"Q on MNIST is {overdetermination(60_000, 10, full):.2f} and {overdetermination(60_000, 10, least):.2f}",
    )
