"""The schema of the head."""

from __future__ import annotations

from dataclasses import dataclass

import zoo


@dataclass
class DilaConfig:
    """Config of the head."""

    dim: int = zoo.field(768, "d: width of token embeddings", unit="features", minimum=1)
    num_features: int = zoo.field(6088, "m: features of the dictionary", minimum=1)
    num_classes: int = zoo.field(3700, "c: codes", minimum=1)
    mode: str = zoo.field("dila", "attention from dictionary features, or the dense baseline", choices=("dila", "laat"))
    laat_dim: int = zoo.field(256, "width inside the dense baseline's attention", unit="features", minimum=1)
    l1: float = zoo.field(1e-4, "of the features' absolute values", minimum=0.0)
    l2: float = zoo.field(1e-5, "of the features' squares", minimum=0.0)
    penalty: str = zoo.field("mean", "penalties of tokens are averaged, or summed", choices=("mean", "sum"))
    sae_weight: float = zoo.field(1e-6, "lambda: of the autoencoder's loss beside that of the codes", minimum=0.0)
    label_l1: float = zoo.field(0.0, "of the absolute values of A", minimum=0.0)
