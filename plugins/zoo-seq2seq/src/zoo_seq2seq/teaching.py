"""What recognisers of speech are taught: tokens that go in and come out, and CTC."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from zoo_seq2seq.decoding import END, PAD, START


def previous(labels: Tensor) -> Tensor:
    """Tokens (B, U + 1) to feed: the start mark and labels (B, U), padded behind with 0."""
    return functional.pad(labels, (1, 0), value=START)


def following(labels: Tensor) -> Tensor:
    """Tokens (B, U + 1) to predict from these: labels, the end mark, padding."""
    found = functional.pad(labels, (0, 1), value=PAD)
    return found.scatter(1, (labels != PAD).sum(1, keepdim=True), END)


def ctc_loss(logits: Tensor, lengths: Tensor, labels: Tensor) -> Tensor:
    """Mean CTC loss of logits (B, T', V) and labels (B, U); an utterance with too few frames counts 0."""
    log_p = logits.float().log_softmax(-1).transpose(0, 1)
    return functional.ctc_loss(log_p, labels, lengths, (labels != PAD).sum(1), blank=PAD, zero_infinity=True)
