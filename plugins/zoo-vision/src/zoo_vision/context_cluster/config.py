"""The schemas of the operator and of the network."""

from __future__ import annotations

from dataclasses import dataclass

import zoo
from zoo.errors import ConfigError


@dataclass
class ClusterConfig:
    """Config of the bare operator."""

    dim: int = zoo.field(32, "width in", unit="channels", minimum=1)
    out_dim: int = zoo.field(32, "width out", unit="channels", minimum=1)
    num_heads: int = zoo.field(4, "heads", minimum=1)
    head_dim: int = zoo.field(24, "width of a head", unit="channels", minimum=1)
    centres: list[int] = zoo.field([2, 2], "centres of a region along rows and columns", minimum=1)
    regions: list[int] = zoo.field([1, 1], "regions along rows and columns; cut only where both exceed 1", minimum=1)

    def __post_init__(self) -> None:
        for name in ("centres", "regions"):
            if len(getattr(self, name)) != 2:
                raise ConfigError(
                    f"{name}={getattr(self, name)}; expected one number for rows, one for columns", field=name
                )


@dataclass
class ContextClusterConfig:
    """Config of the network; lists have one number per stage."""

    depths: list[int] = zoo.field([3, 4, 5, 2], "blocks", minimum=1)
    dims: list[int] = zoo.field([32, 64, 196, 320], "widths", unit="channels", minimum=1)
    mlp_ratios: list[float] = zoo.field([8.0, 8.0, 4.0, 4.0], "MLP width over stage width", minimum=0.0)
    num_heads: list[int] = zoo.field([4, 4, 8, 8], "heads", minimum=1)
    head_dims: list[int] = zoo.field([24, 24, 24, 24], "width of a head", unit="channels", minimum=1)
    centre_rows: list[int] = zoo.field([2, 2, 2, 2], "centres of a region along rows", minimum=1)
    centre_columns: list[int] = zoo.field([2, 2, 2, 2], "centres of a region along columns", minimum=1)
    region_rows: list[int] = zoo.field([8, 4, 2, 1], "regions along rows", minimum=1)
    region_columns: list[int] = zoo.field([8, 4, 2, 1], "regions along columns", minimum=1)
    reducers: list[bool] = zoo.field(
        [True, True, True, True], "whether a convolution of stride 2 follows a stage; the last is ignored"
    )
    reducer_kernel: int = zoo.field(3, "side of those convolutions", minimum=1)
    reducer_padding: int = zoo.field(1, "their padding", minimum=0)
    num_classes: int = zoo.field(1000, "classes; 0 leaves the head out", minimum=0)
    drop_path: float = zoo.field(0.0, "stochastic depth of the last block", minimum=0.0, maximum=1.0)
    layer_scale: float = zoo.field(1e-5, "initial layer scale")
    stage_norms: bool = zoo.field(False, "each map of `features=True` goes through a norm of its own, as for detection")
    crop: float = zoo.field(
        0.9, "share of a raw image's shorter side that is seen, in the middle", minimum=0.1, maximum=1.0
    )
    image_size: int = zoo.field(224, "side that raw images are brought to", unit="pixels", minimum=32)
    dataset: str = zoo.field("ImageNet", "whose preprocessing raw images get", choices=("ImageNet", "digits"))

    def __post_init__(self) -> None:
        names = ("dims", "mlp_ratios", "num_heads", "head_dims", "centre_rows", "centre_columns", "region_rows")
        for name in (*names, "region_columns", "reducers"):
            if len(getattr(self, name)) != len(self.depths):
                raise ConfigError(
                    f"{len(getattr(self, name))} {name} for {len(self.depths)} stages; expected one each", field=name
                )
        for dim, ratio in zip(self.dims, self.mlp_ratios, strict=True):
            if int(dim * ratio) < 1:
                raise ConfigError(f"mlp_ratios: {ratio} leaves no hidden channel at width {dim}", field="mlp_ratios")
        for index, reduces in enumerate(self.reducers[:-1]):
            if not reduces and self.dims[index] != self.dims[index + 1]:
                raise ConfigError(
                    f"stages {index} and {index + 1} have widths {self.dims[index]} and {self.dims[index + 1]}, and no "
                    "reducer between them that would change one into the other",
                    field="reducers",
                )

    def cluster(self, stage: int) -> ClusterConfig:
        """The operator of a stage."""
        return ClusterConfig(
            self.dims[stage],
            self.dims[stage],
            self.num_heads[stage],
            self.head_dims[stage],
            [self.centre_rows[stage], self.centre_columns[stage]],
            [self.region_rows[stage], self.region_columns[stage]],
        )
