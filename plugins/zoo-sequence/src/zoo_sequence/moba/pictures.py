"""The picture on a card."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

import zoo
from zoo.bridges.transformers.maps import queries_keys_values
from zoo.evidence.plots import new_figure, saved
from zoo_sequence.moba.characters import Corpus
from zoo_sequence.moba.config import Routing
from zoo_sequence.moba.routing import choose_history

LENGTH, LAYER = 512, 3


def blocks(path: Path) -> None:
    """Source code that the bundled character model has not seen, and the blocks of 32 characters that its last layer's
    four heads chose for each character beside the character's own; above each, how many choices go beyond what recency
    alone would give."""
    model = zoo.load("moba-lm/char").eval()
    ids = Corpus.of_this_python().held_out[None, :LENGTH]
    query, key, _ = queries_keys_values(model, {"input_ids": ids}, positions=True)[LAYER]
    config = zoo.config("moba-lm/char")
    size = config["block_size"]
    routing = Routing(size, config["topk"], "mean")
    chosen = choose_history(query[0][:, None], key[0], routing)[:, 0]
    count = LENGTH // size
    figure = new_figure(figsize=(8.6, 6.4))
    axes = figure.subplots(2, 2, sharex=True, sharey=True)
    for head, axis in enumerate(axes.flat):
        read = _read(chosen[head], size, count)
        extent = (-0.5, count - 0.5, LENGTH, 0)
        axis.imshow(read, cmap="Blues", aspect="auto", vmin=0, vmax=2, extent=extent)
        older = (chosen[head] >= 0) & (chosen[head] < torch.arange(LENGTH)[:, None] // size - 2)
        share = float(older.sum() / (chosen[head] >= 0).sum())
        axis.set_title(f"head {head}: {share:.0%} of the choices further back than the last two blocks", fontsize=8)
        axis.set_xticks(range(0, count, 3))
    figure.supxlabel("block read; dark: the character's own")
    figure.supylabel("character")
    figure.suptitle(f"layer {LAYER}")
    saved(figure, path)


def _read(chosen: Tensor, block_size: int, count: int) -> Tensor:
    """(length / 8, blocks): 1 for a block chosen, 2 for a character's own."""
    found = torch.zeros(len(chosen), count + 1)
    found.scatter_(1, chosen.masked_fill(chosen < 0, count), 1.0)
    found.scatter_(1, torch.arange(len(chosen))[:, None] // block_size, 2.0)
    # Means of eight characters, as many rows as can be told apart.
    return found[:, :count].unflatten(0, (-1, 8)).mean(1)
