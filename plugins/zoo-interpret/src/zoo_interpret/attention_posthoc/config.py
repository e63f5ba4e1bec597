"""The schemas of the classifier and of the probe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

import zoo


@dataclass
class PosthocConfig:
    """Config of the probe."""

    explained_class: int = zoo.field(1, "the class whose score is explained", minimum=0)
    query: int = zoo.field(
        0, "token whose attention explains, and whose logits where every token has some; padding does not count"
    )
    layer: int = zoo.field(-1, "attention layer whose maps explain, negative from the end")
    mask_id: Optional[int] = zoo.field(  # noqa: UP045 (OmegaConf reads Optional)
        None, "token id that replaces removed words; by default the tokenizer's mask or unknown token", minimum=0
    )
    samples: int = zoo.field(1000, "perturbed documents of LIME, the whole one among them", minimum=2)
    kernel_width: float = zoo.field(0.25, "nu of the weights exp(-(1 - sqrt(|z|/D))^2 / (2 nu^2)); 0: all weights 1")
    ridge: float = zoo.field(1.0, "penalty of LIME's regression", minimum=0)
    seed: int = zoo.field(0, "of LIME's perturbations", minimum=0)
    batch_size: int = zoo.field(256, "perturbed documents of one forward pass", minimum=1)


@dataclass
class ClassifierConfig:
    """Config of the classifier; the defaults are the paper's for IMDB."""

    vocab_size: int = zoo.field(20000, "words, of which 0 is [CLS] and 1 is UNK", minimum=2)
    dim: int = zoo.field(128, "width d of embeddings, even", unit="features", minimum=2)
    attention_dim: int = zoo.field(64, "width d_att of queries and keys", unit="features", minimum=1)
    value_dim: int = zoo.field(64, "width d_out of values", unit="features", minimum=1)
    num_heads: int = zoo.field(6, "heads, each with its own classifier", minimum=1)
    num_classes: int = zoo.field(2, "classes", minimum=1)
    max_length: int = zoo.field(256, "length of the table of positions", unit="tokens", minimum=1)
    scale: bool = zoo.field(True, "whether scores are divided by sqrt(attention_dim)")
    positional: bool = zoo.field(True, "whether sinusoidal positions are added")

    def __post_init__(self) -> None:
        """Sinusoids come in pairs."""
        if self.dim % 2:
            raise zoo.ConfigError(f"dim={self.dim} is odd; sines and cosines come in pairs", field="dim")
