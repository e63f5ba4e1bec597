"""Published names, and the replay of recordings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

import zoo
from zoo.errors import InputError
from zoo.evidence.replay import Run, replay_of
from zoo.nn.renaming import renamed
from zoo_pose.dsta.config import DSTAConfig
from zoo_pose.dsta.network import DSTA, JOINTS
from zoo_pose.flows import flow_term

_RULES = (
    (r"^module\.", ""),
    (r"^Spatial_pos_embed$", "spatial_positions"),
    (r"^Temporal_pos_embed$", "temporal_positions"),
    (r"^Spatial_blocks\.", "spatial_blocks."),
    (r"^blocks\.", "temporal_blocks."),
    (r"^Spatial_norm\.", "spatial_norm."),
    (r"^Temporal_norm\.", "temporal_norm."),
    # A trunk of one convolution, as recorded.
    (r"^preact\.(weight|bias)$", r"preact.conv.\1"),
)
_FIELDS = {
    "embed_dim": "dim",
    "depth": "depth",
    "num_frames": "num_frames",
    "num_heads": "num_heads",
    "mlp_ratio": "mlp_ratio",
    "backbone_channels": "backbone_channels",
}


def convert(state: Mapping[str, Tensor], config: Any) -> dict[str, Tensor]:
    """The authors' names, with or without ``module.``, to ours."""
    return renamed(state, _RULES)


def _network(run: Run) -> dict[str, Tensor]:
    if run.config.get("num_joints", JOINTS) != JOINTS:
        raise InputError(f"num_joints={run.config['num_joints']}; the tokens' groups are those of {JOINTS} joints")
    backbone = "convolution" if str(run.config.get("backbone", "")).startswith("stub") else "resnet50"
    fields = run.fields(_FIELDS)
    if "image_size" in run.config:
        fields["height"], fields["width"] = run.config["image_size"]
    config = DSTAConfig(backbone=backbone, **fields)
    model = DSTA(config).eval()
    zoo.fill(model, convert(run.state, config))
    found = model(run.inputs["x"])
    outputs = {"coord": found.coord, "sigma": found.sigma, "score": found.score}
    if "target" in run.inputs:
        target = run.inputs["target"]
        outputs["nf_loss"] = flow_term(model.flow, found.coord, found.sigma, target)
        outputs["loss"] = model.loss(found, target, run.inputs["target_weight"])
    if "flow_x" in run.inputs:
        outputs["flow_z"], outputs["flow_log_det"] = model.flow.inverse(run.inputs["flow_x"])
        outputs["flow_log_prob"] = model.flow.log_prob(run.inputs["flow_x"])
    return outputs


replay = replay_of({"dsta": _network})
