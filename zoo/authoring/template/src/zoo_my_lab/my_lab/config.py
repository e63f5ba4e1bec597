"""The schemas: typed, with units and ranges."""

from dataclasses import dataclass

import zoo
from zoo.nn.heads import require_equal_slices


@dataclass
class MyLabConfig:
    """Config of the layer."""

    dim: int = zoo.field(64, "model width", unit="features", minimum=1)
    num_heads: int = zoo.field(4, "heads", minimum=1)
    causal: bool = zoo.field(False, "whether a token sees only those before it")

    def __post_init__(self) -> None:
        require_equal_slices(self.dim, self.num_heads)


@dataclass
class MyLabClassifierConfig:
    """Config of the classifier."""

    rows: int = zoo.field(8, "rows of a picture", unit="pixels", minimum=1)
    columns: int = zoo.field(8, "columns of a picture", unit="pixels", minimum=1)
    num_classes: int = zoo.field(10, "classes", minimum=2)
    dim: int = zoo.field(16, "model width", unit="features", minimum=1)
    num_heads: int = zoo.field(4, "heads", minimum=1)
    hidden_dim: int = zoo.field(32, "width within the classifier's head", unit="features", minimum=1)

    def __post_init__(self) -> None:
        require_equal_slices(self.dim, self.num_heads)
