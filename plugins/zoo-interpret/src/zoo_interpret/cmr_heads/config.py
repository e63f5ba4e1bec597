"""The schema of the probe."""

from __future__ import annotations

from dataclasses import dataclass

import zoo


@dataclass
class CmrHeadsConfig:
    """Config of the probe."""

    repeat_length: int = zoo.field(64, "tokens of the random sequence that is repeated", unit="tokens", minimum=1)
    prompts: int = zoo.field(4, "random sequences that curves are averaged over", minimum=1)
    max_lag: int = zoo.field(8, "largest lag of the curves", unit="positions", minimum=1)
    fit_lags: int = zoo.field(5, "largest lag that is fitted", unit="positions", minimum=1)
    curve: str = zoo.field(
        "scores", "what is fitted: scores before the softmax, or weights", choices=("scores", "weights")
    )
    threshold: float = zoo.field(0.5, "distance below which a head is CMR-like", minimum=0.0)
    items: int = zoo.field(40, "items of the memory model's list", minimum=2)
    runs: int = zoo.field(20, "simulated recalls of every point of the grid and start", minimum=1)
    samples: int = zoo.field(40, "most items of one recall", minimum=1)
    starts: int = zoo.field(8, "first items 0, 1, ... that curves are averaged over", minimum=1)
    encoding_steps: int = zoo.field(10, "grid of b_enc: that many equal steps up to 1", minimum=1)
    retrieval_steps: int = zoo.field(10, "grid of b_rec: 0 and that many equal steps up to 1", minimum=1)
    pre_experimental_steps: int = zoo.field(5, "grid of g: 0 and that many equal steps up to 1", minimum=1)
    seed: int = zoo.field(0, "of the random sequences and of the simulation", minimum=0)

    def __post_init__(self) -> None:
        if self.fit_lags > self.max_lag:
            raise zoo.ConfigError(f"fit_lags={self.fit_lags} is beyond max_lag={self.max_lag}", field="fit_lags")
        if self.starts > self.items:
            raise zoo.ConfigError(f"starts={self.starts} of {self.items} items", field="starts")
