"""The schemas of the attention and of the network around it."""

from __future__ import annotations

from dataclasses import dataclass

import zoo
from zoo.errors import ConfigError

AXES = ("both", "channel", "time")
FUSES = ("mean", "max", "conv")
ATTENTIONS = ("csa", "none", "se", "se+csa")


@dataclass
class CSAConfig:
    """Config of the attention alone."""

    semantic_channels: int = zoo.field(400, "channels of the class-semantic features R", minimum=1)
    dim: int = zoo.field(256, "channels of the features that are weighed", minimum=1)
    reduction: int = zoo.field(8, "dim over the width of the bottlenecks", minimum=1)
    segments: int = zoo.field(4, "parts of the time that the channel branch averages over", minimum=1)
    axes: str = zoo.field("both", "what is weighed", choices=AXES)
    fuse: str = zoo.field("mean", "how features weighed along either axis join", choices=FUSES)
    residual: bool = zoo.field(False, "whether the features are added to the answer")
    source: str = zoo.field(
        "semantics",
        "where weights come from: R, or the features' mean (squeeze and excitation: channels only)",
        choices=("semantics", "features"),
    )

    def __post_init__(self) -> None:
        if self.reduction > self.dim:
            raise ConfigError(f"reduction={self.reduction} exceeds dim={self.dim}", field="reduction")


@dataclass
class BMNConfig:
    """Config of the boundary-matching network."""

    in_channels: int = zoo.field(400, "channels of the snippets' features", minimum=1)
    length: int = zoo.field(100, "temporal points T", unit="snippets", minimum=1)
    max_duration: int = zoo.field(100, "longest proposal D", unit="snippets", minimum=1)
    hidden1: int = zoo.field(256, "channels of base and boundary heads", minimum=1)
    hidden2: int = zoo.field(128, "channels of the proposal head's maps", minimum=1)
    hidden3: int = zoo.field(512, "channels of a proposal's feature", minimum=1)
    num_samples: int = zoo.field(32, "points that are sampled of a proposal", minimum=1, maximum=1 << 12)
    sub_samples: int = zoo.field(3, "samples that a point averages", minimum=1, maximum=1 << 12)
    boundary_ratio: float = zoo.field(0.5, "context on either side, over a proposal's length", minimum=0.0)
    groups: int = zoo.field(4, "groups of the base's and the boundary heads' convolutions", minimum=1)
    attention: str = zoo.field("none", "what weighs the base's features", choices=ATTENTIONS)
    reduction: int = zoo.field(8, "hidden1 over the width of the attention's bottlenecks", minimum=1)
    segments: int = zoo.field(4, "parts of the time that the attention averages over", minimum=1)
    axes: str = zoo.field("both", "what the class-semantic attention weighs", choices=AXES)
    fuse: str = zoo.field("mean", "how features weighed along either axis join", choices=FUSES)
    residual: bool = zoo.field(False, "whether the attention adds the features")

    def __post_init__(self) -> None:
        for name in ("in_channels", "hidden1"):
            if getattr(self, name) % self.groups:
                raise ConfigError(f"{name}={getattr(self, name)} is not divisible by groups={self.groups}", field=name)
        if self.num_samples * self.sub_samples < 2:
            raise ConfigError("num_samples * sub_samples is 1: a proposal needs two points", field="num_samples")
        self.csa("semantics")

    def csa(self, source: str) -> CSAConfig:
        """The config of an attention inside."""
        residual = self.residual and source == "semantics"
        return CSAConfig(
            self.in_channels, self.hidden1, self.reduction, self.segments, self.axes, self.fuse, residual, source
        )


@dataclass
class BMNCSAConfig(BMNConfig):
    """Config of the boundary-matching network with class semantics-based attention."""

    attention: str = zoo.field("csa", "what weighs the base's features", choices=ATTENTIONS)
