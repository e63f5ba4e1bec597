"""The pictures of the cards."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from zoo.evidence.cost_pictures import growth_picture, presets_picture
from zoo_seq2seq.scratchpad.config import WriteConfig
from zoo_seq2seq.scratchpad.write import example as write_example


def sizes(path: Path) -> None:
    """Parameters of the untrained presets, and multiply-adds of one forward pass over the entry's example of random
    sentences, counted without computing."""
    presets_picture("seq2seq:scratchpad", path)


def write_cost(path: Path) -> None:
    """Multiply-adds of one write of the untrained layer by the number of places in memory, at the paper's width and at
    the preset ``tiny``, counted without computing: linear in the sentence's length."""

    def places(config: WriteConfig, length: int) -> dict[str, Tensor]:
        one = write_example(config, 1)
        return {**one, "memory": torch.zeros(1, length, config.memory_dim)}

    growth_picture(
        ["seq2seq:scratchpad-write", "seq2seq:scratchpad-write/tiny"],
        path,
        sizes=(16, 32, 64, 128, 256, 512, 1024),
        inputs=places,
        axis="places in memory",
        title="Multiply-adds of one write",
    )
