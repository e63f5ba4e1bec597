"""The schemas of the probes."""

from __future__ import annotations

from dataclasses import dataclass

import zoo
from zoo.errors import ConfigError


@dataclass
class SpesConfig:
    """Config of the saliency."""

    num_masks: int = zoo.field(8000, "masks, in equal parts for every granularity", minimum=1)
    num_state_masks: int | None = zoo.field(
        None, "masks of encoder states, which cost only a decoder's run; num_masks by default", minimum=1
    )
    num_segments: list[int] = zoo.field([2000, 2500, 3000], "segments of a spectrogram, per granularity", minimum=1)
    dynamic: bool = zoo.field(True, "whether segments grow with the frames: num_segments * min(frames, 750) / 500")
    compactness: float = zoo.field(0.1, "of super-pixels: higher is squarer", minimum=0.0)
    sigma: float = zoo.field(1.0, "of the smoothing before super-pixels", minimum=0.0)
    segmentation: str = zoo.field("slic", "super-pixels, or rectangles of equal size", choices=("slic", "grid"))
    probability: float = zoo.field(0.5, "with which a segment is hidden", minimum=0.0, maximum=1.0)
    token_probability: float = zoo.field(0.0, "with which an earlier token is hidden", minimum=0.0, maximum=1.0)
    fill: str = zoo.field(
        "mean", "what stands in hidden cells: the utterance's mean, or zero", choices=("mean", "zero")
    )
    batch_size: int = zoo.field(16, "masks that are run at once", minimum=1)
    seed: int = zoo.field(0, "of the masks", minimum=0)

    def __post_init__(self) -> None:
        if not self.num_segments:
            raise ConfigError("num_segments needs at least one granularity", field="num_segments")


@dataclass
class CrossAttentionConfig(SpesConfig):
    """Config of the comparison."""

    reduce: str = zoo.field("max", "saliency over frequencies", choices=("max", "mean"))
    to: str = zoo.field("encoder", "the length that maps are compared at", choices=("encoder", "input"))
    standardise: bool = zoo.field(False, "whether each frame's attention is standardised over tokens")
