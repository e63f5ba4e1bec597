"""The head: concepts are read by cross-attention, and what they say is summed; and the losses of explanations."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from zoo.errors import InputError
from zoo.nn.heads import merge_heads, split_heads
from zoo_vision.concept_centric_transformer.config import ConceptHeadConfig
from zoo_vision.concept_centric_transformer.memory import QuerySlotAttention, SlotAttention


@dataclass
class Explained:
    """A decision and its explanation.

    Args:
        logits: (batch, num_classes).
        concept_attn: (batch, 1, num_concepts), the mean over heads; None without global concepts.
        spatial_concept_attn: (batch, tokens, num_spatial_concepts), likewise.
    """

    logits: Tensor
    concept_attn: Tensor | None
    spatial_concept_attn: Tensor | None


class ReadOut(nn.Module):
    """Cross-attention from tokens to concepts, ending in logits."""

    def __init__(self, config: ConceptHeadConfig) -> None:
        super().__init__()
        self.num_heads = config.num_heads
        dim = config.dim
        self.q = nn.Linear(dim, dim, bias=False)
        self.kv = nn.Linear(dim, 2 * dim, bias=False)
        self.proj = nn.Linear(dim, config.num_classes)
        self.attn_dropout = nn.Dropout(config.attn_dropout)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, tokens: Tensor, concepts: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (batch, tokens, classes) and the attention of every head (batch, heads, tokens, concepts)."""
        query = split_heads(self.q(tokens), self.num_heads)
        key, value = (split_heads(part, self.num_heads) for part in self.kv(concepts).chunk(2, -1))
        attention = (query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5).softmax(-1)
        read = merge_heads(self.attn_dropout(attention) @ value)
        return self.dropout(self.proj(read)), attention


class ConceptHead(nn.Module):
    """A class token (batch, 1, dim) and patch tokens (batch, tokens, dim) to an explained decision."""

    def __init__(self, config: ConceptHeadConfig) -> None:
        super().__init__()
        self.config = config
        dim, count, spatial = config.dim, config.num_concepts, config.num_spatial_concepts
        slots = config.memory != "none"
        if count:
            if config.memory == "sa":
                self.concept_slot_attention: nn.Module = SlotAttention(dim, count, config.steps)
            elif slots:
                self.concept_slot_attention = QuerySlotAttention(dim, config.steps, config.memory == "isa")
                self.concept_slots_init = nn.Embedding(count, dim)
                nn.init.xavier_uniform_(self.concept_slots_init.weight)
            if slots:
                self.concept_slot_pos = nn.Parameter(torch.empty(1, 1, count * dim))
                nn.init.zeros_(self.concept_slot_pos)
            else:
                self.concepts = _learned(count, dim)
            self.concept_tranformer = ReadOut(config)
        if spatial:
            if config.memory in ("isa", "qsa"):
                self.spatial_concept_slot_attention = QuerySlotAttention(dim, config.steps, config.memory == "isa")
                self.spatial_concept_slots_init = nn.Embedding(spatial, dim)
                nn.init.xavier_uniform_(self.spatial_concept_slots_init.weight)
                # Exists in the reference and is never added.
                self.spatial_concept_slot_pos = nn.Parameter(torch.empty(1, 1, spatial * dim))
                nn.init.zeros_(self.spatial_concept_slot_pos)
            else:
                self.spatial_concepts = _learned(spatial, dim)
            self.spatial_concept_tranformer = ReadOut(config)

    def concepts_of(
        self, cls: Tensor, patches: Tensor, noise: Tensor | None = None
    ) -> tuple[Tensor | None, Tensor | None]:
        """Global and spatial concepts, each (batch, concepts, dim) or None."""
        config, found, spatial = self.config, None, None
        if config.num_concepts:
            source = cls if config.global_from == "cls" else patches
            if config.memory == "none":
                found = self.concepts.expand(cls.shape[0], -1, -1)
            elif config.memory == "sa":
                found = self.concept_slot_attention(source, noise)
            else:
                found = self.concept_slot_attention(source, self.concept_slots_init.weight)
            if config.memory != "none":
                found = found + self.concept_slot_pos.view(1, config.num_concepts, config.dim)
        if config.num_spatial_concepts:
            if config.memory in ("isa", "qsa"):
                spatial = self.spatial_concept_slot_attention(patches, self.spatial_concept_slots_init.weight)
            else:
                spatial = self.spatial_concepts.expand(cls.shape[0], -1, -1)
        return found, spatial

    def forward(self, cls: Tensor, patches: Tensor, slot_noise: Tensor | None = None) -> Explained:
        """Decide.

        Args:
            cls: (batch, 1, dim).
            patches: (batch, tokens, dim).
            slot_noise: for memory ``sa``, standard normal numbers (batch, num_concepts, dim) in place of drawn ones.
        """
        if slot_noise is not None and (self.config.memory != "sa" or not self.config.num_concepts):
            raise InputError("slot_noise starts the slots of memory 'sa'; this head has none")
        dim = self.config.dim
        if tuple(cls.shape[1:]) != (1, dim) or patches.ndim != 3 or patches.shape[::2] != (cls.shape[0], dim):
            raise InputError(
                f"cls {list(cls.shape)} and patches {list(patches.shape)}; expected (batch, 1, {dim}) and "
                f"(batch, tokens, {dim})"
            )
        concepts, spatial = self.concepts_of(cls, patches, slot_noise)
        logits = torch.zeros(cls.shape[0], self.config.num_classes, dtype=cls.dtype, device=cls.device)
        attention = spatial_attention = None
        if concepts is not None:
            said, weights = self.concept_tranformer(cls, concepts)
            logits, attention = logits + said.squeeze(1), weights.mean(1)
        if spatial is not None:
            said, weights = self.spatial_concept_tranformer(patches, spatial)
            logits, spatial_attention = logits + said.mean(1), weights.mean(1)
        return Explained(logits, attention, spatial_attention)


def _learned(count: int, dim: int) -> nn.Parameter:
    concepts = nn.Parameter(torch.empty(1, count, dim))
    nn.init.trunc_normal_(concepts, std=count**-0.5)
    return concepts


def explanation_loss(attention: Tensor, targets: Tensor) -> Tensor:
    """How far attention is from labelled concepts: concepts * mean squared error.

    Args:
        attention: (batch, tokens, concepts).
        targets: (batch, concepts) or (batch, tokens, concepts), not negative; scaled to sum 1 over concepts. Tokens
            whose scaled target has a NaN are left out; with none left the loss is 0.
    """
    targets = targets[:, None] if targets.ndim == 2 else targets
    targets = targets / targets.sum(-1, keepdim=True)
    kept = ~targets.isnan().any(-1)
    if not bool(kept.any()):
        return attention.sum() * 0
    return attention.shape[-1] * (attention[kept] - targets[kept].to(attention.dtype)).square().mean()


def sparsity_loss(attention: Tensor) -> Tensor:
    """Mean of -p log(p + 1e-8): low where attention rests on few concepts."""
    return -(attention * (attention + 1e-8).log()).mean()


def example(config: ConceptHeadConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random tokens, and noise where the memory starts from noise."""
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randn(batch_size, 7, config.dim, generator=generator)
    found = {"cls": tokens[:, :1], "patches": tokens[:, 1:]}
    if config.memory == "sa" and config.num_concepts:
        found["slot_noise"] = torch.randn(batch_size, config.num_concepts, config.dim, generator=generator)
    return found
