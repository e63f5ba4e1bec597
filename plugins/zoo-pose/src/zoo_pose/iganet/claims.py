"""What the paper promises and a machine can check."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

import zoo
from zoo import Measurement
from zoo.evidence.measuring import count_parameters
from zoo.nn.mlp import MLP
from zoo_pose import lifter_training
from zoo_pose.iganet.config import IGANetConfig
from zoo_pose.iganet.layers import GCN, JOINTS, UMLP, IGABlock, adjacency


def _block(**options: float) -> IGABlock:
    torch.manual_seed(0)
    return IGABlock(IGANetConfig(dim=32, **options), 0.0).eval()  # type: ignore[arg-type]


def _exchange(block: IGABlock, x: Tensor) -> tuple[float, float]:
    """How far GCN2's input is from GCN1's output, and the attention branch from plain attention."""
    seen: dict[str, Tensor] = {}
    hooks = [
        block.gcn1.register_forward_hook(lambda module, args, output: seen.update(first=output)),
        block.gcn2.register_forward_pre_hook(lambda module, args: seen.update(second=args[0])),
        block.attn.register_forward_hook(lambda module, args, output: seen.update(attention=output[0])),
    ]
    with torch.no_grad():
        block(x)
        for hook in hooks:
            hook.remove()
        plain, _ = block.attn(block.norm_att1(x), torch.zeros_like(x))
    return float((seen["second"] - seen["first"]).abs().max()), float((seen["attention"] - plain).abs().max())


def check_exchange() -> Measurement:
    """Close either edge between the branches and see what it carried vanish, the other stay."""
    x = torch.randn(2, JOINTS, 32, generator=torch.Generator().manual_seed(1))
    both = _exchange(_block(), x)
    graph_alone = _exchange(_block(attention_to_graph=0.0), x)
    attention_alone = _exchange(_block(graph_to_attention=0.0), x)
    return Measurement(
        f"into the graph branch {both[0]:.2f}, {graph_alone[0]:g} with s_attn2gcn = 0; into the attention branch "
        f"{both[1]:.2f}, {attention_alone[1]:g} with s_gcn2attn = 0",
        min(both) > 1e-3 and graph_alone[0] == 0 < graph_alone[1] and attention_alone[1] == 0 < attention_alone[0],
    )


def _reach(layer: nn.Module) -> Tensor:
    """(17, 17) boolean: which joints' tokens each joint's output depends on."""
    x, weight = torch.randn(JOINTS, 32), torch.randn(32)
    return torch.autograd.functional.jacobian(lambda x: layer(x[None])[0] @ weight, x).abs().amax(-1) > 0


def check_receptive_field() -> Measurement:
    """Gradients of the graph layer alone, beside its adjacency, and of the block."""
    torch.manual_seed(0)
    graph, block = _reach(GCN(32)), _reach(_block())
    connected = (adjacency() > 0).any(0).T
    counts = graph.sum(1)
    return Measurement(
        f"the graph layer {int(counts.min())} to {int(counts.max())} joints, the block {int(block.sum(1).min())}",
        torch.equal(graph, connected) and bool(block.all()),
    )


def check_umlp_is_small() -> Measurement:
    """Count uMLP and the usual network of hidden width 1024, both at width 512, on the meta device."""
    with torch.device("meta"):
        ours, usual = count_parameters(UMLP(512, 256, 0.0)), count_parameters(MLP(512, 1024))
    return Measurement(f"{ours:,} against {usual:,}", (ours, usual) == (328_704, 1_050_112))


def check_held_out_motions() -> Measurement:
    """The bundled network, the linear map and the residual network of single frames on held-out clips."""
    found = lifter_training.evaluate(zoo.load("iganet/motions"), 1, "all")
    return lifter_training.beside_baselines(found)


def picture(path: Path) -> None:
    """Keypoints of a held-out dance, the bundled network's poses, and the true ones, seen from beside the camera."""
    lifter_training.held_out_picture(zoo.load("iganet/motions"), 1, "all", path)
