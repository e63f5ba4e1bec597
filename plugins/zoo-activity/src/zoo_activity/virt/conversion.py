"""The names of published checkpoints, and the replay of recordings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

import zoo
from zoo.evidence.replay import Run, replay_of
from zoo.nn.renaming import renamed
from zoo_activity.virt.config import VIRTConfig
from zoo_activity.virt.gaze import NAMES
from zoo_activity.virt.losses import loss
from zoo_activity.virt.network import VIRT

POLICY = {
    "CHUNK_SIZE": "chunk_size",
    "HIDDEN_DIM": "dim",
    "DIM_FEEDFORWARD": "hidden_dim",
    "STATE_DIM": "action_dim",
    "NHEADS": "num_heads",
    "ENC_LAYERS": "encoder_layers",
    "DEC_LAYERS": "decoder_layers",
    "OUTPUT_MODE": "output_mode",
    "USE_UNCERTAINTY": "uncertainty",
    "EXTERNAL_DET_SCALE_FACTOR": "crop_scale",
    "STATUS_NUM": "num_stages",
    "STATUS_PREDICT": "predict_stage",
    "GRID_MASK": "grid_mask",
    "DROPOUT": "dropout",
}
DATA = {"PAST_OBSERVATION_LEN": "past_observations", "IMG_NORM_MEAN": "image_mean", "IMG_NORM_STD": "image_std"}
BACKBONE = {
    "embed_dim": "trunk_dim",
    "depth": "trunk_layers",
    "num_heads": "trunk_heads",
    "mlp_ratio": "trunk_mlp_ratio",
    "patch_size": "patch_size",
    "interpolate_offset": "trunk_offset",
    "layer_scale": "layer_scale",
}
# Heads and inputs that a policy may lack; the authors' module may hold their parameters all the same.
OPTIONAL = ("uncern_head", "status_head", "past_action", "end_obs", "joint_obs", "obs_pos_emb")


def convert(state: Mapping[str, Tensor], config: VIRTConfig) -> dict[str, Tensor]:
    """The authors' names are ours but for ``model.`` in front."""
    return renamed(state, ((r"^(module\.)?model\.", ""),))


def config_of(recorded: Mapping[str, Any], state: Mapping[str, Tensor]) -> VIRTConfig:
    """Our config of the authors'; widths of observations are those of the weights."""
    policy, data, trunk = recorded["POLICY"], recorded["DATA"], recorded.get("backbone", {})
    fields: dict[str, Any] = {}
    for section, own in ((policy, POLICY), (data, DATA), (trunk, BACKBONE)):
        fields |= {name: section[word] for word, name in own.items() if section.get(word) is not None}
    keys = data.get("INPUT_KEYS", ["past_action", "observations/end_observation", "observations/joint_observation"])
    fields["past_actions"] = data.get("PAST_ACTION_LEN", 5) if "past_action" in keys else 0
    fields["use_gripper"] = "observations/end_observation" in keys
    fields["use_joints"] = "observations/joint_observation" in keys
    fields["num_cameras"] = len(data["CAMERA_NAMES"])
    fields["image_width"], fields["image_height"] = data["IMG_RESIZE_SHAPE"]
    fields["roi_width"], fields["roi_height"] = data["ROI_RESIZE_SHAPE"]
    if "UNCERTAINTY_RANGE" in policy:
        fields["uncertainty_min"], fields["uncertainty_max"] = (float(value) for value in policy["UNCERTAINTY_RANGE"])
    if "img_size" in trunk:
        fields["trunk_grid"] = trunk["img_size"] // trunk["patch_size"]
    for name, word in (("gripper_dim", "end_obs_mlp.weight"), ("joint_dim", "joint_obs_mlp.weight")):
        if word in state:
            fields[name] = state[word].shape[1]
    return VIRTConfig(**fields)


def _policy(run: Run) -> dict[str, Tensor]:
    state = renamed(run.state, ((r"^(module\.)?model\.", ""),))
    config = config_of(run.config, state)
    model = VIRT(config).eval()
    own = model.state_dict()
    zoo.fill(model, {name: value for name, value in state.items() if name in own or not name.startswith(OPTIONAL)})
    given = run.inputs
    colour = torch.tensor([NAMES.index(name) for name in run.config["colours"]])
    output = model(
        given["image"],
        colour,
        given.get("past_action"),
        given.get("end_obs"),
        given.get("joint_obs"),
        given.get("past_action_is_pad"),
        given.get("observation_is_pad"),
    )
    found = {
        "roi_boxes": output.boxes[:, :, None],
        "roi_images": output.crops[:, :, None],
        "patch_tokens": model.backbone(given["image"].flatten(0, 1)),
        "actions": output.layer_actions.transpose(0, 1),
        "actions_infer": output.actions,
    }
    if "action" in given:
        found["loss"] = loss(output, given["action"], given["action_is_pad"], given.get("status"))
    if output.log_scale is not None:
        found["uncertainty"] = output.log_scale.transpose(0, 1)
    if output.stage_logits is not None:
        found["status_logits"] = output.stage_logits.transpose(0, 1)
        found["status_infer"] = output.stage_logits[:, -1].argmax(-1)
    return found


replay = replay_of({"virt": _policy})
