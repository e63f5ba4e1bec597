"""The schema of the method."""

from __future__ import annotations

from dataclasses import dataclass

import zoo


@dataclass
class VisualAttentionSinkConfig:
    """Config of the method; the defaults are LLaVA-1.5-7B's."""

    sink_dims: list[int] = zoo.field(
        [2533, 1415], "dimensions of massive activations; find_sink_dims finds another model's", minimum=0
    )
    tau: float = zoo.field(20.0, "a token is a sink where the normalised stream is larger in one of them")
    rho: float = zoo.field(0.5, "largest share of a row's image attention that sinks may have", minimum=0)
    summ: float = zoo.field(0.2, "least attention that a row gives the image", minimum=0)
    p: float = zoo.field(0.6, "share of their attention that sinks keep", minimum=0, maximum=1)
    sink_layers_from: int = zoo.field(2, "first layer with sinks, from 0", minimum=0)
    skip_last_layer: bool = zoo.field(False, "leave the last layer alone, as the authors' config says")

    def __post_init__(self) -> None:
        """Without dimensions there are no sinks."""
        if not self.sink_dims:
            raise zoo.ConfigError("sink_dims is empty: there would be no sinks", field="sink_dims")
