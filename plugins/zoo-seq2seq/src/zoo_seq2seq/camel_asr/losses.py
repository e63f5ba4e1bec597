"""What the network is trained with: labels of every part, and the loss of all."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from zoo.errors import InputError
from zoo_seq2seq.camel_asr.config import CamelConfig
from zoo_seq2seq.camel_asr.network import CamelOutput, languages_of
from zoo_seq2seq.decoding import PAD, UNKNOWN
from zoo_seq2seq.teaching import ctc_loss, following

ENGLISH, MANDARIN = 1, 2


@dataclass(frozen=True, eq=False)
class Losses:
    """The loss and its parts, means over tokens (or over labels, of CTC); each a scalar."""

    total: Tensor
    ctc: Tensor
    tokens: Tensor
    english: Tensor
    mandarin: Tensor
    languages: Tensor


def language_labels(labels: Tensor, language: int, config: CamelConfig) -> Tensor:
    """Labels (B, U) in which every token of the other language is the unknown one; marks and padding stay."""
    foreign = languages_of(labels, config) == ENGLISH + MANDARIN - language
    return labels.masked_fill(foreign, UNKNOWN)


def losses(output: CamelOutput, labels: Tensor, config: CamelConfig) -> Losses:
    """The loss of a network's output.

    Args:
        output: for the tokens ``previous(labels)``.
        labels: (B, U) tokens without marks, padded behind with 0.
        config: the network's.

    Raises:
        InputError: an output of another number of tokens.
    """
    if output.logits.shape[:2] != (labels.shape[0], labels.shape[1] + 1):
        raise InputError(
            f"logits of {tuple(output.logits.shape[:2])} tokens for labels {tuple(labels.shape)}; "
            "expected one more than labels: the network takes previous(labels)"
        )
    targets = following(labels)
    tokens = functional.cross_entropy(output.logits.flatten(0, 1).float(), targets.flatten(), ignore_index=PAD)
    languages = tokens.new_zeros(())
    if config.ld_layers:
        classes = languages_of(targets, config).masked_fill(targets == PAD, -1)
        languages = functional.cross_entropy(
            output.language_logits.flatten(0, 1).float(), classes.flatten(), ignore_index=-1
        )
    ctc = ctc_loss(output.ctc_logits, output.ctc_lengths, labels)
    english, mandarin = (
        ctc_loss(logits, output.ctc_lengths, language_labels(labels, language, config))
        for language, logits in ((ENGLISH, output.english_logits), (MANDARIN, output.mandarin_logits))
    )
    weight = config.ctc_weight
    beta = config.language_weight * (weight if config.language_in_ctc else 1.0)
    total = weight * ctc + (1 - weight) * tokens + beta * (english + mandarin) / 2 + config.ld_weight * languages
    return Losses(torch.as_tensor(total), ctc, tokens, english, mandarin, languages)
