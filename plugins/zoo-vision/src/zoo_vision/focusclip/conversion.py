"""The names of published checkpoints, and the replay of recordings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

import zoo
from zoo.evidence.replay import Run, replay_of
from zoo.nn.renaming import renamed
from zoo_vision.focusclip.config import FocusCLIPConfig
from zoo_vision.focusclip.heatmaps import body_part_heatmap, person_heatmap
from zoo_vision.focusclip.network import FocusCLIP, zero_shot

_TOWER = r"^(visual(?:_masked)?)\."
_TIMM = (
    (_TOWER + r"cls_token$", r"\1.vit.embeddings.cls_token"),
    (_TOWER + r"pos_embed$", r"\1.vit.embeddings.position_embeddings"),
    (_TOWER + r"patch_embed\.proj\.", r"\1.vit.embeddings.patch_embeddings.projection."),
    (_TOWER + r"norm\.", r"\1.vit.layernorm."),
    (_TOWER + r"blocks\.", r"\1.vit.layers."),
    (r"\.norm1\.", ".layernorm_before."),
    (r"\.norm2\.", ".layernorm_after."),
    (r"\.attn\.proj\.", ".attention.o_proj."),
    (r"^text\.(?!bert\.)", "text.bert."),
)


def convert(state: Mapping[str, Tensor], config: Any) -> dict[str, Tensor]:
    """A checkpoint of the authors: ``model.`` goes, timm's names become our ViT's, and BERT moves under ``bert``.

    timm keeps queries, keys and values in one tensor, here they are three. Of a shared encoder the copies under
    ``visual_masked`` go. Names of our own stay as they are.
    """
    found = renamed(state, ((r"^model\.", ""),))
    if config.shared_encoder:
        found = {name: tensor for name, tensor in found.items() if not name.startswith("visual_masked")}
    if config.backbone != "vit-bert":
        return found
    whole = renamed(found, _TIMM)
    for name in [name for name in whole if ".attn.qkv." in name]:
        for part, piece in zip("qkv", whole.pop(name).chunk(3), strict=True):
            whole[name.replace(".attn.qkv.", f".attention.{part}_proj.")] = piece
    return whole


def _network(run: Run) -> dict[str, Tensor]:
    recorded, inputs = run.config, run.inputs
    config = FocusCLIPConfig(
        backbone="stand-in",
        vision_dim=recorded["vision_dim"],
        text_dim=recorded["text_dim"],
        embed_dim=recorded["embed_dim"],
        image_size=recorded["image"],
        patch_size=run.state["visual.c.weight"].shape[-1],
        vocab_size=len(run.state["text.e.weight"]),
        shared_encoder=recorded["shared_encoder"],
        alpha=recorded["alpha"],
        temperature=recorded["temperature"],
    )
    model = FocusCLIP(config).eval()
    zoo.fill(model, convert(run.state, config))
    features = model(inputs["image"], inputs["token_ids"], inputs.get("mask"))
    loss = model.loss(features)
    outputs = {
        "image_features": features.image,
        "text_features": features.text,
        "loss_image_text": loss.image_text,
        "loss": loss.total,
        "zero_shot_first_row": zero_shot(features.image, features.text)[0],
    }
    if features.masked is not None and loss.mask_image is not None and loss.mask_text is not None:
        outputs |= {"masked_features": features.masked}
        outputs |= {"loss_mask_image": loss.mask_image, "loss_mask_text": loss.mask_text}
    if "keypoints" in inputs:
        height, width = recorded["heatmap_hw"]
        outputs["person_heatmap"] = person_heatmap(inputs["keypoints"], height, width)
        outputs["body_part_heatmap"] = body_part_heatmap(inputs["keypoints"], height, width)
    return outputs


replay = replay_of({"focusclip": _network})
