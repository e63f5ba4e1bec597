"""The names of published checkpoints, and the replay of recordings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

import zoo
from zoo.evidence.replay import Run, replay_of
from zoo.nn.renaming import renamed
from zoo_vision.dynamicvis.config import DynamicVisConfig, MixerConfig
from zoo_vision.dynamicvis.loss import multiple_instance_loss, region_logits
from zoo_vision.dynamicvis.mixer import DynamicRegionMixer
from zoo_vision.dynamicvis.network import DynamicVis, resized_positions

_SHARED = {
    "path_type": "path",
    "is_softmax_on_x": "softmax_on_x",
    "norm_topk_prob": "norm_topk",
    "state_size": "state_size",
    "expand": "expand",
    "conv_kernel": "conv_kernel",
}
_BACKBONE = {"dims": "dims", "depths": "depths", "ratios": "ratios", "img_size": "image_size", **_SHARED}
_MIXER = {"embed_dims": "dim", "reduction_ratio": "reduction_ratio", **_SHARED}
# Of the pre-training, which the backbone alone does not have.
_HEADS = ("pre_neck.", "neck.", "head.")


def convert(state: Mapping[str, Tensor], config: Any) -> dict[str, Tensor]:
    """A checkpoint of the authors to the backbone's names: ``backbone.`` goes, and heads of the pre-training with it.

    Positions learned for another size are resized, bicubically. Names of our own stay as they are.
    """
    if any(name.startswith("backbone.") for name in state):
        state = {name: tensor for name, tensor in state.items() if not name.startswith(_HEADS)}
    found = renamed(state, ((r"^module\.", ""), (r"^backbone\.", "")))
    side = config.image_size // 4
    if not config.position_table:
        found.pop("pos_embed", None)
    if config.output == "maps":
        found = {name: tensor for name, tensor in found.items() if not name.startswith("post_meanpool_norm.")}
    if "pos_embed" in found:
        found["pos_embed"] = resized_positions(found["pos_embed"], (side, side))
    return found


def convert_classifier(state: Mapping[str, Tensor], config: Any) -> dict[str, Tensor]:
    """A fine-tuned classifier's names: the linear layer is ``head.fc`` there and ``head`` here."""
    found = renamed(state, ((r"^module\.", ""), (r"^head\.fc\.", "head.")))
    name, side = "backbone.pos_embed", config.image_size // 4
    if name in found:
        found[name] = resized_positions(found[name], (side, side))
    return found


def _placed(run: Run, own: Mapping[str, str]) -> dict[str, Any]:
    tokens = run.config.get("global_token_cfg") or {"pos": "none", "num": -1}
    return {
        **run.fields(own),
        "global_position": tokens.get("pos", "none") or "none",
        "num_global": tokens.get("num", -1),
    }


def _backbone(run: Run) -> dict[str, Tensor]:
    config = DynamicVisConfig(**_placed(run, _BACKBONE), position_table="pos_embed" in run.state)
    model = DynamicVis(config).eval()
    zoo.fill(model, convert(run.state, config))
    return {f"stage{index}": maps for index, maps in enumerate(model.maps(run.inputs["x"]))}


def _mixer(run: Run) -> dict[str, Tensor]:
    mixer = DynamicRegionMixer(MixerConfig(**_placed(run, _MIXER))).eval()
    zoo.fill(mixer, run.state)
    x = run.inputs["x"]
    outputs = {"y": mixer(x)}
    if mixer.config.reduction_ratio:
        outputs["selected"] = mixer.select(mixer.scores(x))
    return outputs


def _loss(run: Run) -> dict[str, Tensor]:
    inputs = run.inputs
    logits = region_logits(inputs["region_features"], inputs["category_embedding"], inputs["logit_scale"])
    loss = multiple_instance_loss(logits, inputs["labels"], run.config.get("mil_weight", 0.5))
    return {"logits": logits, "mil_loss": loss}


replay = replay_of({"backbone": _backbone, "mixer": _mixer, "mil-loss": _loss})
