"""A LLaVA whose sinks are known, and where every head looks at them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import torch
from torch import nn

from zoo_interpret.tiny_multimodal import tiny_llava

SINK_DIM, BIAS_DIM = 5, 9


def planted_sinks(patches: Collection[int] = (7, 18), *, pull: float = 0.42) -> nn.Module:
    """A tiny LLaVA in which the features of these patches are massive in dimension ``SINK_DIM``, whatever the image.

    Args:
        patches: which.
        pull: how strongly keys of sinks answer to every query; by default they get some 40% of the image's attention.
    """
    model: Any = tiny_llava(attn_implementation="eager", vision={"num_hidden_layers": 2}, num_key_value_heads=4)
    vision, projector, language = (
        model.model.vision_tower,
        model.model.multi_modal_projector,
        model.model.language_model,
    )
    with torch.no_grad():
        # The tower passes positions on: feature 0 of a patch is large where its position says so.
        for layer in vision.encoder.layers:
            layer.self_attn.out_proj.weight.zero_()
            layer.mlp.fc2.weight.zero_()
        positions = vision.embeddings.position_embedding.weight
        positions.zero_()
        positions[[patch + 1 for patch in patches], 0] = 50.0
        projector.linear_1.weight[0].zero_()
        # The norm at the tower's entry leaves at most sqrt(24) = 4.9 of it, and less to patches without it.
        projector.linear_1.weight[0, 0] = 100.0
        projector.linear_1.bias[0] = -400.0
        projector.linear_2.weight[:, 0] = 0.0
        projector.linear_2.weight[SINK_DIM, 0] = 1.0
        # All tokens have the same large feature, of which queries are made; keys of sinks answer to it.
        model.get_input_embeddings().weight[:, BIAS_DIM] = 0.5
        for layer in language.layers:
            for head in range(4):
                # The slowest pair of rotary features hardly turns.
                feature = head * 8 + 3
                layer.self_attn.q_proj.weight[feature, BIAS_DIM] = pull
                layer.self_attn.k_proj.weight[feature, SINK_DIM] = pull
    return model
