"""Associative recall, which the language model is trained on."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.errors import InputError
from zoo.nn.descent import descend
from zoo_sequence.pavlovian_attention.config import PavlovianLanguageModelConfig
from zoo_sequence.pavlovian_attention.language_model import PavlovianLanguageModel


def train(
    config: PavlovianLanguageModelConfig, *, preset: str | None, seed: int, log: Callable[[str], None]
) -> tuple[nn.Module, dict[str, float]]:
    """Associative recall: n key-value pairs, then one key whose value must follow.

    n is drawn from 2 to 8 for half of the steps, then up to 16, then up to 32: with long sequences from the start
    the layers do not find out that keys and values belong together.

    Returns:
        The trained model, with its accuracy on held-out sequences by n, beside that of chance.
    """
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    model, steps = PavlovianLanguageModel(config), 8000
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

    def loss_of(step: int) -> Tensor:
        most = 8 if 2 * step < steps else 16 if 4 * step < 3 * steps else 32
        pairs = int(torch.randint(2, most + 1, (), generator=generator))
        ids, answers = recall_batch(config, 64, generator, pairs)
        return functional.cross_entropy(model(ids)[:, -1], answers)

    descend(model, range(steps), loss_of, optimizer, log=log, log_every=1000)
    return model, recall_accuracy(model, config, generator) | {"chance": 2 / config.vocab_size}


def recall_accuracy(
    model: nn.Module, config: PavlovianLanguageModelConfig, generator: torch.Generator
) -> dict[str, float]:
    """Share of right answers of 1000 fresh sequences for each of n = 2, 4, 8, 16, 32 pairs."""
    found = {}
    with torch.no_grad():
        for pairs in (2, 4, 8, 16, 32):
            ids, answers = recall_batch(config, 1000, generator, pairs)
            found[f"recall of {pairs}"] = float((model(ids)[:, -1].argmax(-1) == answers).float().mean())
    return found


def recall_batch(
    config: PavlovianLanguageModelConfig, batch: int, generator: torch.Generator, pairs: int
) -> tuple[Tensor, Tensor]:
    """Sequences k1 v1 ... kn vn k_i of ids (batch, 2 n + 1) and the answers v_i (batch,).

    Keys come from the first half of the vocabulary and differ within a sequence, values from the second half.

    Raises:
        InputError: more pairs than there are keys.
    """
    half = config.vocab_size // 2
    if pairs > half:
        raise InputError(f"{pairs} pairs need as many keys; a vocabulary of {config.vocab_size} has {half}")
    keys = torch.rand(batch, half, generator=generator).argsort(1)[:, :pairs]
    values = torch.randint(half, config.vocab_size, (batch, pairs), generator=generator)
    asked = torch.randint(pairs, (batch, 1), generator=generator)
    sequence = torch.stack((keys, values), -1).flatten(1)
    return torch.cat((sequence, keys.gather(1, asked)), 1), values.gather(1, asked)[:, 0]
