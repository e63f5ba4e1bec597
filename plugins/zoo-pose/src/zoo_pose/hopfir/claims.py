"""What the paper promises and a machine can check."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

import zoo
from zoo import Measurement
from zoo_pose import lifter_training
from zoo_pose.hopfir.config import MOST_HOPS, HopAttentionConfig, HopFIRConfig, RefinementConfig
from zoo_pose.hopfir.layers import JOINTS, LIMBS, TORSO, HopAttention, IntragroupRefinement, graph_conv, hop_matrices
from zoo_pose.hopfir.network import HopGraphFormer


def _reach(layer: nn.Module, dim: int) -> Tensor:
    """(17, 17): the largest gradient of each joint's output with respect to each joint's token."""
    x = torch.randn(JOINTS, dim)
    weight = torch.randn(dim)
    return torch.autograd.functional.jacobian(lambda x: layer(x[None])[0] @ weight, x).abs().amax(-1)


def check_partition() -> Measurement:
    """Add up the hop matrices' supports, and look for the last hop that is not empty."""
    support = (hop_matrices(MOST_HOPS) > 0).long()
    each = support.sum(0)
    diameter = int(support.any(-1).any(-1).nonzero().max())
    rows = hop_matrices(MOST_HOPS).sum(-1)
    means = bool(((rows - 1).abs() < 1e-6).logical_or(rows == 0).all())
    return Measurement(
        f"every pair of joints is in {int(each.min())} to {int(each.max())} hops; the last has {diameter} limbs",
        bool((each == 1).all()) and diameter == 8 and means,
    )


def check_reach() -> Measurement:
    """How many joints one output depends on, by gradients: of a block with attention, one without, a convolution."""
    torch.manual_seed(0)
    found = []
    for layer in (
        HopGraphFormer(HopFIRConfig(dim=32)),
        HopGraphFormer(HopFIRConfig(dim=32, hop_attention=False)),
        graph_conv("mgcn", 32, 32),
    ):
        counts = (_reach(layer.eval(), 32) > 1e-8).sum(1)
        found.append((int(counts.min()), int(counts.max())))
    attention, without, graph = found
    return Measurement(
        f"a block {attention[0]} to {attention[1]} joints, without its attention {without[0]} to {without[1]}, a graph "
        f"convolution {graph[0]} to {graph[1]}",
        attention == (JOINTS, JOINTS) and graph[1] == 5 and without[1] == 5,
    )


def check_never_crosses() -> Measurement:
    """The refinement's gradient between joints of one group and of two."""
    torch.manual_seed(0)
    reach = _reach(IntragroupRefinement(RefinementConfig(dim=32)).eval(), 32)
    same = torch.zeros(JOINTS, JOINTS, dtype=torch.bool)
    for group in (*LIMBS, TORSO):
        same[torch.tensor(group)[:, None], torch.tensor(group)] = True
    across, within = float(reach[~same].max()), float(reach[same].min())
    return Measurement(f"largest across groups {across:g}, smallest within {within:.1e}", across == 0 < within)


def check_plugs_in() -> Measurement:
    """Put the layer in front of both graph convolutions: shapes, and whether gradients reach its projections."""
    torch.manual_seed(0)
    fits = []
    for base in ("semgcn", "mgcn"):
        layer = HopAttention(HopAttentionConfig(dim=32))
        found = graph_conv(base, 32, 24)(layer(torch.randn(3, JOINTS, 32)))
        found.square().sum().backward()
        trained = all(weight.grad is not None and bool(weight.grad.any()) for weight in (layer.q, layer.k, layer.v))
        fits.append(found.shape == (3, JOINTS, 24) and trained)
    return Measurement(
        f"SemGCN: {'fits' if fits[0] else 'does not fit'}; MGCN: {'fits' if fits[1] else 'does not fit'}",
        all(fits),
        "the gains in accuracy need Human3.6M",
    )


def check_held_out_motions() -> Measurement:
    """The bundled network, the linear map and the residual network of single frames on held-out clips."""
    found = lifter_training.evaluate(zoo.load("hopfir/motions"), 1, "all")
    return lifter_training.beside_baselines(found)


def picture(path: Path) -> None:
    """Keypoints of a held-out dance, the bundled network's poses, and the true ones, seen from beside the camera."""
    lifter_training.held_out_picture(zoo.load("hopfir/motions"), 1, "all", path)
