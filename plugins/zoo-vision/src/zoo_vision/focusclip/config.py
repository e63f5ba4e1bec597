"""The schema of the dual encoder."""

from __future__ import annotations

from dataclasses import dataclass

import zoo
from zoo.errors import ConfigError

BACKBONES = ("vit-bert", "clip-vit-base-patch16", "stand-in")


@dataclass
class FocusCLIPConfig:
    """Config of FocusCLIP."""

    backbone: str = zoo.field(
        "vit-bert",
        "vit-bert: ViT-B/16 and BERT, the paper's; clip-vit-base-patch16: CLIP's own towers; stand-in: a convolution "
        "and a table of words, to try things out",
        choices=BACKBONES,
    )
    vision_dim: int = zoo.field(768, "width of the image tower", unit="features", minimum=1)
    text_dim: int = zoo.field(768, "width of the text tower", unit="features", minimum=1)
    vision_layers: int = zoo.field(12, "layers of the image tower", minimum=1)
    text_layers: int = zoo.field(12, "layers of the text tower", minimum=1)
    vision_heads: int = zoo.field(12, "heads of the image tower", minimum=1)
    text_heads: int = zoo.field(12, "heads of the text tower", minimum=1)
    embed_dim: int = zoo.field(512, "width of the features that are compared", minimum=1)
    image_size: int = zoo.field(224, "side of the square images", unit="pixels", minimum=1)
    patch_size: int = zoo.field(16, "side of the image tower's patches", unit="pixels", minimum=1)
    vocab_size: int = zoo.field(30522, "words", minimum=1)
    max_length: int = zoo.field(512, "length of a text, padding included", unit="tokens", minimum=1)
    shared_encoder: bool = zoo.field(True, "the masked image goes through the image tower; else through one of its own")
    alpha: float = zoo.field(0.5, "what the heat map leaves of the rest of the image, at first; learned")
    temperature: float = zoo.field(0.5, "of the loss, fixed", minimum=1e-6)
    masked_text_mean: bool = zoo.field(
        False, "the mean over a text leaves padding out; the authors' includes all 512 positions"
    )

    def __post_init__(self) -> None:
        if self.image_size % self.patch_size:
            raise ConfigError(
                f"image_size={self.image_size} is not a multiple of patch_size={self.patch_size}", field="image_size"
            )
        for tower in ("vision", "text"):
            dim, heads = getattr(self, f"{tower}_dim"), getattr(self, f"{tower}_heads")
            if self.backbone != "stand-in" and dim % heads:
                raise ConfigError(
                    f"{tower}_dim={dim} is not divisible by {tower}_heads={heads}", field=f"{tower}_heads"
                )
