"""The schema of the method."""

from __future__ import annotations

from dataclasses import dataclass

import zoo


@dataclass
class AdaptiveLongContextHeadsConfig:
    """Config of the method."""

    criterion: str = zoo.field(
        "qada",
        "who decides: QAdA, the oracle, static labels, or nobody (all local)",
        choices=("qada", "oracle", "static", "all-local"),
    )
    sink: int = zoo.field(16, "first keys that every window has, T_sink", unit="tokens", minimum=0)
    local: int = zoo.field(1024, "last keys of the window, T_local, the query's own included", unit="tokens", minimum=1)
    tau: float = zoo.field(0.6, "share from which QAdA calls a head local; 0: always, above 1: never", minimum=0.0)
    tau_oracle: float = zoo.field(0.6, "the oracle's share", minimum=0.0)
    tau_static: float = zoo.field(0.6, "mean share from which a head's static label is local", minimum=0.0)
    skip: bool = zoo.field(
        False, "whether what windows leave out is not computed at all; prompts without padding, QAdA or given decisions"
    )
    first_query: int = zoo.field(0, "queries before it attend to everything", unit="tokens", minimum=0)
