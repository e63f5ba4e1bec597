"""Recorded runs of the write step."""

from __future__ import annotations

from torch import Tensor

import zoo
from zoo.evidence.replay import Run, replay_of
from zoo.nn.renaming import renamed
from zoo_seq2seq.scratchpad.config import WriteConfig
from zoo_seq2seq.scratchpad.write import ScratchpadWrite


def _write(run: Run) -> dict[str, Tensor]:
    fields = run.fields({"state": "state_dim", "memory": "memory_dim", "gate_hidden": "gate_dim"})
    layer = ScratchpadWrite(WriteConfig(**fields)).eval()
    zoo.fill(layer, renamed(run.state, ((r"^write\.W_u\.", "update."), (r"^write\.gate\.", "gate."))))
    found = layer(run.inputs["state"], run.inputs["context"], run.inputs["memory"], run.inputs.get("mask"))
    return {"update": found.update, "gate": found.gate, "memory": found.memory}


replay = replay_of({"write": _write})
