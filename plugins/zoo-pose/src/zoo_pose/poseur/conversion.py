"""Published names, and the replay of recordings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

import zoo
from zoo.errors import InputError
from zoo.evidence.replay import Run, replay_of
from zoo.nn.renaming import renamed
from zoo_pose.poseur.config import PoseurConfig
from zoo_pose.poseur.head import PoseurHead

_HEAD = (
    (r"^transformer\.decoder\.", ""),
    (r"^transformer\.", ""),
    (r"\.attentions\.0\.attn\.in_proj_(weight|bias)$", r".self_attn.in_proj.\1"),
    (r"\.attentions\.0\.attn\.out_proj\.", ".self_attn.out_proj."),
    (r"\.attentions\.1\.value_proj_(weight|bias)\.weight$", r".cross_attn.value_\1"),
    (r"\.attentions\.1\.", ".cross_attn."),
    (r"\.ffns\.0\.layers\.0\.0\.", ".ffn.fc1."),
    (r"\.ffns\.0\.layers\.1\.", ".ffn.fc2."),
    (r"^pos_embed\.weight$", "pos_embed"),
    (r"^fc_sigma\.linear\.", "fc_sigma."),
    (r"^fc_coord_branches\.", "coord_branches."),
    (r"^fc_coord_output_branches\.", "output_branches."),
    (r"^fc_sigma_branches\.(\d+)\.(\d+)\.(linear\.)?", r"sigma_branches.\1.\2."),
)
_FIELDS = {
    "embed_dims": "dim",
    "num_heads": "num_heads",
    "num_points": "num_points",
    "feedforward_channels": "hidden_dim",
    "num_decoder_layers": "num_layers",
    "num_joints": "num_joints",
    "num_reg_fcs": "num_branch_layers",
}


def _reshaped(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Values' projections are published as a table (heads * dim, dim / heads)."""
    return {
        name: tensor.unflatten(0, (-1, tensor.shape[1] * len(state[f"{name[:-6]}bias"])))
        if name.endswith("cross_attn.value_weight") and tensor.ndim == 2
        else tensor
        for name, tensor in state.items()
    }


def convert(state: Mapping[str, Tensor], config: Any) -> dict[str, Tensor]:
    """The authors' names of the whole network to ours."""
    head = {
        name.removeprefix("keypoint_head."): tensor
        for name, tensor in state.items()
        if name.startswith("keypoint_head.")
    }
    others = {name: tensor for name, tensor in state.items() if not name.startswith("keypoint_head.")}
    converted = {f"head.{name}": tensor for name, tensor in _reshaped(renamed(head, _HEAD)).items()}
    return converted | renamed(others, ((r"^neck\.convs\.", "neck."),))


def _head_of(run: Run) -> PoseurHead:
    if run.config.get("encoder_layers", 0):
        raise InputError(f"encoder_layers={run.config['encoder_layers']}; every released model has 0, and so has this")
    fields = run.fields(_FIELDS)
    sines = run.config.get("pos_encoding", {})
    if sines.get("num_feats", fields["dim"] // 2) * 2 != fields["dim"]:
        raise InputError(f"num_feats={sines['num_feats']}; expected half of embed_dims={fields['dim']}")
    for word, name in (("temperature", "temperature"), ("offset", "offset"), ("normalize", "normalised")):
        if word in sines:
            fields[name] = sines[word]
    if "image_size" in run.config:
        fields["width"], fields["height"] = run.config["image_size"]
    if "activation" in run.config:
        fields["activation"] = run.config["activation"].lower()
    config = PoseurConfig(backbone="none", channels=[fields["dim"]] * run.config["num_levels"], norm_groups=1, **fields)
    head = PoseurHead(config).eval()
    zoo.fill(head, _reshaped(renamed(run.state, _HEAD)))
    return head


def _head(run: Run) -> dict[str, Tensor]:
    head, inputs = _head_of(run), run.inputs
    sizes = [(int(height), int(width)) for height, width in inputs["spatial_shapes"].tolist()]
    maps = [inputs[f"feat{level}"] for level in range(len(sizes))]
    pose = head(maps)
    outputs = {
        "enc_coord": pose.coarse_coord,
        "enc_sigma": pose.coarse_sigma,
        "dec_coord": pose.coords.transpose(0, 1),
        "dec_sigma": pose.sigmas.transpose(0, 1),
        "score": pose.score,
    }
    layer = head.layers[0]
    if "attn_query" in inputs:
        memory = inputs["attn_memory"].transpose(0, 1)
        query = inputs["attn_query"].transpose(0, 1)
        answer: Tensor = layer.get_submodule("cross_attn")(query, None, memory, sizes, inputs["attn_ref"])
        outputs["attn"] = answer.transpose(0, 1)
        if "group_query" in inputs:
            query, positions = (inputs[name].transpose(0, 1) for name in ("group_query", "group_query_pos"))
            two: Tensor = layer(query, positions, memory, sizes, inputs["group_ref"])
            outputs["layer0_two_groups"] = two.transpose(0, 1)
    if "target" in inputs:
        losses = head.losses(maps, inputs["target"], inputs["target_weight"], noise=False)
        outputs["enc_loss"] = losses["coarse"]
        outputs |= {f"dec_loss{index}": losses[f"layer{index}"] for index in range(len(head.layers))}
    return outputs


replay = replay_of({"poseur": _head})
