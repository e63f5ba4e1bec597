"""Learning from a sentence-level reward: GLEU, samples, and the mixed objective.

GLEU = min(precision, recall) over all n-grams of one to four words
O = 0.017 O_ML + O_RL,    O_RL = sum over 15 samples of (r - mean r) log P
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from zoo_seq2seq.decoding import END, PAD, START, Decoder, Step, select

MIX = 0.017
SAMPLES = 15


def gleu(output: Sequence[Any], target: Sequence[Any], longest: int = 4) -> float:
    """GLEU of a sentence of words or ids, from 0 to 1; of nothing and nothing 1."""
    ours, theirs = _ngrams(output, longest), _ngrams(target, longest)
    most = max(sum(ours.values()), sum(theirs.values()))
    return sum((ours & theirs).values()) / most if most else 1.0


def _ngrams(words: Sequence[Any], longest: int) -> Counter[tuple[Any, ...]]:
    return Counter(
        tuple(words[start : start + size]) for size in range(1, longest + 1) for start in range(len(words) - size + 1)
    )


def sample(
    model: Decoder, source_ids: Tensor, source_mask: Tensor | None, generator: torch.Generator, *, longest: int
) -> tuple[Tensor, Tensor]:
    """Draw fifteen translations of every sentence.

    Returns:
        Tokens (batch, 15, longest), 0 after the end mark, and log P (batch, 15) with its gradient.
    """
    memory, state = model.encode(source_ids, source_mask)
    rows = torch.arange(source_ids.shape[0]).repeat_interleave(SAMPLES)
    memory, state = select(memory, rows), select(state, rows)
    tokens = torch.full((len(rows),), START)
    alive = torch.ones(len(rows), dtype=torch.bool)
    drawn: list[Tensor] = []
    total: Tensor = torch.zeros(len(rows))
    for _ in range(longest):
        step: Step = model.step(tokens, memory, state)
        state, logs = step.state, step.logits.float().log_softmax(-1)
        tokens = torch.multinomial(logs.detach().exp(), 1, generator=generator)[:, 0]
        total = total + torch.where(alive, logs.gather(1, tokens[:, None])[:, 0], 0.0)
        drawn.append(torch.where(alive, tokens, PAD))
        alive = alive & (tokens != END)
    return torch.stack(drawn, 1).unflatten(0, (-1, SAMPLES)), total.unflatten(0, (-1, SAMPLES))


def mixed_loss(likelihood_loss: Tensor, log_probabilities: Tensor, rewards: Tensor, mix: float = MIX) -> Tensor:
    """-O: what is minimised.

    Args:
        likelihood_loss: -O_ML, a scalar.
        log_probabilities: (batch, samples) log P of the samples.
        rewards: (batch, samples) of them; the mean of a sentence's samples is taken off.
        mix: weight of the likelihood.
    """
    advantage = rewards - rewards.mean(-1, keepdim=True)
    return mix * likelihood_loss - (advantage.detach() * log_probabilities).mean()
