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
from zoo_pose.ktpformer.config import KTPFormerConfig
from zoo_pose.ktpformer.network import JOINTS, KTPFormer

_RULES = (
    (r"^module\.", ""),
    (r"^kpattention\.attn\.kpa\.", "kpa_block.attn.prior."),
    (r"^tpattention\.attn\.tpa\.", "tpa_block.attn.prior."),
    (r"^kpattention\.", "kpa_block."),
    (r"^tpattention\.", "tpa_block."),
    (r"\.(Spatial|Temporal)_pos_embed$", ".positions"),
    (r"^STEblocks\.", "spatial_blocks."),
    (r"^TTEblocks\.", "temporal_blocks."),
    (r"^Spatial_norm\.", "spatial_norm."),
    (r"^Temporal_norm\.", "temporal_norm."),
)
_FIELDS = {
    "num_frame": "num_frames",
    "in_chans": "in_channels",
    "embed_dim_ratio": "dim",
    "depth": "depth",
    "num_heads": "num_heads",
    "mlp_ratio": "mlp_ratio",
    "qkv_bias": "qkv_bias",
    "drop_path_rate": "drop_path",
}


def convert(state: Mapping[str, Tensor], config: Any) -> dict[str, Tensor]:
    """The authors' names, with or without ``module.``, to ours."""
    return renamed(state, _RULES)


def _network(run: Run) -> dict[str, Tensor]:
    if run.config.get("num_joints", JOINTS) != JOINTS:
        raise InputError(f"num_joints={run.config['num_joints']}; the skeleton has {JOINTS}")
    config = KTPFormerConfig(**run.fields(_FIELDS))
    model = KTPFormer(config).eval()
    zoo.fill(model, convert(run.state, config))
    for given, layer in (("adj", "kpa_block.attn.prior"), ("adj_temporal", "tpa_block.attn.prior.gconv1")):
        ours = model.get_buffer(f"{layer}.gconv.adjacency")
        if given in run.inputs and not torch.allclose(run.inputs[given], ours, atol=1e-6):
            raise InputError(f"the recorded topology {given} is another than that of the skeleton or of the frames")
    x = run.inputs["x"]
    kinematic = model.kinematic(x)
    return {
        "pose": model(x),
        "kpa": model.kpa_block.attn.prior(x[0]),
        "kpa_block": kinematic,
        "tpa": model.tpa_block.attn.prior(kinematic),
        "tpa_block": model.trajectory(kinematic),
    }


replay = replay_of({"ktpformer": _network})
