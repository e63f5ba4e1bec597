"""What the paper promises and a machine can check."""

from __future__ import annotations

from pathlib import Path

import torch

import zoo
from zoo import Measurement
from zoo.evidence.measuring import count_parameters
from zoo_pose import lifter_training
from zoo_pose.convformer_pose.attention import DynamicConv
from zoo_pose.convformer_pose.config import ConvFormerConfig
from zoo_pose.convformer_pose.network import JOINTS, ConvFormer


def check_fewer_parameters() -> Measurement:
    """Count the networks of four lengths on the meta device, beside the paper's counts of itself and of others."""
    others = {9: (9.58, 2.56), 81: (9.60, 3.43), 143: (31.52, None), 243: (31.52, 10.24)}
    found, rounded = [], True
    with torch.device("meta"):
        for frames, (other, paper) in others.items():
            own = count_parameters(ConvFormer(ConvFormerConfig(num_frames=frames))) / 1e6
            found.append(f"{frames} frames {own:.2f}M, {1 - own / other:.1%} below {other}M")
            rounded &= own < other and (paper is None or abs(own - paper) <= 0.0051)
    return Measurement(
        "; ".join(found), rounded, "143 and 243 frames beside PoseFormer's and strided transformers' 351 frames"
    )


def check_receptive_field() -> Measurement:
    """Which frames and which places of the joints' features one number of a temporal query depends on."""
    torch.manual_seed(0)
    frames, wide, place = 9, JOINTS * 8, 60
    query = ConvFormer(ConvFormerConfig(num_frames=frames, dim=8)).eval().get_submodule("temporal.0.attn.q")
    x = torch.randn(1, frames, wide, requires_grad=True)
    (gradient,) = torch.autograd.grad(query(x)[0, 4, place], x)
    reached = gradient[0] != 0
    places = reached.any(0).nonzero().flatten()
    return Measurement(
        f"{int(reached.any(1).sum())} of {frames} frames, places {int(places.min()) - place:+d} to "
        f"{int(places.max()) - place:+d}",
        bool(reached[:, place - 3 : place + 4].all()) and int(reached.sum()) == 7 * frames,
    )


def check_one_kernel() -> Measurement:
    """All mixing weight on one of three kernels, beside that convolution alone, and beside equal weights."""
    torch.manual_seed(0)
    layer = DynamicConv(6, (3, 5, 7)).eval()
    x = torch.randn(2, 6, 20)
    with torch.no_grad():
        equal = float((layer(x) - layer.convs[1](x)).abs().max())
        layer.eta.copy_(torch.tensor([-torch.inf, 0.0, -torch.inf]))
        one = float((layer(x) - layer.convs[1](x)).abs().max())
    return Measurement(f"largest difference {one:g}; with equal weights {equal:.2f}", one < 1e-6 < equal)


def check_held_out_motions() -> Measurement:
    """The bundled network, the linear map and the residual network of single frames on held-out clips."""
    found = lifter_training.evaluate(zoo.load("convformer-pose/motions"), 9, "centre")
    return lifter_training.beside_baselines(found)


def picture(path: Path) -> None:
    """Keypoints of a held-out dance, the bundled network's poses, and the true ones, seen from beside the camera."""
    lifter_training.held_out_picture(zoo.load("convformer-pose/motions"), 9, "centre", path)
