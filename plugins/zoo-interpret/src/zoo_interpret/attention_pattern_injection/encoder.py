"""A BERT encoder whose heads, or branches, have patterns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.errors import InputError
from zoo_interpret.attention_pattern_injection.attention import PatternedSelfAttention, modes
from zoo_interpret.attention_pattern_injection.config import EncoderConfig
from zoo_interpret.attention_pattern_injection.pals import ProjectedAttentionLayer
from zoo_interpret.attention_pattern_injection.patterns import all_patterns, by_head


class Embeddings(nn.Module):
    """Words, positions and segments, normalised."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(config.vocab_size, config.dim, padding_idx=_padding(config))
        self.position_embeddings = nn.Embedding(config.max_length, config.dim)
        self.token_type_embeddings = nn.Embedding(config.types, config.dim)
        self.LayerNorm = nn.LayerNorm(config.dim, eps=config.eps)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, input_ids: Tensor, token_type_ids: Tensor | None) -> Tensor:
        """(batch, T) to (batch, T, dim)."""
        positions = torch.arange(input_ids.shape[1], device=input_ids.device)
        types = torch.zeros_like(input_ids) if token_type_ids is None else token_type_ids
        found = (
            self.word_embeddings(input_ids) + self.token_type_embeddings(types) + self.position_embeddings(positions)
        )
        out: Tensor = self.dropout(self.LayerNorm(found))
        return out


def _padding(config: EncoderConfig) -> int | None:
    return config.pad_id if config.pad_id < config.vocab_size else None


class Output(nn.Module):
    """A projection, a residual and their norm."""

    def __init__(self, inputs: int, config: EncoderConfig) -> None:
        super().__init__()
        self.dense = nn.Linear(inputs, config.dim)
        self.LayerNorm = nn.LayerNorm(config.dim, eps=config.eps)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, residual: Tensor) -> Tensor:
        """(batch, T, inputs) and (batch, T, dim) to (batch, T, dim)."""
        out: Tensor = self.LayerNorm(self.dropout(self.dense(x)) + residual)
        return out


class Layer(nn.Module):
    """Attention and a feed-forward network, each followed by a norm."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        count = 0 if config.pals else config.heads_per_pattern
        synthesized = modes(config.num_heads, count, config.matching, config.intra, config.positional)
        self.attention = nn.ModuleDict(
            {
                "self": PatternedSelfAttention(
                    config.dim,
                    config.num_heads,
                    synthesized,
                    config.dropout,
                    reference_padding=config.reference_padding,
                ),
                "output": Output(config.dim, config),
            }
        )
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(config.dim, config.hidden_dim)})
        self.output = Output(config.hidden_dim, config)

    def forward(
        self, x: Tensor, patterns: Tensor, padding: Tensor | None, branch: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Output (batch, T, dim) and weights (batch, heads, T, T); ``branch`` joins the second residual."""
        mixed, weights = self.attention["self"](x, patterns, padding)
        attended = self.attention["output"](mixed, x)
        inner = functional.gelu(self.intermediate["dense"](attended))
        return self.output(inner, attended if branch is None else attended + branch), weights


@dataclass(frozen=True)
class Encoded:
    """What the encoder gives.

    Args:
        hidden: (batch, T, dim).
        attention: (batch, layers, heads, T, T), or None where it was not asked for.
    """

    hidden: Tensor
    attention: Tensor | None = None


class PatternEncoder(nn.Module):
    """The encoder of one task.

    Args:
        config: see the schema.
        task: "summary" or "segmentation", which decides the patterns' form and order.
    """

    def __init__(self, config: EncoderConfig, task: str) -> None:
        super().__init__()
        self.config, self.task = config, task
        self.embeddings = Embeddings(config)
        self.encoder = nn.ModuleDict({"layer": nn.ModuleList([Layer(config) for _ in range(config.num_layers)])})
        count = config.num_layers if config.pals else 0
        self.pals = nn.ModuleList([ProjectedAttentionLayer(config) for _ in range(count)])

    def reset_parameters(self) -> None:
        """As BERT: normal of 0.02; branches write nothing."""
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                nn.init.normal_(module.weight, std=0.02)
            if isinstance(module, nn.Linear):
                nn.init.zeros_(module.bias)
        for pal in self.pals:
            pal.reset_parameters()  # type: ignore[operator]

    def patterns(self, input_ids: Tensor) -> Tensor:
        """What every head of a layer may see, (batch, heads, T, T) boolean; padding not considered."""
        config = self.config
        count = 0 if config.pals else config.heads_per_pattern
        return by_head(self._four(input_ids, None), config.num_heads, count)

    def pal_patterns(self, input_ids: Tensor) -> Tensor:
        """The same of a branch's heads: matching, intra, -1, +1 for both tasks."""
        return by_head(self._four(input_ids, True), self.config.pal_heads, 1)

    def _four(self, input_ids: Tensor, backwards_first: bool | None) -> Tensor:
        config = self.config
        return all_patterns(
            input_ids,
            task=self.task,
            cls_id=config.cls_id,
            sep_id=config.sep_id,
            reach=config.reach,
            backwards_first=backwards_first,
        )

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        *,
        need_weights: bool = False,
    ) -> Encoded:
        """Encode.

        Args:
            input_ids: (batch, T).
            attention_mask: (batch, T), 1 for real tokens.
            token_type_ids: (batch, T) segments, all 0 by default.
            need_weights: whether attention is returned.

        Raises:
            InputError: more tokens than positions, or a mask of another shape.
        """
        if input_ids.shape[1] > self.config.max_length:
            raise InputError(f"{input_ids.shape[1]} tokens; max_length={self.config.max_length}")
        if attention_mask is not None and attention_mask.shape != input_ids.shape:
            raise InputError(
                f"attention_mask of shape {tuple(attention_mask.shape)}; expected {tuple(input_ids.shape)}"
            )
        x = self.embeddings(input_ids, token_type_ids)
        seen = input_ids
        if attention_mask is not None and not self.config.reference_padding:
            # What stands in padding matches no word, and begins or ends no sentence.
            seen = input_ids.masked_fill(attention_mask == 0, self.config.pad_id)
        patterns, kept = self.patterns(seen), []
        pal_patterns = self.pal_patterns(seen) if len(self.pals) else patterns
        layers: Any = self.encoder["layer"]
        for index, layer in enumerate(layers):
            branch = self.pals[index](x, pal_patterns, attention_mask) if len(self.pals) else None
            x, weights = layer(x, patterns, attention_mask, branch)
            if need_weights:
                kept.append(weights)
        return Encoded(x, torch.stack(kept, 1) if need_weights else None)


def longer_positions(weight: Tensor, length: int) -> Tensor:
    """A table of positions (T, dim) for ``length`` tokens, its last vector repeated, as for long summaries."""
    more = length - len(weight)
    return weight[:length] if more <= 0 else torch.cat((weight, weight[-1:].expand(more, -1)))
