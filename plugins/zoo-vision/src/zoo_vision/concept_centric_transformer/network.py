"""The classifier: a backbone under the head."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from zoo.nn.attention import MultiHeadAttention
from zoo.nn.encoder_block import EncoderBlock
from zoo.nn.patch_embed import PatchEmbed
from zoo.targets import require
from zoo_vision import images
from zoo_vision.concept_centric_transformer.config import ConceptTransformerConfig
from zoo_vision.concept_centric_transformer.head import ConceptHead, Explained
from zoo_vision.images import require_images


class ViT(nn.Module):
    """A vision transformer with a class token and without a head; its norms have an epsilon of 1e-6, as in timm."""

    def __init__(self, config: ConceptTransformerConfig) -> None:
        super().__init__()
        self.side = config.image_size
        dim, tokens = config.dim, (config.image_size // config.patch_size) ** 2 + 1
        self.patch_embed = PatchEmbed(config.patch_size, dim)
        self.cls_token = nn.Parameter(torch.empty(1, 1, dim))
        self.pos_embed = nn.Parameter(torch.empty(1, tokens, dim))
        self.blocks = nn.Sequential(
            *(
                EncoderBlock(MultiHeadAttention(dim, config.backbone_heads, bias=True), dim, 4.0)
                for _ in range(config.backbone_layers)
            )
        )
        self.norm = nn.LayerNorm(dim)
        for module in self.modules():
            if isinstance(module, nn.LayerNorm):
                module.eps = 1e-6
        nn.init.trunc_normal_(self.cls_token, std=0.02)
        nn.init.trunc_normal_(self.pos_embed, std=0.02)

    def forward(self, images: Tensor) -> Tensor:
        """(batch, 3, side, side) to normalised tokens (batch, 1 + patches, dim), the class token first.

        Raises:
            InputError: the images have another size than the positions are for.
        """
        # As many patches in another shape would get the positions of other places.
        require_images(images, side=self.side)
        patches = self.patch_embed(images)
        tokens = torch.cat((self.cls_token.expand(patches.shape[0], -1, -1), patches), 1) + self.pos_embed
        return self.norm(self.blocks(tokens))


def _backbone(config: ConceptTransformerConfig) -> nn.Module:
    """A network without head, freshly initialised; Swin and ConvNeXt are those of transformers."""
    if config.backbone == "vit":
        return ViT(config)
    transformers = require("transformers", needed_by=f"concept-centric-transformer on a {config.backbone}")
    if config.backbone == "swin":
        shape = transformers.SwinConfig(
            embed_dim=config.dim // 8,
            depths=[2, 2, 18, 2],
            num_heads=[config.dim // 256, config.dim // 128, config.dim // 64, config.dim // 32],
            window_size=7,
            image_size=config.image_size,
        )
        return transformers.SwinModel(shape, add_pooling_layer=False)
    widths = [config.dim // 8, config.dim // 4, config.dim // 2, config.dim]
    return transformers.ConvNextModel(transformers.ConvNextConfig(hidden_sizes=widths, depths=[3, 3, 27, 3]))


class ConceptTransformer(nn.Module):
    """Images (batch, 3, image_size, image_size) to an explained decision."""

    def __init__(self, config: ConceptTransformerConfig) -> None:
        super().__init__()
        self.config = config
        self.feature_extractor = _backbone(config)
        self.classifier = ConceptHead(config)

    def tokens(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Class token (batch, 1, dim) and patch tokens (batch, tokens, dim), after the backbone's last norm.

        Swin and ConvNeXt have no class token: the mean of the patches stands for it.
        """
        if self.config.backbone == "vit":
            tokens = self.feature_extractor(images)
            return tokens[:, :1], tokens[:, 1:]
        found = self.feature_extractor(images).last_hidden_state
        if found.ndim == 4:
            found = found.flatten(2).transpose(1, 2)
            found = self.feature_extractor.layernorm(found)  # type: ignore[operator]
        return found.mean(1, keepdim=True), found

    def forward(self, images: Tensor, slot_noise: Tensor | None = None) -> Explained:
        """Classify.

        Args:
            images: (batch, 3, image_size, image_size).
            slot_noise: see ``ConceptHead.forward``.
        """
        return self.classifier(*self.tokens(images), slot_noise)


def example(config: ConceptTransformerConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random images, and noise where the memory starts from noise."""
    generator = torch.Generator().manual_seed(seed)
    side = config.image_size
    found = {"images": torch.randn(batch_size, 3, side, side, generator=generator)}
    if config.memory == "sa" and config.num_concepts:
        found["slot_noise"] = torch.randn(batch_size, config.num_concepts, config.dim, generator=generator)
    return found


def paper_input(config: ConceptTransformerConfig) -> dict[str, Tensor]:
    """One image of the config's size, 224 x 224 for the published models."""
    return {"images": torch.empty(1, 3, config.image_size, config.image_size)}


def preprocess(config: ConceptTransformerConfig) -> Callable[[Any], dict[str, Tensor]]:
    """A path, PIL image or array, as the config's ``dataset`` says.

    ImageNet: the middle square over 7/8 of the shorter side, brought to ``image_size``, by ImageNet's statistics.
    Digits: the whole image, reduced to 8 x 8 and enlarged to 32 x 32, from -1 to 1; a light digit on a dark ground.
    """
    return images.preprocessor(config.dataset, config.image_size)


def predict(model: ConceptTransformer, config: ConceptTransformerConfig, source: Any) -> dict[str, Any]:
    """The five likeliest classes, and the five concepts that said most, with their shares of attention."""
    parameter = next(model.parameters())
    image = preprocess(config)(source)["images"].to(parameter.device, parameter.dtype)
    with torch.no_grad():
        answer = model(image)
    found = images.likeliest(answer.logits[0], names=config.class_names)
    attention = answer.concept_attn if answer.concept_attn is not None else answer.spatial_concept_attn
    shares = attention.float().mean((0, 1)).topk(min(5, attention.shape[-1]))
    found["concepts"] = [
        {"concept": index, "share": round(share, 4)}
        for index, share in zip(shares.indices.tolist(), shares.values.tolist(), strict=True)
    ]
    return found
