"""The schemas of the module and of the networks that carry it."""

from __future__ import annotations

from dataclasses import dataclass

import zoo
from zoo.errors import ConfigError

# Blocks per stage of the published depths.
RESNETS = {18: [2, 2, 2, 2], 34: [3, 4, 6, 3], 50: [3, 4, 6, 3], 101: [3, 4, 23, 3]}


@dataclass
class TripletConfig:
    """Config of the module."""

    kernel_size: int = zoo.field(7, "side k of the gates' convolutions, odd", unit="pixels", minimum=1)
    no_spatial: bool = zoo.field(False, "leave out the gate over the H-W plane")

    def __post_init__(self) -> None:
        if self.kernel_size % 2 == 0:
            raise ConfigError(f"kernel_size={self.kernel_size} is even; gates need an odd one", field="kernel_size")


@dataclass
class TripletResNetConfig(TripletConfig):
    """Config of the ResNets."""

    depth: int = zoo.field(18, "18 or 34 (basic blocks), 50 or 101 (bottlenecks)", choices=tuple(RESNETS))
    depths: list[int] = zoo.field([], "blocks of the four stages; empty: those of depth", minimum=1)
    width: int = zoo.field(64, "planes of the first stage", unit="channels", minimum=1)
    network_type: str = zoo.field(
        "ImageNet",
        "the data set: ImageNet has the 7x7 stem with pooling, the small images a 3x3 stem",
        choices=("ImageNet", "CIFAR10", "CIFAR100", "digits"),
    )
    num_classes: int = zoo.field(1000, "classes", minimum=1)
    triplet: bool = zoo.field(True, "whether blocks carry the module; False is the plain network")

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.depths) not in (0, 4):
            raise ConfigError(f"{len(self.depths)} depths; expected one for each of 4 stages", field="depths")


@dataclass
class TripletMobileNetConfig(TripletConfig):
    """Config of MobileNetV2."""

    num_classes: int = zoo.field(1000, "classes", minimum=1)
    width_mult: float = zoo.field(1.0, "factor on all widths", minimum=0.05)
    dropout: float = zoo.field(0.25, "before the classifier", minimum=0.0, maximum=1.0)
    triplet: bool = zoo.field(True, "whether blocks carry the module; False is the plain network")
