"""The pictures on the cards."""

from __future__ import annotations

from pathlib import Path

import torch

import zoo
from zoo.evidence.plots import new_figure, saved
from zoo_sequence.pavlovian_attention.conditioning import Conditioning
from zoo_sequence.pavlovian_attention.config import (
    CapacityConfig,
    ConditioningConfig,
    MemoryConfig,
    PavlovianLanguageModelConfig,
)
from zoo_sequence.pavlovian_attention.memory import AssociativeMemory
from zoo_sequence.pavlovian_attention.rules import Plasticity
from zoo_sequence.pavlovian_attention.storage import Capacity, memory_system
from zoo_sequence.pavlovian_attention.training import recall_batch

PAIRS = (2, 4, 8, 12, 16, 24, 32)


@torch.no_grad()
def language_model(path: Path) -> None:
    """Share of right answers of the bundled model, whose four memories a layer have 16 features, on new sequences of
    key-value pairs and a question about one: it recalls while there are far fewer pairs than features."""
    model, config = zoo.load("pavlovian-attention-lm/recall"), PavlovianLanguageModelConfig()
    generator, found = torch.Generator().manual_seed(1), []
    for pairs in PAIRS:
        ids, answers = recall_batch(config, 500, generator, pairs)
        found.append(float((model(ids)[:, -1].argmax(-1) == answers).float().mean()))
    figure = new_figure(figsize=(7.5, 4.2))
    axis = figure.subplots()
    axis.plot(PAIRS, found, "o-", label="bundled model")
    axis.axhline(2 / config.vocab_size, color="grey", linestyle=":", label="chance")
    axis.set(xlabel="pairs in the sequence", ylabel="right answers", ylim=(0, 1.03), title="associative recall")
    axis.set_xticks(PAIRS)
    axis.grid(alpha=0.3)
    axis.legend()
    saved(figure, path)


def memory(path: Path) -> None:
    """A memory of 16 features that is told 24 random associations one after the other: how far its answer to each is
    from what it was told, right after the last; the delta rule forgets the oldest, the Hebb rule blurs all."""
    generator = torch.Generator().manual_seed(0)
    shape = (200, 24, 16)
    keys, values = (torch.nn.functional.normalize(torch.randn(shape, generator=generator), dim=-1) for _ in range(2))
    figure = new_figure(figsize=(7.5, 4.2))
    axis = figure.subplots()
    for rule, label in (("hebb", "Hebb"), ("decay", "Hebb with decay 0.9"), ("delta", "delta (Rescorla-Wagner)")):
        errors = torch.zeros(24)
        for told, answers in zip(keys, values, strict=True):
            system = AssociativeMemory(MemoryConfig(16, 16, rule=rule, eta=1.0, decay=0.9))
            system.write(told, answers)
            errors += (system.read(told) - answers).square().sum(-1)
        axis.plot(range(1, 25), (errors / len(keys)).tolist(), "o-", markersize=4, label=label)
    axis.set(xlabel="association, oldest first", ylabel="squared error of the answer", ylim=(0, None))
    axis.set_title("unit keys and values; mean of 200 memories")
    axis.grid(alpha=0.3)
    axis.legend()
    saved(figure, path)


def capacity(path: Path) -> None:
    """Squared error of three rules against the number of stored pairs, 32 features: the Hebb rule follows its theory,
    the delta rule that sees all pairs ten times errs less until there are more pairs than features."""
    counts = [2, 4, 8, 16, 24, 32, 48, 64]
    task = Capacity(CapacityConfig(key_dim=32, value_dim=32, pairs=counts, trials=20))
    systems = {
        "Hebb": memory_system(Plasticity("hebb")),
        "delta, pairs seen once": memory_system(Plasticity("delta", 0.5)),
        "delta, pairs seen ten times": memory_system(Plasticity("delta", 0.5), 10),
    }
    figure = new_figure(figsize=(7.5, 4.2))
    axis = figure.subplots()
    for label, system in systems.items():
        scores = task.run(system)
        axis.plot(counts, [scores[f"error at {count}"] for count in counts], "o-", label=label)
    axis.plot(counts, [task.theory(count) for count in counts], "k:", label="Hebb, by theory")
    axis.set(xlabel="stored pairs", ylabel="mean squared error", title="unit keys of 32 features")
    axis.grid(alpha=0.3)
    axis.legend()
    saved(figure, path)


def conditioning(path: Path) -> None:
    """The four protocols with the delta rule, which is Rescorla and Wagner's, and with the Hebb rule: response to the
    tested cue after each pairing; only the delta rule extinguishes, blocks and overshadows."""
    task = Conditioning(ConditioningConfig())
    figure = new_figure(figsize=(8.6, 5.4))
    for case, axis in zip(task.cases(), figure.subplots(2, 2).flat, strict=True):
        for rule in ("delta", "hebb"):
            curve = task.responses(case, task.memory(rule))
            axis.plot(range(1, len(curve) + 1), curve, label=rule)
        phases = ", then ".join(f"{cues} {'+' if strength else '-'}" for cues, strength in case.phases)
        axis.set_title(f"{case.name}: {phases}; test {case.test}", fontsize=9)
        axis.set(xlabel="pairing", ylabel="response", ylim=(-0.1, 2.1))
        axis.grid(alpha=0.3)
        axis.legend()
    saved(figure, path)
