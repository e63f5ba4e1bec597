"""The pictures of the cards."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

import zoo
from zoo_seq2seq import bible
from zoo_seq2seq.decoding import START
from zoo_seq2seq.scratchpad.network import ScratchpadNetwork, ScratchpadState
from zoo_seq2seq.translating import padded, translate

SHOWN = "Σὺ πιστεύεις εἰς τὸν υἱὸν τοῦ ἀνθρώπου"


def gates(path: Path) -> None:
    """A Greek clause of a held-out verse, translated by the trained network: what each English piece looked at, and how
    much of each place was written over after it."""
    from zoo.evidence.plots import new_figure, saved

    model, pieces = zoo.load("scratchpad/bible"), bible.vocabularies()
    found = translate(model, pieces, [SHOWN])[0]
    ids = pieces.target.encode(found.text)
    source_ids, mask = padded([pieces.source.encode(SHOWN)])
    with torch.no_grad():
        forced = model(source_ids, torch.tensor([[START, *ids]]), mask)
    figure = new_figure(figsize=(9.5, 0.28 * (len(ids) + 1) + 2.2))
    axes = figure.subplots(1, 2, sharey=True)
    shown = ((forced.attention[0], "Blues", "attention weight"), (1 - forced.gates[0], "Reds", "share written over"))
    for axis, (values, colours, label) in zip(axes, shown, strict=True):
        image = axis.imshow(values.numpy(), cmap=colours, vmin=0, aspect="auto", interpolation="nearest")
        axis.set_xticks(range(len(found.source)), found.source, rotation=60, ha="right", fontsize=9)
        figure.colorbar(image, ax=axis, label=label)
    axes[0].set_yticks(range(len(ids) + 1), [*pieces.target.pieces(ids), "</s>"], fontsize=9)
    figure.suptitle(found.text)
    saved(figure, path)


def memory(path: Path) -> None:
    """What is left of the encoder's states while the trained network writes a translation: cosine of every place of the
    memory with what the encoder put there, after each English piece."""
    from zoo.evidence.attention_plots import attention_over_tokens

    model, pieces = zoo.load("scratchpad/bible"), bible.vocabularies()
    found = translate(model, pieces, [SHOWN])[0]
    ids = pieces.target.encode(found.text)
    rows = _memories(model, torch.tensor([pieces.source.encode(SHOWN)]), ids)
    similar = torch.cosine_similarity(rows[1:], rows[:1], dim=-1)
    figure = attention_over_tokens(
        similar, [*pieces.target.pieces(ids), "</s>"], keys=found.source, title="memory after each piece"
    )
    figure.axes[0].set(xlabel="place in memory", ylabel="after this piece")
    figure.axes[-1].set_ylabel("cosine with the encoder's state")
    figure.savefig(path, dpi=120)


@torch.no_grad()
def _memories(model: ScratchpadNetwork, source_ids: Tensor, ids: list[int]) -> Tensor:
    """The memory at first and after every step: (steps + 1, source, width)."""
    source, state = model.encode(source_ids)
    found = [state.memory[0]]
    for token in (START, *ids):
        following: ScratchpadState = model.step(torch.tensor([token]), source, state).state
        state = following
        found.append(state.memory[0])
    return torch.stack(found)
