"""The towers: modules from an image, or a text, to one vector before the linear layer that is compared."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from zoo.targets import require
from zoo_vision.focusclip.config import FocusCLIPConfig


class VisionTower(nn.Module):
    """A ViT of transformers: the class token after the last norm. (batch, 3, H, W) to (batch, dim)."""

    def __init__(self, config: FocusCLIPConfig) -> None:
        super().__init__()
        transformers = require("transformers", needed_by="FocusCLIP's towers")
        settings = transformers.ViTConfig(
            hidden_size=config.vision_dim,
            num_hidden_layers=config.vision_layers,
            num_attention_heads=config.vision_heads,
            intermediate_size=4 * config.vision_dim,
            image_size=config.image_size,
            patch_size=config.patch_size,
            layer_norm_eps=1e-6,
        )
        self.vit = transformers.ViTModel(settings, add_pooling_layer=False)

    def forward(self, images: Tensor) -> Tensor:
        """Look."""
        found: Tensor = self.vit(pixel_values=images).last_hidden_state[:, 0]
        return found


class TextTower(nn.Module):
    """A BERT of transformers, with the pooler that nothing reads: the mean over positions."""

    def __init__(self, config: FocusCLIPConfig) -> None:
        super().__init__()
        transformers = require("transformers", needed_by="FocusCLIP's towers")
        settings = transformers.BertConfig(
            vocab_size=config.vocab_size,
            hidden_size=config.text_dim,
            num_hidden_layers=config.text_layers,
            num_attention_heads=config.text_heads,
            intermediate_size=4 * config.text_dim,
            max_position_embeddings=config.max_length,
        )
        self.bert = transformers.BertModel(settings)
        self.masked_mean = config.masked_text_mean

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None) -> Tensor:
        """Read."""
        states = self.bert(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        return mean_over(states, attention_mask if self.masked_mean else None)


class CLIPVision(nn.Module):
    """CLIP's own image tower: the class token after its last norm."""

    def __init__(self, config: FocusCLIPConfig) -> None:
        super().__init__()
        transformers = require("transformers", needed_by="FocusCLIP's towers")
        settings = transformers.CLIPVisionConfig(
            hidden_size=config.vision_dim,
            num_hidden_layers=config.vision_layers,
            num_attention_heads=config.vision_heads,
            intermediate_size=4 * config.vision_dim,
            image_size=config.image_size,
            patch_size=config.patch_size,
        )
        self.clip = transformers.CLIPVisionModel(settings)

    def forward(self, images: Tensor) -> Tensor:
        """Look."""
        found: Tensor = self.clip(pixel_values=images).pooler_output
        return found


class CLIPText(nn.Module):
    """CLIP's own text tower: what it pools, the token of the end."""

    def __init__(self, config: FocusCLIPConfig) -> None:
        super().__init__()
        transformers = require("transformers", needed_by="FocusCLIP's towers")
        settings = transformers.CLIPTextConfig(
            vocab_size=config.vocab_size,
            hidden_size=config.text_dim,
            num_hidden_layers=config.text_layers,
            num_attention_heads=config.text_heads,
            intermediate_size=4 * config.text_dim,
            max_position_embeddings=config.max_length,
            # The end is the highest word, as in CLIP's vocabulary.
            eos_token_id=config.vocab_size - 1,
        )
        self.clip = transformers.CLIPTextModel(settings)

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None) -> Tensor:
        """Read."""
        found: Tensor = self.clip(input_ids=input_ids, attention_mask=attention_mask).pooler_output
        return found


class StandInVision(nn.Module):
    """A convolution of the patches and their mean."""

    def __init__(self, config: FocusCLIPConfig) -> None:
        super().__init__()
        self.c = nn.Conv2d(3, config.vision_dim, config.patch_size, config.patch_size)

    def forward(self, images: Tensor) -> Tensor:
        """Look."""
        return self.c(images).mean((2, 3))


class StandInText(nn.Module):
    """A table of words and the mean over positions."""

    def __init__(self, config: FocusCLIPConfig) -> None:
        super().__init__()
        self.e = nn.Embedding(config.vocab_size, config.text_dim)
        self.masked_mean = config.masked_text_mean

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None) -> Tensor:
        """Read."""
        return mean_over(self.e(input_ids), attention_mask if self.masked_mean else None)


TOWERS: dict[str, tuple[Any, Any]] = {
    "vit-bert": (VisionTower, TextTower),
    "clip-vit-base-patch16": (CLIPVision, CLIPText),
    "stand-in": (StandInVision, StandInText),
}


def mean_over(states: Tensor, mask: Tensor | None) -> Tensor:
    """(batch, length, dim) to (batch, dim): all positions, or those that a mask (batch, length) keeps."""
    if mask is None:
        return states.mean(1)
    kept = mask.to(states.dtype)[..., None]
    return torch.where(kept > 0, states, 0.0).sum(1) / kept.sum(1).clamp(min=1)
