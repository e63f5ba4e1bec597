"""The authors' names, and the replay of recordings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

import zoo
from zoo.evidence.replay import Run, replay_of
from zoo.nn.renaming import renamed
from zoo_vision.concept_centric_transformer.config import ConceptHeadConfig
from zoo_vision.concept_centric_transformer.head import ConceptHead, explanation_loss, sparsity_loss


def convert(state: Mapping[str, Tensor], config: Any) -> dict[str, Tensor]:
    """The head's names are ours, and timm's of the ViT but for the fused projections; Lightning's ``model.`` goes."""
    found: dict[str, Tensor] = {}
    rules = ((r"^model\.", ""), (r"(feature_extractor\.blocks\.\d+\.attn)\.proj\.", r"\1.o_proj."))
    for name, tensor in renamed(state, rules).items():
        block, fused, kind = name.partition(".attn.qkv.")
        if not fused:
            found[name] = tensor
            continue
        for letter, part in zip("qkv", tensor.chunk(3), strict=True):
            found[f"{block}.attn.{letter}_proj.{kind}"] = part
    return found


def _head(run: Run) -> dict[str, Tensor]:
    recorded, inputs = run.config, run.inputs
    config = ConceptHeadConfig(
        dim=recorded["embedding_dim"],
        num_heads=recorded["num_heads"],
        num_classes=recorded["num_classes"],
        num_concepts=recorded["n_concepts"],
        num_spatial_concepts=recorded["n_spatial_concepts"],
        memory=recorded["memory"],
        num_iterations=recorded["num_iterations"],
    )
    head = ConceptHead(config).eval()
    zoo.fill(head, convert(run.state, config))
    # Other memories do not start from noise, nor does a head without global concepts, whatever was recorded.
    noise = inputs.get("slot_noise") if config.memory == "sa" and config.num_concepts else None
    answer = head(inputs["cls"], inputs["patches"], noise)
    outputs = {"logits": answer.logits}
    sparsity = torch.zeros(())
    for name, attention, targets in (
        ("concept", answer.concept_attn, inputs.get("concept_targets")),
        ("spatial_concept", answer.spatial_concept_attn, inputs.get("spatial_targets")),
    ):
        if attention is None:
            continue
        outputs[f"{name}_attn"] = attention
        sparsity = sparsity + sparsity_loss(attention)
        if targets is not None:
            outputs[f"{name}s_cost"] = explanation_loss(attention, targets)
    return {**outputs, "sparsity": sparsity}


replay = replay_of({"head": _head})
