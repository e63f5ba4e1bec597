"""Language models of characters, with chosen blocks and with full attention, trained alike."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.nn.descent import descend
from zoo_sequence.moba.characters import Corpus, require_alphabet
from zoo_sequence.moba.config import MoBALanguageModelConfig
from zoo_sequence.moba.language_model import MoBALanguageModel

STEPS, WARM_UP, BATCH, PEAK_RATE = 5_000, 100, 2, 3e-3
HELD_OUT_WINDOWS = 256


@torch.no_grad()
def bits_per_character(model: nn.Module, text: Tensor, length: int) -> float:
    """Mean -log2 of the true next character over windows of ``length`` that do not overlap."""
    windows = text.unfold(0, length + 1, length)[:HELD_OUT_WINDOWS]
    bits = 0.0
    for some in windows.split(16):
        logits = model(some[:, :-1])
        bits += float(F.cross_entropy(logits.flatten(0, 1), some[:, 1:].flatten(), reduction="sum")) / math.log(2)
    return bits / (windows.shape[0] * length)


def fit(config: MoBALanguageModelConfig, corpus: Corpus, *, seed: int, log: Callable[[str], None]) -> MoBALanguageModel:
    """Train one model; initialisation and order of the text follow the seed alone."""
    torch.manual_seed(seed)
    model = MoBALanguageModel(config)
    optimizer = torch.optim.AdamW(model.parameters(), 1.0, betas=(0.9, 0.95), weight_decay=0.1)
    generator = torch.Generator().manual_seed(seed)
    within = torch.arange(config.max_length + 1)

    def rate(step: int) -> float:
        decay = 0.55 + 0.45 * math.cos(math.pi * step / STEPS)
        return PEAK_RATE * min(1.0, (step + 1) / WARM_UP) * decay

    def loss_of(step: int) -> Tensor:
        starts = torch.randint(len(corpus.train) - len(within), (BATCH, 1), generator=generator)
        return model.loss(corpus.train[starts + within])

    rates = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
    log(f"{config.attention} attention, {STEPS} steps; losses in nats per character")
    descend(model, range(STEPS), loss_of, optimizer, rates=rates, clip=1.0, log=log, log_every=250)
    return model


def train(
    config: MoBALanguageModelConfig, *, preset: str | None, seed: int, log: Callable[[str], None]
) -> tuple[nn.Module, dict[str, float]]:
    """Train a character model, and the same model with full attention for comparison.

    The metrics are bits per character on modules that neither model has seen: of the model, of its twin, and of the
    model after a switch to the other kind of attention.

    Raises:
        InputError: the config's vocabulary is not the alphabet.
    """
    require_alphabet(config)
    corpus = Corpus.of_this_python()
    log(f"{corpus.name}: {len(corpus.train)} characters to learn from, {len(corpus.held_out)} held out")
    model = fit(config, corpus, seed=seed, log=log)
    metrics = {"bits_per_character": bits_per_character(model, corpus.held_out, config.max_length)}
    if config.attention == "moba":
        twin = fit(replace(config, attention="full"), corpus, seed=seed, log=log)
        metrics["bits_per_character_full_twin"] = bits_per_character(twin, corpus.held_out, config.max_length)
        model.switch("full")
        metrics["bits_per_character_switched_to_full"] = bits_per_character(model, corpus.held_out, config.max_length)
        model.switch("moba")
    return model, {name: round(value, 4) for name, value in metrics.items()}
