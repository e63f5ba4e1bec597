"""The schemas of the network with masks and of the baseline loss."""

from __future__ import annotations

from dataclasses import dataclass

import zoo
from zoo.errors import ConfigError

MOST_LEVELS = 8


@dataclass
class HMLCConfig:
    """Config of an encoder that learns a hierarchy, by soft masks (A-HMLC) if not told otherwise."""

    num_levels: int = zoo.field(2, "levels of the hierarchy", minimum=1, maximum=MOST_LEVELS)
    num_classes: list[int] = zoo.field([20, 100], "classes of every level, coarse to fine, of the probes", minimum=1)
    mask: str = zoo.field(
        "attention",
        "masks: soft by one attention head per level, soft by a small MLP per level, or hard by a Gaussian mixture",
        choices=("attention", "mlp", "gmm"),
    )
    encoder: str = zoo.field(
        "resnet18",
        "ResNet with a stem for small images, one of four blocks with a stem for large images, or an MLP on vectors",
        choices=("resnet18", "resnet50", "small", "mlp"),
    )
    class_names: list[str] = zoo.field(
        [], "what `zoo predict` calls the classes of level 0, then those of level 1, and so on; numbers where empty"
    )
    image_size: int = zoo.field(32, "side that raw images are brought to", unit="pixels", minimum=1)
    in_channels: int = zoo.field(3, "channels of the image; features of a vector for the MLP", minimum=1)
    width: int = zoo.field(64, "width of the ResNet's first stage, or of the MLP's hidden layer", minimum=1)
    dim: int = zoo.field(128, "features of the embedding, D", minimum=1)
    temperature: float = zoo.field(0.1, "tau", minimum=1e-4)
    base_temperature: float = zoo.field(0.07, "the loss is multiplied by tau over it", minimum=1e-4)
    d_k: int = zoo.field(32, "width of the mask's attention, or of its MLP", minimum=1)
    balance: bool = zoo.field(True, "average rows inside each class first, then over classes")
    level_weights: list[float] = zoo.field([], "weight of every level's loss; ones where empty", minimum=0.0)
    diversity: float = zoo.field(0.0, "weight of the mean cosine between masks of different levels", minimum=0.0)
    gmm_every: int = zoo.field(10, "hard masks are fitted anew every so many epochs", minimum=1)
    warmup: int = zoo.field(10, "epochs with masks of ones before the first fit", minimum=0)
    descriptor: str = zoo.field(
        "ratios",
        "what the mixture knows of a feature: shares of variance explained by each level, or its activations",
        choices=("ratios", "activations"),
    )

    def __post_init__(self) -> None:
        if len(self.num_classes) != self.num_levels:
            raise ConfigError(
                f"{len(self.num_classes)} num_classes; expected one for each of {self.num_levels} levels",
                field="num_classes",
            )
        if len(self.class_names) not in (0, sum(self.num_classes)):
            raise ConfigError(
                f"{len(self.class_names)} class_names; expected none, or {sum(self.num_classes)}, one for each class "
                "of each level",
                field="class_names",
            )
        if self.level_weights and len(self.level_weights) != self.num_levels:
            raise ConfigError(
                f"{len(self.level_weights)} level_weights; expected none, or one for each of {self.num_levels} levels",
                field="level_weights",
            )
        if self.mask == "gmm" and self.dim < self.num_levels:
            raise ConfigError(
                f"dim={self.dim} features cannot serve num_levels={self.num_levels} levels, one at least for each",
                field="dim",
            )


@dataclass
class HardHMLCConfig(HMLCConfig):
    """Config of the same encoder with hard masks (G-HMLC)."""

    mask: str = zoo.field(
        "gmm",
        "masks: soft by one attention head per level, soft by a small MLP per level, or hard by a Gaussian mixture",
        choices=("attention", "mlp", "gmm"),
    )


@dataclass
class HMCEConfig:
    """Config of the baseline loss."""

    kind: str = zoo.field(
        "hmce",
        "weights 2^(1/l) (hmc), a term at least as large as the finer levels' (hce), or both (hmce)",
        choices=("hmc", "hce", "hmce"),
    )
    temperature: float = zoo.field(0.07, "tau", minimum=1e-4)
    base_temperature: float = zoo.field(0.07, "the loss is multiplied by tau over it", minimum=1e-4)
