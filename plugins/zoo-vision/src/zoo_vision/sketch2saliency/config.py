"""Schemas of the network and of its decoder."""

from __future__ import annotations

from dataclasses import dataclass

import zoo
from zoo.errors import ConfigError


@dataclass
class SketchDecoderConfig:
    """Config of the decoder alone."""

    feature_channels: int = zoo.field(512, "channels C of the map that is looked at", unit="features", minimum=1)
    latent_dim: int = zoo.field(128, "size of z", unit="features", minimum=1)
    hidden_dim: int = zoo.field(512, "width of the LSTM", unit="features", minimum=1)
    attention_dim: int = zoo.field(256, "width of a place's score before the last product", unit="features", minimum=1)
    num_mixtures: int = zoo.field(20, "normal distributions K of an offset", minimum=1)
    max_length: int = zoo.field(200, "points of a free run", unit="points", minimum=1)
    scales: int = zoo.field(
        1,
        "maps that are looked at: the last stage's (the code), or those of the last three (the paper)",
        choices=(1, 3),
    )


@dataclass
class Photo2SketchConfig(SketchDecoderConfig):
    """Config of the whole network; ``feature_channels`` is the last of ``encoder_widths``."""

    image_size: int = zoo.field(256, "side that photographs are brought to", unit="pixels", minimum=1)
    encoder_widths: list[int] = zoo.field(
        [64, 128, 256, 512, 512], "channels of the encoder's stages, each of which halves the picture", minimum=1
    )
    encoder_depths: list[int] = zoo.field([2, 2, 3, 3, 3], "convolutions of each stage", minimum=1)

    def __post_init__(self) -> None:
        if len(self.encoder_widths) != len(self.encoder_depths) or len(self.encoder_widths) < self.scales:
            raise ConfigError(
                f"{len(self.encoder_widths)} widths and {len(self.encoder_depths)} depths; expected one of each for "
                f"every stage, and at least scales={self.scales} stages",
                field="encoder_widths",
            )
        if self.encoder_widths[-1] != self.feature_channels:
            raise ConfigError(
                f"the last of encoder_widths={list(self.encoder_widths)} is not feature_channels="
                f"{self.feature_channels}",
                field="feature_channels",
            )

    @property
    def stride(self) -> int:
        """Pixels between places of the coarsest map."""
        return 2 ** len(self.encoder_widths)
