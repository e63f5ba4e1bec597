"""The schemas of the head and of the classifier."""

from __future__ import annotations

from dataclasses import dataclass

import zoo
from zoo.errors import ConfigError
from zoo.nn.heads import require_equal_slices

MEMORIES = ("sa", "isa", "qsa", "none")
_STEPS = {"sa": 1, "isa": 3, "qsa": 2, "none": 0}


@dataclass
class ConceptHeadConfig:
    """Config of the head."""

    dim: int = zoo.field(192, "width of tokens and concepts", unit="features", minimum=1)
    num_heads: int = zoo.field(2, "heads of the read-out", minimum=1)
    num_classes: int = zoo.field(20, "classes", minimum=1)
    num_concepts: int = zoo.field(100, "global concepts, read by the class token", minimum=0)
    num_spatial_concepts: int = zoo.field(0, "spatial concepts, read by patch tokens", minimum=0)
    memory: str = zoo.field("sa", "how slots are filled; none: the Concept Transformer", choices=MEMORIES)
    num_iterations: int | None = zoo.field(None, "steps of the memory; None: sa 1, isa 3, qsa 2", minimum=1)
    global_from: str = zoo.field(
        "cls", "what fills global slots: the class token or the patches", choices=("cls", "tokens")
    )
    attn_dropout: float = zoo.field(0.1, "on the read-out's attention", minimum=0.0, maximum=1.0)
    dropout: float = zoo.field(0.1, "on the logits", minimum=0.0, maximum=1.0)

    def __post_init__(self) -> None:
        require_equal_slices(self.dim, self.num_heads)
        if not self.num_concepts and not self.num_spatial_concepts:
            raise ConfigError("no concepts at all: nothing would decide the class", field="num_concepts")

    @property
    def steps(self) -> int:
        """Steps of the memory."""
        return self.num_iterations or _STEPS[self.memory]


@dataclass
class ConceptTransformerConfig(ConceptHeadConfig):
    """Config of the classifier: the head's, and a backbone as transformers builds it."""

    backbone: str = zoo.field("vit", "which family the backbone is of", choices=("vit", "swin", "convnext"))
    image_size: int = zoo.field(224, "side of the square images", unit="pixels", minimum=1)
    patch_size: int = zoo.field(16, "side of a patch of the ViT", unit="pixels", minimum=1)
    backbone_layers: int = zoo.field(12, "layers of the ViT", minimum=1)
    backbone_heads: int = zoo.field(3, "heads of the ViT", minimum=1)
    dataset: str = zoo.field("ImageNet", "whose preprocessing raw images get", choices=("ImageNet", "digits"))
    class_names: list[str] = zoo.field([], "what `zoo predict` calls the classes; numbers where empty")

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.class_names) not in (0, self.num_classes):
            raise ConfigError(
                f"{len(self.class_names)} class_names; expected none, or one for each of {self.num_classes} classes",
                field="class_names",
            )
        if self.backbone == "vit":
            require_equal_slices(self.dim, self.backbone_heads)
            if self.image_size % self.patch_size:
                raise ConfigError(
                    f"image_size={self.image_size} is not a multiple of patch_size={self.patch_size}",
                    field="image_size",
                )
        elif self.dim % 8:
            raise ConfigError(f"dim={self.dim}: the last stage of a {self.backbone} is 8 times its first", field="dim")
