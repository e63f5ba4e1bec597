"""The schema of the saliency network."""

from __future__ import annotations

from dataclasses import dataclass

import zoo
from zoo.errors import ConfigError


@dataclass
class MSINetConfig:
    """Config of MSI-Net."""

    encoder_channels: list[int] = zoo.field(
        [64, 128, 256, 512, 512], "widths of the five stages of 2, 2, 3, 3, 3 convolutions", minimum=1
    )
    context_channels: int = zoo.field(256, "width of each branch of the contextual module", minimum=1)
    decoder_channels: list[int] = zoo.field([128, 64, 32], "widths after each enlargement", minimum=1)
    height: int = zoo.field(240, "height that raw images are brought to, padded", unit="pixels", minimum=8)
    width: int = zoo.field(320, "width that raw images are brought to, padded", unit="pixels", minimum=8)

    def __post_init__(self) -> None:
        if len(self.encoder_channels) != 5:
            raise ConfigError(
                f"{len(self.encoder_channels)} encoder_channels; expected one for each of 5 stages",
                field="encoder_channels",
            )
        if len(self.decoder_channels) != 3:
            raise ConfigError(
                f"{len(self.decoder_channels)} decoder_channels; expected one for each of 3 enlargements",
                field="decoder_channels",
            )
        for name in ("height", "width"):
            if getattr(self, name) % 8:
                raise ConfigError(f"{name}={getattr(self, name)} is not a multiple of 8", field=name)
