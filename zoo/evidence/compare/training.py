"""One layer, one task, one seed: the host, its training, its scores and its cost.

The host is small and the same for all: token embedding, blocks of [RMSNorm, attention, RMSNorm, SwiGLU] with residuals,
final RMSNorm and head. A layer that does not tell positions apart by itself gets sinusoids on the embedding's scale.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.evidence.compare.tasks import IGNORED, Batch, Task
from zoo.evidence.measuring import PeakMemory, count_parameters
from zoo.nn.attention import MultiHeadAttention
from zoo.nn.drop_in import attention_layer
from zoo.nn.language_model import Decoder, LanguageModelConfig
from zoo.threads import one_thread

BASELINE = "full attention"


@dataclass(frozen=True)
class Layer:
    """A drop-in layer by name, with config of its own; ``BASELINE`` is the host's rotary attention."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """The name, and the options."""
        options = ", ".join(f"{key}={value}" for key, value in self.options.items())
        return self.name + (f" ({options})" if options else "")

    def build(self, *, dim: int, num_heads: int, causal: bool, max_length: int) -> nn.Module:
        """A fresh one.

        Raises:
            ConfigError: there is none of that shape.
        """
        if self.name == BASELINE:
            return MultiHeadAttention(dim, num_heads, causal=causal, rope_theta=10_000.0)
        return attention_layer(
            self.name, dim=dim, num_heads=num_heads, causal=causal, max_length=max_length, **self.options
        )


@dataclass(frozen=True)
class Settings:
    """How every run is trained: the host's shape, the steps, their batch and the peak of the learning rate."""

    dim: int = 64
    num_layers: int = 2
    num_heads: int = 4
    steps: int = 400
    batch_size: int = 32
    learning_rate: float = 3e-3
    warm_up: int = 30
    evaluated: int = 512


@dataclass(frozen=True)
class Run:
    """What came of one layer, task and seed.

    Args:
        layer, task, seed: which.
        scores: by level.
        causal: whether the layer was causal.
        positions: "its own" or "sinusoidal".
        parameters: of one layer.
        milliseconds: CPU time of a training step, the median.
        peak_bytes: of tensors alive at once in a training step at the hardest level, parameters left out.
    """

    layer: str
    task: str
    seed: int
    scores: dict[str, float]
    causal: bool
    positions: str
    parameters: int
    milliseconds: float
    peak_bytes: int


class Host(nn.Module):
    """Ids (batch, length) int64 to logits (batch, length, vocab_size)."""

    def __init__(self, layer: Layer, task: Task, settings: Settings, *, causal: bool) -> None:
        super().__init__()
        config = LanguageModelConfig(
            dim=settings.dim,
            num_heads=settings.num_heads,
            num_layers=settings.num_layers,
            hidden_dim=2 * settings.dim,
            vocab_size=task.vocab_size,
            max_length=task.length,
        )

        shape = {"dim": settings.dim, "num_heads": settings.num_heads, "max_length": task.length}
        layers = [layer.build(**shape, causal=causal) for _ in range(settings.num_layers)]
        self.model = Decoder(config, layers)
        self.head = nn.Linear(settings.dim, task.vocab_size, bias=False)
        nn.init.normal_(self.model.embed_tokens.weight, std=self.model.embedding_std)
        for module in (self.head, *(block.get_submodule("mlp") for block in self.model.layers)):
            for linear in module.modules():
                if isinstance(linear, nn.Linear):
                    nn.init.normal_(linear.weight, std=0.02)

    def forward(self, ids: Tensor) -> Tensor:
        """Logits at every position."""
        return self.head(self.model(ids))


def train(layer: Layer, task: Task, seed: int, settings: Settings, *, causal: bool) -> Run:
    """Train from scratch; initialisation and data follow the seed alone."""
    torch.manual_seed(seed)
    with one_thread():
        host = Host(layer, task, settings, causal=causal).train()
        optimizer = torch.optim.AdamW(host.parameters(), betas=(0.9, 0.95), weight_decay=0.1)
        generator = torch.Generator().manual_seed(seed)
        seconds = []
        for step in range(settings.steps):
            level = task.levels[int(torch.randint(len(task.levels), (), generator=generator))]
            batch = task.draw(level, settings.batch_size, generator, False)
            start = time.process_time()
            _step(host, optimizer, batch, settings, step)
            seconds.append(time.process_time() - start)
        hardest = task.draw(task.levels[-1], settings.batch_size, generator, False)
        with PeakMemory() as memory:
            _loss(host, hardest).backward()
        scores = _scores(host.eval(), task, settings)
    table = host.model.position_table
    return Run(
        layer.label,
        task.name,
        seed,
        scores,
        causal,
        "its own" if table is None else "sinusoidal",
        count_parameters(host.model.layers[0].get_submodule("self_attn")),
        1000 * statistics.median(seconds),
        memory.peak,
    )


def _step(host: Host, optimizer: torch.optim.Optimizer, batch: Batch, settings: Settings, at: int) -> None:
    """One step; the rate rises to its peak and falls to a tenth of it along a cosine."""
    decay = 0.55 + 0.45 * math.cos(math.pi * at / settings.steps)
    for group in optimizer.param_groups:
        group["lr"] = settings.learning_rate * min(1.0, (at + 1) / settings.warm_up) * decay
    optimizer.zero_grad()
    _loss(host, batch).backward()
    nn.utils.clip_grad_norm_(host.parameters(), 1.0)
    optimizer.step()


def _loss(host: Host, batch: Batch) -> Tensor:
    ids, targets = batch
    return F.cross_entropy(host(ids).flatten(0, 1).float(), targets.flatten(), ignore_index=IGNORED)


@torch.no_grad()
def _scores(host: Host, task: Task, settings: Settings) -> dict[str, float]:
    """By level: the share of right answers, or bits per character; the data are the same for every layer and seed."""
    found = {}
    for level in task.levels:
        generator = torch.Generator().manual_seed(2**31 + level)
        ids, targets = task.draw(level, settings.evaluated, generator, True)
        logits, asked = host(ids), targets != IGNORED
        if task.unit == "bits":
            score = float(F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten())) / math.log(2)
        else:
            score = float((logits.argmax(-1) == targets)[asked].float().mean())
        found[str(level)] = score
    return found
