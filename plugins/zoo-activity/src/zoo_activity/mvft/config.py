"""The schemas of MVFT."""

from __future__ import annotations

from dataclasses import dataclass

import zoo
from zoo.errors import ConfigError
from zoo.nn.heads import require_equal_slices

VIEWS = ("temporal", "frequent", "statistical")
FUSIONS = ("gate", "sum", "concat")
TAPERS = ("hann", "none")


@dataclass
class MVFTConfig:
    """Config of MVFT."""

    window: int = zoo.field(200, "samples of a window", unit="samples", minimum=4)
    in_channels: int = zoo.field(3, "sensor channels", minimum=1)
    num_classes: int = zoo.field(6, "activities", minimum=1)
    dim: int = zoo.field(64, "width of a token", minimum=1)
    num_blocks: int = zoo.field(3, "blocks of fusion attention and MLP", minimum=1)
    num_heads: int = zoo.field(4, "heads of the attention", minimum=1)
    mlp_ratio: float = zoo.field(2.0, "hidden width of the MLPs over dim", minimum=0.1)
    patch_size: int = zoo.field(10, "samples of a temporal token", unit="samples", minimum=1)
    segment: int = zoo.field(0, "samples of a segment, half overlapping; 0: window / 4", unit="samples", minimum=0)
    bands: int = zoo.field(4, "where one segment is the window: frequent tokens of each channel", minimum=1)
    taper: str = zoo.field("hann", "what segments are multiplied by before the FFT", choices=TAPERS)
    views: list[str] = zoo.field(list(VIEWS), "the views that are used", choices=VIEWS)
    cross: bool = zoo.field(True, "whether views attend to one another")
    fusion: str = zoo.field(
        "gate", "how clues of other views join: gated sum, sum, or a projection of all", choices=FUSIONS
    )
    dropout: float = zoo.field(0.1, "after embedding, attention and MLP layers", minimum=0.0, maximum=1.0)

    def __post_init__(self) -> None:
        require_equal_slices(self.dim, self.num_heads)
        if not self.views or len(set(self.views)) != len(self.views):
            raise ConfigError(f"views={self.views}: name at least one view, each once", field="views")
        if self.patch_size > self.window:
            raise ConfigError(f"patch_size={self.patch_size} exceeds window={self.window}", field="patch_size")
        if self.segment and not 2 <= self.segment <= self.window:
            raise ConfigError(
                f"segment={self.segment}: expected 2 to window={self.window} samples, or 0 for a quarter of the window",
                field="segment",
            )

    @property
    def segment_length(self) -> int:
        """Samples of a segment."""
        return self.segment or max(2, self.window // 4)

    @property
    def num_segments(self) -> int:
        """Segments of a window; samples behind the last whole one are in none."""
        return (self.window - self.segment_length) // (self.segment_length // 2) + 1

    @property
    def num_patches(self) -> int:
        """Temporal tokens; the last patch is filled up with zeros."""
        return -(-self.window // self.patch_size)


@dataclass
class FactorsConfig:
    """Config of the task of three factors."""

    window: int = zoo.field(80, "samples of a window", unit="samples", minimum=40)
    num_windows: int = zoo.field(400, "windows that are asked", minimum=8)
    seed: int = zoo.field(1, "seed of the windows")
