"""The schemas of the attention and of the backbone."""

from __future__ import annotations

from dataclasses import dataclass

import zoo
from zoo.errors import ConfigError
from zoo.nn.heads import require_equal_slices

STAGES = 4


@dataclass
class SelectPackConfig:
    """Config of the attention."""

    dim: int = zoo.field(384, "width of the tokens", unit="channels", minimum=1)
    num_heads: int = zoo.field(12, "heads", minimum=1)
    window_size: int = zoo.field(7, "M: a container has M^2 places, the roll is M // 2", minimum=1)
    shifted: bool = zoo.field(False, "roll the map by half a window first")
    threshold: float = zoo.field(
        0.5, "theta: a token is kept where its probability is larger", minimum=0.0, maximum=1.0
    )
    temperature: float = zoo.field(1.0, "tau of the drawn choice in training", minimum=1e-3)
    qkv_bias: bool = zoo.field(True, "biases of queries, keys and values")
    position: str = zoo.field(
        "none", "no bias, or one for the difference of two places, clipped to 13", choices=("none", "relative")
    )
    packing: str = zoo.field(
        "batch",
        "lists run through the batch, as published, or start a new container with every image: then its answer does "
        "not depend on its company",
        choices=("batch", "image"),
    )

    def __post_init__(self) -> None:
        require_equal_slices(self.dim, self.num_heads)


@dataclass
class SPTConfig:
    """Config of the backbone."""

    embed_dim: int = zoo.field(96, "width of the first stage; it doubles with every stage", minimum=1)
    depths: list[int] = zoo.field([2, 2, 10, 2], "blocks of the stages", minimum=1)
    num_heads: list[int] = zoo.field([3, 6, 12, 24], "heads of the stages", minimum=1)
    window_size: int = zoo.field(7, "side of Swin's windows; a container has its square", minimum=1)
    start_stage: int = zoo.field(3, "first stage, from 1, that selects and packs; 5 is Swin", minimum=1, maximum=5)
    mlp_ratio: float = zoo.field(4.0, "hidden width of an MLP over the width", minimum=0.0)
    qkv_bias: bool = zoo.field(True, "biases of queries, keys and values")
    drop_path: float = zoo.field(0.2, "highest rate of stochastic depth", minimum=0.0, maximum=1.0)
    threshold: float = zoo.field(
        0.5, "theta: a token is kept where its probability is larger", minimum=0.0, maximum=1.0
    )
    temperature: float = zoo.field(1.0, "tau of the drawn choice in training", minimum=1e-3)
    position: str = zoo.field(
        "none", "bias of packed attention for the difference of two places", choices=("none", "relative")
    )
    packing: str = zoo.field(
        "batch", "lists run through the batch, or start a new container with every image", choices=("batch", "image")
    )
    alpha: float = zoo.field(0.01, "weight of the selection loss", minimum=0.0)
    num_classes: int = zoo.field(0, "logits of a classifier on the last stage; 0 for the backbone alone", minimum=0)
    image_size: int = zoo.field(224, "side that raw images are brought to", unit="pixels", minimum=1)
    dataset: str = zoo.field("imagenet", "whose preprocessing raw images get", choices=("imagenet", "digits"))

    def __post_init__(self) -> None:
        for name in ("depths", "num_heads"):
            if len(getattr(self, name)) != STAGES:
                raise ConfigError(f"{len(getattr(self, name))} {name}; expected one for each of 4 stages", field=name)
        for stage, heads in enumerate(self.num_heads):
            require_equal_slices(self.embed_dim * 2**stage, heads)
        if int(self.embed_dim * self.mlp_ratio) < 1:
            raise ConfigError(f"mlp_ratio={self.mlp_ratio} leaves no hidden channel", field="mlp_ratio")

    def attention(self, stage: int, shifted: bool) -> SelectPackConfig:
        """Config of a block of a stage, from 0."""
        return SelectPackConfig(
            dim=self.embed_dim * 2**stage,
            num_heads=self.num_heads[stage],
            window_size=self.window_size,
            shifted=shifted,
            threshold=self.threshold,
            temperature=self.temperature,
            qkv_bias=self.qkv_bias,
            position=self.position,
            packing=self.packing,
        )
