"""A LLaVA whose image encoder looks at known patches, whatever the image."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import torch
from torch import nn

from zoo_interpret.tiny_multimodal import tiny_llava


def planted_encoder(local: Collection[int], summary: Collection[int]) -> nn.Module:
    """A tiny LLaVA of 6 x 6 patches.

    Args:
        local: patches that the class token attends to in the encoder's first layer.
        summary: those in its last but one.
    """
    model: Any = tiny_llava(
        attn_implementation="eager", vision={"num_hidden_layers": 4, "image_size": 24}, num_key_value_heads=4
    )
    vision = model.model.vision_tower
    with torch.no_grad():
        # The encoder passes positions on: feature 0 marks one set of patches, feature 1 the other.
        for layer in vision.encoder.layers:
            layer.self_attn.out_proj.weight.zero_()
            layer.mlp.fc2.weight.zero_()
        positions = vision.embeddings.position_embedding.weight
        positions.zero_()
        # Patches without a mark are all alike, so that none of them stands out by chance.
        vision.embeddings.patch_embedding.weight.zero_()
        for feature, patches in enumerate((local, summary)):
            positions[[patch + 1 for patch in patches], feature] = 5.0
        for feature, index in ((0, 0), (1, -2)):
            attention = vision.encoder.layers[index].self_attn
            # Every query asks for the mark alone: a constant, which keys answer to.
            attention.q_proj.weight.zero_()
            attention.q_proj.bias.fill_(1.0)
            attention.k_proj.weight.zero_()
            attention.k_proj.weight[:, feature] = 0.4
    return model
