"""What the paper promises and a machine can check."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

import zoo
from zoo import Measurement
from zoo.evidence.measuring import count_parameters
from zoo_pose import lifter_training
from zoo_pose.blocks import Block
from zoo_pose.ktpformer.config import KTPFormerConfig
from zoo_pose.ktpformer.network import JOINTS, KTPFormer
from zoo_pose.ktpformer.priors import KPA, TPA, PriorGraphLayer
from zoo_pose.skeletons import HUMAN36M


def check_share_of_the_priors() -> Measurement:
    """Count the network of 243 frames and its two priors, on the meta device."""
    with torch.device("meta"):
        model = KTPFormer(KTPFormerConfig())
        priors = count_parameters(model.kpa_block.attn.prior, model.tpa_block.attn.prior)
        whole = count_parameters(model)
    share = priors / whole
    return Measurement(f"{priors:,} of {whole:,}, {share:.1%}", (priors, whole) == (1_431_155, 35_213_430))


def check_plugs_into_another_transformer() -> Measurement:
    """KPA in front of a plain block over joints, and TPA in front of one over frames: shapes, and gradients arrive."""
    torch.manual_seed(0)
    reached = []
    for prior, x in ((KPA(2, 32), torch.randn(6, JOINTS, 2)), (TPA(32, 9), torch.randn(6, 9, 32))):
        model = nn.Sequential(prior, Block(32, 4))
        found = model(x)
        found.square().sum().backward()
        reached.append(
            found.shape == (6, x.shape[1], 32)
            and all(p.grad is not None and bool(p.grad.isfinite().all()) for p in model.parameters())
        )
    return Measurement(
        f"KPA {'fits' if reached[0] else 'does not fit'} over joints, TPA {'fits' if reached[1] else 'does not fit'} "
        "over frames, and both train there",
        all(reached),
    )


def check_identity_is_linear() -> Measurement:
    """Compare the layer of identity topology with the stated map, and that of the skeleton, which must differ."""
    torch.manual_seed(0)
    x = torch.randn(4, JOINTS, 5, dtype=torch.float64)
    distance = {}
    for name, adjacency in (("identity", torch.eye(JOINTS)), ("skeleton", KPA(2, 3).gconv.adjacency)):
        layer = PriorGraphLayer(5, 7, adjacency).double()
        with torch.no_grad():
            layer.adj2.zero_()
            layer.M.normal_()
            distance[name] = float((layer(x) - (layer.M * (x @ layer.W[0]) + layer.bias)).abs().max())
    return Measurement(
        f"largest difference {distance['identity']:.1e}; with the skeleton's topology {distance['skeleton']:.2f}",
        distance["identity"] < 1e-12 < distance["skeleton"],
    )


def check_locality() -> Measurement:
    """The gradient of every joint of one KPA layer with respect to every keypoint, within and outside the skeleton."""
    torch.manual_seed(0)
    layer = KPA(2, 64).gconv
    reach = (
        torch.autograd.functional.jacobian(lambda x: layer(x[None])[0].sum(-1), torch.randn(JOINTS, 2)).abs().sum(-1)
    )
    near = torch.tensor(HUMAN36M.distances()) <= 1
    inside, outside = float(reach[near].mean()), float(reach[~near].mean())
    return Measurement(
        f"mean gradient {outside / inside:.1e} of that inside", inside > 0 and 1e-7 < outside / inside < 1e-5
    )


def check_held_out_motions() -> Measurement:
    """The bundled network, the linear map and the residual network of single frames on held-out clips."""
    model = zoo.load("ktpformer/motions")
    return lifter_training.beside_baselines(lifter_training.evaluate(model, model.config.num_frames, "all"))


def picture(path: Path) -> None:
    """Keypoints of a held-out dance, the bundled network's poses, and the true ones, seen from beside the camera."""
    model = zoo.load("ktpformer/motions")
    lifter_training.held_out_picture(model, model.config.num_frames, "all", path)
