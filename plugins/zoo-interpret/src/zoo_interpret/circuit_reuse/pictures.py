"""The picture of the card."""

from __future__ import annotations

from pathlib import Path

from zoo.bridges.transformers.packaged import packaged_model
from zoo.evidence.attention_plots import head_tables
from zoo_interpret.circuit_reuse.config import CircuitReuseConfig
from zoo_interpret.circuit_reuse.method import CircuitReuse
from zoo_interpret.circuit_reuse.tasks import colored_objects_batch
from zoo_interpret.indirect_objects import indirect_object_batch


def effects(path: Path) -> None:
    """Direct effects of SmolLM2's heads on the answers of two tasks: movers of names and of colours overlap."""
    model, tokenizer = packaged_model("smollm2")
    method, tables = CircuitReuse(CircuitReuseConfig()), {}
    for name, batch in (
        ("who gets it? (8 sentences)", indirect_object_batch(tokenizer, 8)),
        ("which colour? (8 lists)", colored_objects_batch(tokenizer, 8)),
    ):
        tables[name] = method.direct_effects(model, batch.clean, batch.corrupt, batch.answers).effects
    title = "SmolLM2-135M: share of the logit difference that a head writes"
    head_tables(tables, title=title, diverging=True, path=path)
