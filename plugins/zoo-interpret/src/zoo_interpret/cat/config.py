"""The schemas of the method and of the benchmark."""

from __future__ import annotations

from dataclasses import dataclass

import zoo

FORMS = ("div", "div2", "nll", "hinge")
REDUCTIONS = ("rows", "smoothed")


@dataclass
class CatConfig:
    """Config of the method; the defaults are the script's."""

    alpha: float = zoo.field(2.0, "ratio of attention to causal and to other keys from which nothing is to pay")
    form: str = zoo.field("div", "what a row below it costs", choices=FORMS)
    reduction: str = zoo.field("rows", "mean of rows, or of samples by their mean ratio", choices=REDUCTIONS)
    amplitude: float = zoo.field(1.0, "factor of the loss")
    gamma: float = zoo.field(1.0, "weight beside the language model's loss", minimum=0)
    loss_decay_rate: float = zoo.field(1.0, "factor of gamma after every epoch", minimum=0)


@dataclass
class StgConfig:
    """Config of the benchmark."""

    game: str = zoo.field("stg", "risk of cancer, or air quality", choices=("stg", "stg_h"))
    train_samples: int = zoo.field(1600, "samples to train on", minimum=0)
    iid_samples: int = zoo.field(400, "test samples of the training distribution", minimum=1)
    ood_samples: int = zoo.field(400, "test samples out of it", minimum=1)
    pool: int = zoo.field(2000, "samples drawn of the training distribution; the first are for testing", minimum=1)
    middle_band: bool = zoo.field(
        False, "Middle Risk from 2.7 to 7.2, as is meant, instead of at 2.7 alone, as the code has it"
    )
    seed: int = zoo.field(42, "of the draws", minimum=0)

    def __post_init__(self) -> None:
        """Test and training samples come from one pool."""
        if self.train_samples + self.iid_samples > self.pool:
            raise zoo.ConfigError(
                f"pool={self.pool} is less than {self.iid_samples} test and {self.train_samples} training samples",
                field="pool",
            )
