"""A language model of such layers, and the associative recall it is trained on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

import torch
from torch import Tensor, nn
from torch.nn import functional

import zoo
from zoo.errors import ConfigError, InputError
from zoo.nn.encoder_block import EncoderBlock
from zoo_sequence.pavlovian_attention.layer import STATEFUL, PavlovianAttention, PavlovianConfig
from zoo_sequence.pavlovian_attention.rules import RULES


@dataclass
class PavlovianLanguageModelConfig(PavlovianConfig):
    """Config of the language model: that of its layers, and their number, host and rules."""

    vocab_size: int = zoo.field(64, "tokens of the vocabulary", minimum=1)
    num_layers: int = zoo.field(2, "blocks", minimum=1)
    max_length: int = zoo.field(128, "context", unit="tokens", minimum=1)
    mlp_ratio: float = zoo.field(4.0, "feed-forward width over model width", minimum=0.0)
    rules: list[str] = zoo.field([], "one rule per layer instead of the same for all", choices=(*RULES, "softmax"))

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.rules) not in (0, 1, self.num_layers):
            raise ConfigError(
                f"{len(self.rules)} rules for {self.num_layers} layers; give one, or one each", field="rules"
            )
        for index in range(self.num_layers):
            self.layer(index)

    def layer(self, index: int) -> PavlovianConfig:
        """Config of the attention of one block; what needs a state is left to the layers that have one."""
        rule = self.rules[index % len(self.rules)] if self.rules else self.rule
        stateless = STATEFUL if rule == "softmax" else {}
        shared = {item.name: getattr(self, item.name) for item in fields(PavlovianConfig)}
        return PavlovianConfig(**{**shared, **stateless, "rule": rule})


class PavlovianLanguageModel(nn.Module):
    """Ids (batch, length) int64 to logits (batch, length, vocab_size); learned positions, untied head."""

    def __init__(self, config: PavlovianLanguageModelConfig) -> None:
        super().__init__()
        self.max_length = config.max_length
        self.token_embedding = nn.Embedding(config.vocab_size, config.dim)
        self.position_embedding = nn.Embedding(config.max_length, config.dim)
        self.blocks = nn.ModuleList(
            EncoderBlock(PavlovianAttention(config.layer(index)), config.dim, config.mlp_ratio)
            for index in range(config.num_layers)
        )
        self.norm = nn.LayerNorm(config.dim)
        self.head = nn.Linear(config.dim, config.vocab_size, bias=False)

    def forward(self, input_ids: Tensor, attn_mask: Tensor | None = None) -> Tensor:
        """Next-token logits.

        Raises:
            InputError: the sequence is longer than the learned positions.
        """
        length = input_ids.shape[1]
        if length > self.max_length:
            raise InputError(f"{length} tokens, but positions end at max_length={self.max_length}")
        x = self.token_embedding(input_ids) + self.position_embedding.weight[:length]
        for block in self.blocks:
            x = block(x, attn_mask=attn_mask)
        return self.head(self.norm(x))


def language_model_example(
    config: PavlovianLanguageModelConfig, batch_size: int = 2, seed: int = 0
) -> dict[str, Tensor]:
    """Random ids of length 12."""
    generator = torch.Generator().manual_seed(seed)
    length = min(12, config.max_length)
    return {"input_ids": torch.randint(config.vocab_size, (batch_size, length), generator=generator)}


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
    for step in range(steps):
        most = 8 if 2 * step < steps else 16 if 4 * step < 3 * steps else 32
        pairs = int(torch.randint(2, most + 1, (), generator=generator))
        ids, answers = recall_batch(config, 64, generator, pairs)
        loss = functional.cross_entropy(model(ids)[:, -1], answers)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 1000 == 0:
            log(f"step {step}: loss {float(loss.detach()):.3f}")
    return model.eval(), recall_accuracy(model, config, generator) | {"chance": 2 / config.vocab_size}


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
