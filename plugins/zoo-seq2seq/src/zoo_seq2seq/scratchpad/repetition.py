"""A task that punishes forgetting what was said: name every item of a set once, in any order."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional
from torch.optim.lr_scheduler import LambdaLR

from zoo.nn.descent import descend
from zoo_seq2seq.decoding import END, START
from zoo_seq2seq.scratchpad.config import ScratchpadConfig
from zoo_seq2seq.scratchpad.network import ScratchpadNetwork
from zoo_seq2seq.search import greedy_search

ITEMS, FIRST, SIZE = 16, 4, 6


def sets(count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Sets (count, 6) of 16 items, and the same items in another order."""
    items = torch.rand(count, ITEMS, generator=generator).argsort(1)[:, :SIZE] + FIRST
    order = torch.rand(count, SIZE, generator=generator).argsort(1)
    return items, items.gather(1, order)


def learn(gate: str, *, steps: int = 500, seed: int = 0) -> ScratchpadNetwork:
    """A small network that was taught to name the items, each time in another order."""
    torch.manual_seed(seed)
    vocab = FIRST + ITEMS
    config = ScratchpadConfig(vocab, vocab, 24, 16, 1, 32, 1, gate=gate, dropout=0.0)
    model = ScratchpadNetwork(config)
    generator = torch.Generator().manual_seed(seed)

    def loss_of(step: int) -> Tensor:
        source, target = sets(64, generator)
        fed = torch.cat((torch.full((64, 1), START), target), 1)
        wanted = torch.cat((target, torch.full((64, 1), END)), 1)
        return functional.cross_entropy(model(source, fed).logits.flatten(0, 1), wanted.flatten())

    optimizer = torch.optim.Adam(model.parameters(), 5e-3)
    falling = LambdaLR(optimizer, lambda step: 1 - step / steps)
    descend(model, range(steps), loss_of, optimizer, rates=falling, clip=2.0)
    return model


@dataclass(frozen=True)
class Naming:
    """How a network names sets.

    Args:
        covered: share of the items that are named.
        repeated: share of the words that were said before.
        step_entropy: mean entropy of a step's attention, in nats.
        summed_entropy: mean entropy of the attention of all steps together, in nats.
    """

    covered: float
    repeated: float
    step_entropy: float
    summed_entropy: float


def naming(model: ScratchpadNetwork, count: int = 200) -> Naming:
    """Let a network name new sets, greedily."""
    source, _ = sets(count, torch.Generator().manual_seed(99))
    found = greedy_search(model, source, max_lengths=SIZE + 2)
    covered, repeated, words = 0, 0, 0
    for row, items in enumerate(source.tolist()):
        said = found.ids(row)
        covered += len(set(said) & set(items))
        repeated += len(said) - len(set(said))
        words += len(said)
    weights = found.attention[:, 0]
    real = torch.arange(weights.shape[1]) < found.lengths[:, :1]
    return Naming(
        covered / (count * SIZE),
        repeated / max(words, 1),
        float(_entropy(weights)[real].mean()),
        float(_entropy(functional.normalize(weights.sum(1), p=1, dim=-1)).mean()),
    )


def _entropy(weights: Tensor) -> Tensor:
    return -torch.special.xlogy(weights, weights).sum(-1)
