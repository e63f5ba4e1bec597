"""The two tasks: scores of sentences for a summary, and the logit of a boundary between two contexts."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from zoo_interpret.attention_pattern_injection.config import EncoderConfig, SegmentationConfig
from zoo_interpret.attention_pattern_injection.encoder import PatternEncoder


class SummaryNetwork(nn.Module):
    """Probabilities (batch, S) that sentences belong to the summary."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.bert = PatternEncoder(config, "summary")
        self.ext_layer = nn.ModuleDict({"linear1": nn.Linear(config.dim, 1)})
        self.bert.reset_parameters()

    def forward(
        self,
        input_ids: Tensor,
        cls_positions: Tensor,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        cls_mask: Tensor | None = None,
    ) -> Tensor:
        """Score sentences.

        Args:
            input_ids: (batch, T), [CLS] and [SEP] around every sentence.
            cls_positions: (batch, S), where sentences begin.
            attention_mask: (batch, T), 1 for real tokens.
            token_type_ids: (batch, T), 0 and 1 in turn by sentence.
            cls_mask: (batch, S), 1 for real sentences; the others get 0.
        """
        hidden = self.bert(input_ids, attention_mask, token_type_ids).hidden
        rows = torch.arange(hidden.shape[0], device=hidden.device)[:, None]
        return self.score(hidden[rows, cls_positions], cls_mask)

    def score(self, sentences: Tensor, cls_mask: Tensor | None = None) -> Tensor:
        """Probabilities of sentence vectors (batch, S, dim)."""
        found = self.ext_layer["linear1"](sentences)[..., 0].sigmoid()
        return found if cls_mask is None else found * cls_mask.to(found.dtype)


class SegmentationNetwork(nn.Module):
    """Logits (batch,) of a topic boundary between what lies left and right of the [SEP]."""

    def __init__(self, config: SegmentationConfig) -> None:
        super().__init__()
        self.config = config
        self.bert = PatternEncoder(config, "segmentation")
        self.classifier = nn.Sequential(
            nn.Linear(config.dim, config.head_dim), nn.ReLU(), nn.Linear(config.head_dim, 1)
        )
        self.bert.reset_parameters()

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor | None = None, token_type_ids: Tensor | None = None
    ) -> Tensor:
        """Judge pairs of contexts.

        Args:
            input_ids: (batch, T): [CLS], left context, [SEP], right context.
            attention_mask: (batch, T), 1 for real tokens.
            token_type_ids: (batch, T), 0 left and 1 right.
        """
        hidden = self.bert(input_ids, attention_mask, token_type_ids).hidden
        logits: Tensor = self.classifier(hidden[:, 0])[:, 0]
        return logits


def _ids(config: EncoderConfig, batch: int, length: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    low = min(max(config.cls_id, config.sep_id) + 1, config.vocab_size - 1)
    return torch.randint(low, config.vocab_size, (batch, length), generator=generator)


def summary_example(config: EncoderConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Any]:
    """Two sentences of five words each."""
    ids = _ids(config, batch_size, 14, seed)
    ids[:, [0, 7]], ids[:, [6, 13]] = config.cls_id, config.sep_id
    return {
        "input_ids": ids,
        "cls_positions": torch.tensor([[0, 7]]).expand(batch_size, -1).clone(),
        "token_type_ids": (torch.arange(14) >= 7).long().expand(batch_size, -1).clone(),
    }


def segmentation_example(config: SegmentationConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Any]:
    """Six words on either side."""
    ids = _ids(config, batch_size, 14, seed)
    ids[:, 0], ids[:, 7] = config.cls_id, config.sep_id
    return {"input_ids": ids, "token_type_ids": (torch.arange(14) >= 7).long().expand(batch_size, -1).clone()}


def summary_paper_input(config: EncoderConfig) -> dict[str, Any]:
    """512 tokens in 16 sentences of 32."""
    length = min(512, config.max_length)
    ids = _ids(config, 1, length, 0)
    starts = torch.arange(0, length, 32)
    ids[0, starts] = config.cls_id
    ids[0, (starts + 31).clamp(max=length - 1)] = config.sep_id
    return {"input_ids": ids, "cls_positions": starts[None]}


def segmentation_paper_input(config: SegmentationConfig) -> dict[str, Any]:
    """128 tokens on either side."""
    length = min(258, config.max_length)
    ids = _ids(config, 1, length, 0)
    ids[0, 0], ids[0, length // 2] = config.cls_id, config.sep_id
    return {"input_ids": ids}
