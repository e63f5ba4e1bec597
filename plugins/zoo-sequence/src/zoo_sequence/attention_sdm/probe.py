"""The effective beta of every head of a model."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from zoo.bridges.transformers.inputs import Inputs, as_inputs, real_tokens
from zoo.bridges.transformers.maps import queries_keys_values
from zoo.bridges.transformers.tiny import tiny_model
from zoo.errors import InputError
from zoo.evidence.attention_plots import head_tables
from zoo.nn.heads import repeat_heads
from zoo_sequence.attention_sdm.config import ProbeConfig
from zoo_sequence.attention_sdm.intersections import radius_of_beta


@dataclass(frozen=True)
class BetaResult:
    """Effective betas of a model's heads.

    Args:
        mean, largest: tables (layers, heads).
        largest_logit: table (layers, heads), a lower bound of ``largest``: the logit is beta cos.
        radius: integer table of the Hamming radii whose fitted beta is nearest to the mean, at n = head_dim.
        head_dim: n.
    """

    mean: Tensor
    largest: Tensor
    largest_logit: Tensor
    radius: Tensor
    head_dim: int

    def to_dict(self) -> dict[str, Any]:
        """Nested lists, ready for JSON."""
        return {
            "mean": self.mean.tolist(),
            "largest": self.largest.tolist(),
            "largest_logit": self.largest_logit.tolist(),
            "radius": self.radius.tolist(),
            "head_dim": self.head_dim,
        }

    def plot(self, path: str | None = None) -> Any:
        """Mean beta of every head; a matplotlib figure."""
        return head_tables({"effective beta": self.mean}, path=path)


class BetaProbe:
    """``probe(model, inputs)``: the effective beta of every head of a transformers model."""

    def __init__(self, config: ProbeConfig) -> None:
        self.config = config

    def __call__(self, model: nn.Module, inputs: Inputs, tokenizer: Any = None) -> BetaResult:
        """Measure.

        Args:
            model: any model with query and key projections; rotary positions turn queries and keys, and leave
                their lengths.
            inputs: keyword arguments of its forward, a tensor, or a text; without padding.
            tokenizer: for texts.

        Raises:
            InputError: padded inputs, or heads of fewer than 6 features.
        """
        arguments = as_inputs(model, inputs, tokenizer)
        padding = real_tokens(arguments)
        if padding is not None and not bool(padding.all()):
            raise InputError("the inputs are padded: measure sequences of one length at a time")
        means, largest, logits, head_dim = [], [], [], 0
        for query, key, _ in queries_keys_values(model, arguments):
            head_dim = query.shape[-1]
            key = repeat_heads(key, query.shape[1])
            if self.config.positions == "last":
                query = query[:, :, -1:]
            betas = query.norm(dim=-1)[..., None] * key.norm(dim=-1)[:, :, None] / math.sqrt(head_dim)
            means.append(betas.mean((0, 2, 3)))
            largest.append(betas.amax((0, 2, 3)))
            logits.append((query @ key.transpose(-1, -2)).amax((0, 2, 3)) / math.sqrt(head_dim))
        mean = torch.stack(means)
        radius = [
            [radius_of_beta(beta, head_dim, estimator=self.config.estimator) for beta in row] for row in mean.tolist()
        ]
        return BetaResult(mean, torch.stack(largest), torch.stack(logits), torch.tensor(radius), head_dim)


def probe_example(config: ProbeConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Any]:
    """A random GPT-2 with heads of 16 features."""
    generator = torch.Generator().manual_seed(seed)
    return {
        "model": tiny_model("gpt2", seed=seed, n_embd=64),
        "inputs": {"input_ids": torch.randint(97, (batch_size, 20), generator=generator)},
    }
