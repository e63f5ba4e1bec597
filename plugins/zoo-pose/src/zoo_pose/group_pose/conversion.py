"""Published names, and the replay of recordings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

import zoo
from zoo.errors import InputError
from zoo.evidence.replay import Run, replay_of
from zoo.nn.renaming import renamed
from zoo_pose.group_pose.config import SKELETONS, GroupPoseConfig
from zoo_pose.group_pose.decoder import DecoderLayer
from zoo_pose.group_pose.network import GroupPose

_RULES = (
    (r"^module\.", ""),
    (r"^backbone\.0\.body\.", "backbone.body."),
    (r"^transformer\.level_embed$", "encoder.level_embed"),
    (r"^transformer\.(keypoint|instance)_embedding\.weight$", r"decoder.\1_embedding"),
    (r"^transformer\.enc_out_class_embed\.", "decoder.enc_class."),
    (r"^transformer\.enc_pose_embed\.", "decoder.enc_pose."),
    (r"^transformer\.enc_output(_norm)?\.", r"decoder.enc_output\1."),
    (r"^transformer\.decoder\.half_pose_ref_point_head\.", "decoder.point_head."),
    (r"^transformer\.", ""),
    (r"^(class_embed|pose_embed)\.", r"decoder.\1."),
    (r"(^(?:encoder|decoder)\.layers\.\d+)\.linear([12])\.", r"\1.ffn.fc\2."),
    (r"\.in_proj_(weight|bias)$", r".in_proj.\1"),
)
# The decoder holds the heads once more, under its own name.
_COPIES = ("transformer.decoder.class_embed.", "transformer.decoder.pose_embed.")
_FIELDS = {
    "hidden_dim": "dim",
    "nheads": "num_heads",
    "num_queries": "num_queries",
    "num_feature_levels": "num_levels",
    "enc_layers": "encoder_layers",
    "dec_layers": "decoder_layers",
    "dim_feedforward": "hidden_dim",
    "enc_n_points": "encoder_points",
    "dec_n_points": "decoder_points",
    "num_classes": "num_classes",
    "pe_temperature": "temperature",
    "dropout": "dropout",
}


def convert(state: Mapping[str, Tensor], config: Any) -> dict[str, Tensor]:
    """The authors' names, with or without ``module.``, to ours; second names of the heads are left out."""
    kept = {name: tensor for name, tensor in state.items() if not name.removeprefix("module.").startswith(_COPIES)}
    return renamed(kept, _RULES)


def _config(run: Run) -> GroupPoseConfig:
    if run.config.get("two_stage_type", "standard") != "standard":
        raise InputError(f"two_stage_type={run.config['two_stage_type']!r}; only 'standard' is specified")
    keypoints = run.config.get("num_body_points", 17)
    names = [name for name, count in SKELETONS.items() if count == keypoints]
    if not names:
        raise InputError(f"num_body_points={keypoints}; there are {SKELETONS}")
    return GroupPoseConfig(
        backbone="none",
        channels=list(run.config["backbone_channels"]),
        # Group norm has 32 groups whatever the width.
        norm_groups=32,
        skeleton=names[0],
        **run.fields(_FIELDS),
    )


def _network(run: Run) -> dict[str, Tensor]:
    config, inputs = _config(run), run.inputs
    model = GroupPose(config).eval()
    zoo.fill(model, convert(run.state, config))
    features = [inputs[f"feat{level}"] for level in range(len(config.channels))]
    found = model(features=features, padding_mask=inputs["image_mask"])
    outputs = {
        "pred_logits": found.logits,
        "pred_keypoints": found.keypoints,
        "interm_logits": found.first_logits,
        "interm_keypoints": found.first_keypoints,
    }
    for index in range(config.decoder_layers - 1):
        outputs[f"aux{index}_logits"] = found.auxiliary_logits[:, index]
        outputs[f"aux{index}_keypoints"] = found.auxiliary_keypoints[:, index]
    if "tgt" in inputs:
        layer = model.decoder.layers[0]
        assert isinstance(layer, DecoderLayer)
        # (N, batch, K + 1, dim), (N, batch, levels, 2 (K + 1)) and (S, batch, dim), as the authors lay them out.
        references = inputs["tgt_ref"].transpose(0, 1).unflatten(-1, (-1, 2)).transpose(2, 3)
        after, kept = layer(
            inputs["tgt"].transpose(0, 1),
            inputs["tgt_pos"].transpose(0, 1),
            references,
            inputs["memory"].transpose(0, 1),
            inputs["memory_mask"],
            [(int(height), int(width)) for height, width in inputs["spatial_shapes"].tolist()],
        )
        outputs |= {"decoder_layer0": after.transpose(0, 1), "tgt_after_call": kept.transpose(0, 1)}
    return outputs


replay = replay_of({"group-pose": _network})
