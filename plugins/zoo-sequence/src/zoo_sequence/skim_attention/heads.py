"""What reads the hidden states, and how the entries are put together."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from zoo_sequence.skim_attention.config import (
    DocumentConfig,
    LongSkimformerConfig,
    SkimEmbedConfig,
    SkimformerConfig,
    SkimmingMaskConfig,
)
from zoo_sequence.skim_attention.hosts import BertWithSkimEmbed, SkimmingMask
from zoo_sequence.skim_attention.layout import bert_config, bert_modules, initialise
from zoo_sequence.skim_attention.skimformer import DocumentOutput, LongSkimformer, Skimformer


class WithHead(nn.Module):
    """A model and what reads its hidden states; takes the model's arguments, and gives ``logits`` too."""

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone

    def read(self, hidden: Tensor) -> Tensor:
        """Hidden states (batch, length, dim) to logits (batch, length, ...)."""
        raise NotImplementedError

    def forward(self, input_ids: Tensor, bbox: Tensor | None = None, *args: Any, **options: Any) -> DocumentOutput:
        """The model's output with ``logits``."""
        output = self.backbone(input_ids, bbox, *args, **options)
        return replace(output, logits=self.read(output.last_hidden_state))


class MaskedLanguageModel(WithHead):
    """Logits (batch, length, vocab_size); the decoder's matrix is the table of words."""

    def __init__(self, backbone: Any, config: DocumentConfig) -> None:
        super().__init__(backbone)
        self.cls = bert_modules().BertOnlyMLMHead(bert_config(config))
        initialise(self.cls)
        self.cls.predictions.decoder.weight = backbone.word_embeddings.weight
        self.cls.predictions.bias = self.cls.predictions.decoder.bias

    def read(self, hidden: Tensor) -> Tensor:
        """Dense, GELU, norm, decoder."""
        return self.cls(hidden)


class TokenClassifier(WithHead):
    """Logits (batch, length, num_classes)."""

    def __init__(self, backbone: nn.Module, config: DocumentConfig) -> None:
        super().__init__(backbone)
        self.drop = nn.Dropout(config.dropout)
        self.classifier = nn.Linear(config.dim, config.num_classes)
        initialise(self.classifier)

    def read(self, hidden: Tensor) -> Tensor:
        """Dropout, linear."""
        return self.classifier(self.drop(hidden))


def with_head(backbone: nn.Module, config: DocumentConfig) -> nn.Module:
    """The model itself, or the model with the head that the config asks for."""
    if config.head == "mlm":
        return MaskedLanguageModel(backbone, config)
    return TokenClassifier(backbone, config) if config.head == "token-classification" else backbone


def build_skimformer(config: SkimformerConfig) -> nn.Module:
    """The entry ``skim-attention``."""
    return with_head(Skimformer(config), config)


def build_long_skimformer(config: LongSkimformerConfig) -> nn.Module:
    """The entry ``skim-attention-long``."""
    return with_head(LongSkimformer(config), config)


def build_skimming_mask(config: SkimmingMaskConfig) -> nn.Module:
    """The entry ``skim-attention-mask``."""
    return with_head(SkimmingMask(config), config)


def build_skim_embed(config: SkimEmbedConfig) -> nn.Module:
    """The entry ``skim-attention-embed``."""
    return with_head(BertWithSkimEmbed(config), config)


def example(config: DocumentConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random words in random boxes, the last ones of the first document padding."""
    generator = torch.Generator().manual_seed(seed)
    length = min(13, config.max_length)
    corners = torch.randint(config.max_2d_positions, (batch_size, length, 2, 2), generator=generator).sort(2).values
    attention_mask = torch.ones(batch_size, length, dtype=torch.int64)
    attention_mask[0, length - length // 4 :] = 0
    return {
        "input_ids": torch.randint(config.vocab_size, (batch_size, length), generator=generator),
        "bbox": corners.flatten(2),
        "attention_mask": attention_mask,
    }
