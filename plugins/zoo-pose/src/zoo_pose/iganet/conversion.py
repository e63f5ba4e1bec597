"""Published names, and the replay of recordings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

import zoo
from zoo.errors import InputError
from zoo.evidence.replay import Run, replay_of
from zoo.nn.renaming import renamed
from zoo_pose.iganet.config import IGANetConfig
from zoo_pose.iganet.layers import JOINTS, IGABlock, adjacency
from zoo_pose.iganet.network import IGANet

_RULES = (
    (r"^module\.", ""),
    (r"^IGANet\.", ""),
    (r"\.GCN_Block([12])\.conv1d\.", r".gcn\1.linear."),
    (r"\.uMLP\.linear512_256\.linear\.0\.", ".umlp.down."),
    (r"\.uMLP\.linear256_256\.linear\.0\.", ".umlp.across."),
    (r"\.uMLP\.linear256_512\.linear\.0\.", ".umlp.up."),
    (r"^encoder\.fc([1345])\.", lambda found: f"encoder.{'1345'.index(found[1])}."),
    (r"^fcn\.", "head."),
)
_FIELDS = {
    "channel": "dim",
    "layers": "num_layers",
    "num_heads": "num_heads",
    "umlp_hidden": "mlp_dim",
    "qkv_bias": "qkv_bias",
    "s_gcn2attn": "graph_to_attention",
    "s_attn2gcn": "attention_to_graph",
}


def convert(state: Mapping[str, Tensor], config: Any) -> dict[str, Tensor]:
    """The authors' names to ours; kernels of size 1 become matrices."""
    found = renamed(state, _RULES)
    return {
        name: tensor.squeeze(-1) if name.endswith(".linear.weight") and tensor.ndim == 3 else tensor
        for name, tensor in found.items()
    }


def _network(run: Run) -> dict[str, Tensor]:
    if run.config.get("n_joints", JOINTS) != JOINTS:
        raise InputError(f"n_joints={run.config['n_joints']}; the skeleton has {JOINTS}")
    if "adj" in run.inputs and not torch.allclose(run.inputs["adj"], adjacency(), atol=1e-6):
        raise InputError("the recorded adjacency is another than the skeleton's")
    fields = run.fields(_FIELDS)
    if widths := run.config.get("encoder_widths"):
        fields["encoder_widths"] = list(widths[1:-1])
    config = IGANetConfig(**fields)
    model = IGANet(config).eval()
    zoo.fill(model, convert(run.state, config))
    x = run.inputs["x"]
    # The authors fold frames into the batch and leave them there.
    outputs = {"pose": model(x).flatten(0, 1)[:, None]}
    encoded = model.encoder(x[:, 0])
    block = model.blocks[0]
    assert isinstance(block, IGABlock)
    outputs |= {"encoded": encoded, "block0": block(encoded), "gcn0": block.gcn1(encoded)}
    if "f" in run.inputs:
        outputs["attn0"], outputs["attn0_heads"] = block.attn(block.norm_att1(encoded), run.inputs["f"])
    return outputs


replay = replay_of({"iganet": _network})
