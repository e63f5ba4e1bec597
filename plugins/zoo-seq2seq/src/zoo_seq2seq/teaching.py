"""What recognisers of speech are taught: tokens that go in and come out, CTC, and the course of a training."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
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


def teach(
    model: nn.Module,
    loss_of: Callable[[int], Tensor],
    *,
    steps: int,
    rate: float,
    log: Callable[[str], object] = lambda line: None,
) -> None:
    """Train with Adam, a rate that rises for a tenth of the steps and falls, and gradients of norm 1; then eval mode.

    Args:
        loss_of: from the number of a step to its loss.
        rate: the highest.
        log: takes a line every fifty steps.
    """
    optimizer = torch.optim.Adam(model.parameters(), rate)
    rates = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps, pct_start=0.1)
    model.train()
    losses = []
    for step in range(steps):
        loss = loss_of(step)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        rates.step()
        losses.append(float(loss.detach()))
        if step % 50 == 49:
            log(f"step {step + 1}/{steps}: loss {sum(losses[-50:]) / 50:.3f}")
    model.eval()
