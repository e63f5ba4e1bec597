"""The schemas of the probe and of the method."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

import zoo

# The second layer and the last fourteen of 32.
LLAVA = [1, *range(18, 32)]


@dataclass
class DivergenceConfig:
    """Config of the probe."""

    topk: Optional[int] = zoo.field(  # noqa: UP045 (OmegaConf reads Optional)
        None, "heads of every layer that T-VHD adds up; by default an eighth of them", unit="heads", minimum=1
    )
    distance: str = zoo.field("euclidean", "of a head's two outputs", choices=("euclidean", "squared"))


@dataclass
class VhrConfig:
    """Config of the method; the defaults are LLaVA-1.5-7B's."""

    alpha: float = zoo.field(2.0, "factor of the selected heads' outputs")
    layers: list[int] = zoo.field(LLAVA, "layers that are reinforced, from 0", minimum=0)
    outliers: bool = zoo.field(True, "whether heads that fire without an image are left out")
    distance: str = zoo.field("euclidean", "of a head's two outputs", choices=("euclidean", "squared"))
    std: str = zoo.field("sample", "standard deviation over a layer's heads", choices=("sample", "population"))
    reinforce_text_stream: bool = zoo.field(
        False, "reinforce the text-only pass too, layer by layer; costs two passes per layer"
    )
    positions: str = zoo.field("all", "which positions of the prompt are reinforced", choices=("all", "last"))
