"""Training on Greek and English clauses."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from zoo_seq2seq.clauses import greek_english
from zoo_seq2seq.luong_attention.config import LuongNMTConfig
from zoo_seq2seq.luong_attention.network import LuongNMT
from zoo_seq2seq.translating import alignment_error, fit, our_vocabularies, translation_bleu

EPOCHS = 12


def train(
    config: LuongNMTConfig, *, preset: str | None, seed: int, log: Callable[[str], object]
) -> tuple[nn.Module, dict[str, float]]:
    """Learn to translate Greek clauses; three minutes on one core for the preset ``bible``.

    Returns:
        The network, its BLEU on held-out verses, and the alignment error of its attention beside the diagonal's.

    Raises:
        InputError: other vocabularies than ours.
        MissingDependency: ``bible-alignments`` or ``sacrebleu`` is not installed.
    """
    vocabularies = our_vocabularies(config.source_vocab_size)
    torch.manual_seed(seed)
    model = LuongNMT(config)
    fit(model, vocabularies, greek_english("train"), epochs=EPOCHS, seed=seed, log=log)
    attention, diagonal = alignment_error(model, vocabularies)
    return model, {
        "BLEU": round(translation_bleu(model, vocabularies), 2),
        "alignment error": round(attention, 3),
        "alignment error of the diagonal": round(diagonal, 3),
    }
