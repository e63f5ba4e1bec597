"""Training on Greek and English clauses."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from zoo_seq2seq.clauses import greek_english
from zoo_seq2seq.gnmt.config import BeamSearchConfig, GNMTConfig
from zoo_seq2seq.gnmt.network import GNMT
from zoo_seq2seq.search import SearchOptions
from zoo_seq2seq.translating import alignment_error, fit, our_vocabularies, translation_bleu

EPOCHS = 12


def train(
    config: GNMTConfig, *, preset: str | None, seed: int, log: Callable[[str], object]
) -> tuple[nn.Module, dict[str, float]]:
    """Learn to translate Greek clauses; three minutes on one core for the preset ``bible``.

    Returns:
        The network, its BLEU on held-out verses by the paper's search and greedily, and the alignment error of its
        attention beside the diagonal's.

    Raises:
        InputError: another vocabulary than ours.
        MissingDependency: ``bible-alignments`` or ``sacrebleu`` is not installed.
    """
    vocabularies = our_vocabularies(config.vocab_size)
    torch.manual_seed(seed)
    model = GNMT(config)
    fit(model, vocabularies, greek_english("train"), epochs=EPOCHS, seed=seed, log=log)
    attention, diagonal = alignment_error(model, vocabularies)
    found = {
        "BLEU": translation_bleu(model, vocabularies, options=BeamSearchConfig(beam_size=8).options()),
        "BLEU, greedy": translation_bleu(model, vocabularies, options=SearchOptions(beam_size=1)),
    }
    return model, {
        **{name: round(value, 2) for name, value in found.items()},
        "alignment error": round(attention, 3),
        "alignment error of the diagonal": round(diagonal, 3),
    }
