"""The pictures of the cards: three ways to attend, over the states of a bundled translator for a real sentence."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

import zoo
from zoo_seq2seq import bible
from zoo_seq2seq.clauses import Clause, greek_english
from zoo_seq2seq.decoding import START
from zoo_seq2seq.luong_attention.attention import LuongAttention
from zoo_seq2seq.luong_attention.config import LuongAttentionConfig
from zoo_seq2seq.translating import batch_of, encoded


def _states() -> tuple[Clause, Tensor, Tensor, LuongAttention]:
    """A long held-out clause; decoder states (targets, dim) and memory (source, dim) of the bundled translator, which
    is given the true translation; and its attention."""
    clause = max(greek_english("held-out"), key=lambda each: (len(each.source) + len(each.target), each.verse))
    model = zoo.load("luong-attention-nmt/bible")
    batch = batch_of(encoded(bible.vocabularies(), [clause]), [0])
    seen: list[Tensor] = []
    handle = model.attention.register_forward_hook(lambda own, args, found: seen.append(args[0]))
    with torch.no_grad():
        model(batch.source_ids, batch.target_ids, batch.source_mask)
        memory = model.encode(batch.source_ids, batch.source_mask)[0].states
    handle.remove()
    return clause, torch.cat(seen), memory[0], model.attention


def _draw(layer: LuongAttention, query: Tensor, memory: Tensor, clause: Clause, title: str, path: Path) -> None:
    from zoo.evidence.attention_plots import attention_over_tokens

    pieces = bible.vocabularies()
    with torch.no_grad():
        found = layer(query[None], memory[None])
    source, target = " ".join(clause.source), " ".join(clause.target)
    rows = [*pieces.target.pieces(pieces.target.encode(target)), "</s>"]
    columns = pieces.source.pieces(pieces.source.encode(source))
    figure = attention_over_tokens(found.weights[0], rows, keys=columns, title=title)
    if found.position is not None:
        figure.axes[0].plot(found.position[0], range(len(rows)), "o", color="#d1495b", markersize=4, label="centre")
        figure.axes[0].legend(loc="lower right", fontsize=8)
    figure.savefig(path, dpi=150)


def _windowed(window: str, like: LuongAttention) -> LuongAttention:
    """A layer with a window that scores as the bundled one does."""
    torch.manual_seed(START)
    layer = LuongAttention(LuongAttentionConfig(like.config.dim, like.config.score, window, 3)).eval()
    layer.load_state_dict(like.state_dict(), strict=False)
    return layer


def everywhere(path: Path) -> None:
    """Global attention of the bundled translator over a long Greek clause of a held-out verse, while it is given the
    true English translation."""
    clause, query, memory, layer = _states()
    _draw(layer, query, memory, clause, "global attention", path)


def monotonic(path: Path) -> None:
    """The same states and scores of the bundled translator, seen through windows of seven pieces that move on by a
    piece a step (local-m), which ends before a longer Greek clause does."""
    clause, query, memory, layer = _states()
    _draw(_windowed("local-m", layer), query, memory, clause, "local-m, D = 3", path)


def predictive(path: Path) -> None:
    """The same states and scores of the bundled translator, seen through windows under a Gaussian (local-p); what
    predicts their centres is not trained, so that they lie in the middle."""
    clause, query, memory, layer = _states()
    _draw(_windowed("local-p", layer), query, memory, clause, "local-p, D = 3", path)
