"""What the paper promises and a machine can check."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

import zoo
from zoo import Measurement
from zoo.evidence.measuring import growth_exponent
from zoo.nn.attention import SelfAttention
from zoo_pose.dsta.config import DSTAConfig
from zoo_pose.dsta.network import DSTA, JOINTS, PART, PARTS
from zoo_pose.dsta.training import evaluate


def _small(frames: int = 3) -> DSTA:
    torch.manual_seed(0)
    config = DSTAConfig(
        backbone="convolution",
        backbone_channels=8,
        num_frames=frames,
        dim=16,
        num_heads=4,
        depth=2,
        height=16,
        width=12,
    )
    return DSTA(config).eval()


def _reach(branch: Callable[[Tensor], Tensor], frames: int = 3) -> Tensor:
    """(17, frames, 17): how much each slot's output depends on each frame's tokens of each slot."""
    torch.manual_seed(1)
    tokens, weight = torch.randn(1, frames, JOINTS, 16), torch.randn(16)
    return torch.autograd.functional.jacobian(lambda x: branch(x)[0] @ weight, tokens)[:, 0].abs().amax(-1)


def check_decoupled() -> Measurement:
    """Gradients of each branch with respect to every token: those that must be zero, and those that must not."""
    model = _small()
    temporal, spatial = _reach(model.temporal), _reach(model.spatial)
    same = torch.eye(JOINTS, dtype=torch.bool)[:, None].expand(-1, 3, -1)
    others, own = float(temporal[~same].max()), float(temporal[same].min())
    elsewhere, here = float(spatial[:, [0, 2]].max()), float(spatial[:, 1][torch.eye(JOINTS, dtype=torch.bool)].min())
    return Measurement(
        f"temporal: {others:g} from other joints, at least {own:.1e} from the joint's own frames; spatial: "
        f"{elsewhere:g} from other frames, at least {here:.1e} from its own",
        others == 0 < own and elsewhere == 0 < here,
    )


def _scores(frames: int) -> int:
    """Attention scores of one head in one block of both branches, for one clip, as the blocks compute them."""
    model = _small(frames)
    found = 0

    def count(module: object, args: tuple[Tensor, ...]) -> None:
        nonlocal found
        found += args[0].shape[0] * args[0].shape[1] ** 2

    for blocks in (model.spatial_blocks, model.temporal_blocks):
        attention = blocks[0].get_submodule("attn")
        assert isinstance(attention, SelfAttention)
        attention.register_forward_pre_hook(count)
    with torch.no_grad():
        model(torch.randn(1, 3 * frames, 16, 12))
    return found


def check_local_in_space() -> Measurement:
    """Which slots a slot depends on in the spatial branch, and the scores of one block there."""
    spatial = _reach(_small().spatial)[:, 1] > 0
    part = torch.arange(JOINTS) // PART
    part[PARTS * PART :] = torch.arange(PARTS, PARTS + JOINTS - PARTS * PART)
    expected = part[:, None] == part
    inside = _scores(3) - JOINTS * 9
    return Measurement(
        f"{int(spatial[: PARTS * PART].sum(1).min())} to {int(spatial.sum(1).max())} slots; {inside} scores against "
        f"{(JOINTS * 3) ** 2} of joint attention over 3 frames",
        torch.equal(spatial, expected) and inside == 45,
    )


def check_growth() -> Measurement:
    """Scores that the blocks compute at 3, 5, 9 and 17 frames, beside joint attention over space and time."""
    lengths = (3, 5, 9, 17)
    found = [_scores(frames) for frames in lengths]
    joint = [(JOINTS * frames) ** 2 for frames in lengths]
    exponent = growth_exponent(lengths, [score - 45 for score in found])
    return Measurement(
        "; ".join(f"{frames} frames {a} against {b}" for frames, a, b in zip(lengths, found, joint, strict=True))
        + f"; the temporal part grows as T^{exponent:.2f}",
        found == [17 * frames**2 + 45 for frames in lengths],
    )


def check_rendered_people() -> Measurement:
    """The bundled network on clips of held-out motions before held-out photographs, beside the mean pose in the box."""
    model = zoo.load("dsta/rendered")
    found = evaluate(model, model.config)
    return Measurement(
        f"{found['pck']:.1f}% of joints within a tenth of the box, {found['still_pck']:.1f}% where clips stand still; "
        f"mean pose in the true box {found['mean_pose_pck']:.1f}%",
        found["pck"] > found["mean_pose_pck"],
        "200 clips of rendered people, four motions and eight photographs that training never saw: not PoseTrack",
    )
