"""What the paper promises and a machine can check."""

from __future__ import annotations

import torch
from torch import Tensor

import zoo
from zoo import Measurement
from zoo.evidence.measuring import count_parameters
from zoo_pose.group_pose.config import GroupPoseConfig
from zoo_pose.group_pose.decoder import DecoderLayer
from zoo_pose.group_pose.network import GroupPose
from zoo_pose.group_pose.training import evaluate
from zoo_pose.queries import QueryAttention

_SIZES = [(6, 4), (3, 2)]


def _layer(**options: bool) -> DecoderLayer:
    torch.manual_seed(0)
    config = GroupPoseConfig(
        backbone="none",
        channels=[8, 8],
        norm_groups=1,
        num_levels=2,
        dim=32,
        num_heads=4,
        hidden_dim=48,
        **options,  # type: ignore[arg-type]
    )
    return DecoderLayer(config).eval()


def _inputs(instances: int, batch: int = 1) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)
    tokens = sum(height * width for height, width in _SIZES)
    return {
        "x": torch.randn(batch, instances, 18, 32, generator=generator),
        "positions": torch.randn(batch, instances, 17, 32, generator=generator),
        "references": torch.rand(batch, instances, 18, 1, 2, generator=generator).expand(-1, -1, -1, 2, -1),
        "memory": torch.randn(batch, tokens, 32, generator=generator),
        "padded": torch.zeros(batch, tokens, dtype=torch.bool),
    }


def check_scores() -> Measurement:
    """Scores of one head that a decoder layer's group attentions compute for 100 instances of 17 keypoints."""
    layer, found = _layer(), 0

    def count(module: object, args: tuple[Tensor, ...]) -> None:
        nonlocal found
        found += args[0].shape[0] * args[0].shape[1] ** 2

    for attention in (layer.within_attn, layer.across_attn):
        assert isinstance(attention, QueryAttention)
        attention.register_forward_pre_hook(count)
    with torch.no_grad():
        layer(**_inputs(100), sizes=_SIZES)
    whole = (100 * 18) ** 2
    return Measurement(f"{found:,} against {whole:,}, {whole / found:.1f}x", (found, whole) == (212_400, 3_240_000))


def check_groups() -> Measurement:
    """Gradients of the across step between types, and of the within step between instances."""
    layer, inputs = _layer(), _inputs(4)
    x, positions = inputs["x"][0], inputs["positions"][0]
    weight = torch.randn(32, generator=torch.Generator().manual_seed(2))

    def reach(step: object) -> Tensor:
        assert callable(step)
        jacobian = torch.autograd.functional.jacobian(lambda y: step(y[None])[0] @ weight, x)
        assert isinstance(jacobian, Tensor)
        # (instance, slot, instance, slot)
        return jacobian.abs().amax(-1)

    across = reach(layer.across)
    within = reach(lambda y: layer.within(y, positions[None])[0])
    slots, instances = torch.eye(18, dtype=torch.bool), torch.eye(4, dtype=torch.bool)
    same_type = slots[None, :, None].expand(4, -1, 4, -1)
    same_instance = instances[:, None, :, None].expand(-1, 18, -1, 18)
    figures = [
        float(across[~same_type].max()),
        float(within[~same_instance].max()),
        float(across[same_type].min()),
        float(within[same_instance].min()),
    ]
    return Measurement(
        f"across: {figures[0]:g} to other types, at least {figures[2]:.1e} to the same; within: {figures[1]:g} to "
        f"other instances, at least {figures[3]:.1e} to the same",
        figures[0] == figures[1] == 0 < min(figures[2:]),
    )


def check_set_of_instances() -> Measurement:
    """A decoder layer on instances in another order, beside its output in that order; keypoints are no set."""
    layer, inputs = _layer(), _inputs(7)
    order = torch.randperm(7, generator=torch.Generator().manual_seed(3))
    moved = {
        name: value[:, order] if name in ("x", "positions", "references") else value for name, value in inputs.items()
    }
    with torch.no_grad():
        plain, _ = layer(**inputs, sizes=_SIZES)
        permuted, _ = layer(**moved, sizes=_SIZES)
    difference = float((permuted - plain[:, order]).abs().max())
    unmoved = float((permuted - plain).abs().max())
    return Measurement(
        f"largest difference {difference:.1e}; {unmoved:.2f} where the output is not permuted",
        difference < 1e-5 < unmoved,
    )


def check_parameters() -> Measurement:
    """Count the network with ResNet-50 and its parts on the meta device; frozen norms hold buffers."""
    with torch.device("meta"):
        model = GroupPose(GroupPoseConfig())
    assert model.backbone is not None
    whole, trunk = count_parameters(model), count_parameters(model.backbone)
    layers = count_parameters(model.decoder.layers[0]), count_parameters(model.encoder.layers[0])
    return Measurement(
        f"{whole:,} = {trunk:,} + {whole - trunk:,}; a decoder layer {layers[0]:,}, an encoder layer {layers[1]:,}",
        (whole, trunk, *layers) == (49_318_396, 23_454_912, 1_809_536, 1_282_176),
    )


def check_rendered_people() -> Measurement:
    """The bundled network on pictures of held-out motions and photographs, beside the mean pose in the true boxes."""
    model = zoo.load("group-pose/rendered")
    found = evaluate(model, model.config)
    return Measurement(
        f"{found['pck']:.1f}% of everybody's joints within a tenth of the box, AP {found['AP']:.1f}, AP50 "
        f"{found['AP50']:.1f}, without boxes; mean pose in the true boxes {found['mean_pose_pck']:.1f}%, AP "
        f"{found['mean_pose_AP']:.1f}, AP50 {found['mean_pose_AP50']:.1f}",
        found["pck"] > found["mean_pose_pck"] and found["AP"] > found["mean_pose_AP"],
        "150 pictures of one to three rendered people, four motions and eight photographs that training never saw: not "
        "COCO",
    )
