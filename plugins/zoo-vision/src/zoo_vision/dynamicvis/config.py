"""The schemas of the mixer, the backbone and the classifier."""

from __future__ import annotations

from dataclasses import dataclass

import zoo
from zoo.errors import ConfigError

PATHS = (
    "forward",
    "forward_reverse_mean",
    "forward_reverse_gate",
    "forward_reverse_shuffle_mean",
    "forward_reverse_shuffle_gate",
)
POSITIONS = ("head", "headtail", "mid", "none")
_ORDERS = ("score", "position")


@dataclass
class MixerConfig:
    """Config of one dynamic region mixer."""

    dim: int = zoo.field(96, "width of a token", unit="features", minimum=1)
    reduction_ratio: int = zoo.field(8, "one token in so many is scanned; 0: all, in order, without scores", minimum=0)
    global_position: str = zoo.field("head", "where global tokens stand in what is scanned", choices=POSITIONS)
    num_global: int = zoo.field(-1, "global tokens; -1: as many as the map is high", minimum=-1)
    path: str = zoo.field("forward_reverse_mean", "how the scan runs, and how its answers are joined", choices=PATHS)
    softmax_on_x: bool = zoo.field(True, "tokens that are not scanned are rescaled, x (1 + w); else they stay")
    norm_topk: bool = zoo.field(False, "weights of the scanned tokens are divided by their sum")
    order: str = zoo.field("score", "scanned by falling score, as the authors do, or by position", choices=_ORDERS)
    gumbel_scale: float = zoo.field(0.1, "of the noise on scores in training", minimum=0.0)
    state_size: int = zoo.field(16, "width of the scan's state, per channel", minimum=1)
    expand: int = zoo.field(2, "the scan's channels over the width", minimum=1)
    conv_kernel: int = zoo.field(4, "width of the causal convolution", unit="tokens", minimum=1)

    def __post_init__(self) -> None:
        if self.global_position != "none" and self.num_global == 0:
            raise ConfigError("num_global=0: for no global tokens set global_position=none", field="num_global")


@dataclass
class DynamicVisConfig:
    """Config of the backbone."""

    dims: list[int] = zoo.field([96, 192, 384, 768], "widths of the four stages", minimum=1)
    depths: list[int] = zoo.field([2, 4, 16, 4], "mixers of the four stages", minimum=1)
    ratios: list[int] = zoo.field([8, 4, 2, 1], "reduction ratios of the four stages; 0 scans all in order", minimum=0)
    global_position: str = zoo.field("head", "where global tokens stand in what is scanned", choices=POSITIONS)
    num_global: int = zoo.field(-1, "global tokens; -1: as many as the stage's map is high", minimum=-1)
    path: str = zoo.field("forward_reverse_mean", "how the scan runs, and how its answers are joined", choices=PATHS)
    softmax_on_x: bool = zoo.field(True, "tokens that are not scanned are rescaled, x (1 + w); else they stay")
    norm_topk: bool = zoo.field(False, "weights of the scanned tokens are divided by their sum")
    order: str = zoo.field("score", "scanned by falling score, as the authors do, or by position", choices=_ORDERS)
    gumbel_scale: float = zoo.field(0.1, "of the noise on scores in training", minimum=0.0)
    image_size: int = zoo.field(
        512, "side of the square images that positions are learned for", unit="pixels", minimum=4
    )
    position_table: bool = zoo.field(True, "the first stage adds learned positions, resized to other images")
    output: str = zoo.field(
        "maps", "maps: of all stages; pooled: the last, averaged and normed", choices=("maps", "pooled")
    )
    state_size: int = zoo.field(16, "width of the scan's state, per channel", minimum=1)
    expand: int = zoo.field(2, "the scan's channels over the width", minimum=1)
    conv_kernel: int = zoo.field(4, "width of the causal convolution", unit="tokens", minimum=1)

    def __post_init__(self) -> None:
        for name in ("dims", "depths", "ratios"):
            if len(getattr(self, name)) != 4:
                raise ConfigError(f"{len(getattr(self, name))} {name}; expected one for each of 4 stages", field=name)
        if self.image_size % 4:
            raise ConfigError(f"image_size={self.image_size} is not a multiple of 4", field="image_size")
        self.mixer(0).__post_init__()

    def mixer(self, stage: int) -> MixerConfig:
        """The config of a stage's mixers."""
        return MixerConfig(
            self.dims[stage],
            self.ratios[stage],
            self.global_position,
            self.num_global,
            self.path,
            self.softmax_on_x,
            self.norm_topk,
            self.order,
            self.gumbel_scale,
            self.state_size,
            self.expand,
            self.conv_kernel,
        )


@dataclass
class DynamicVisClassifierConfig(DynamicVisConfig):
    """Config of the classifier: the backbone's pooled answer and a linear layer."""

    output: str = zoo.field("pooled", "of the backbone", choices=("pooled",))
    num_classes: int = zoo.field(30, "classes", minimum=1)
    dataset: str = zoo.field("imagenet", "whose preprocessing raw images get", choices=("imagenet", "digits"))
