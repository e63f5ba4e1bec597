"""The sparse autoencoder, the dictionary label attention, and the decision."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.errors import InputError
from zoo.nn.masks import masked_softmax, padding_mask
from zoo_seq2seq.dila.config import DilaConfig


@dataclass(frozen=True, eq=False)
class DilaOutput:
    """What the head gives back.

    Args:
        logits: (batch, num_classes).
        attention: (batch, tokens, num_classes); over tokens it sums to 1, zero at padding.
        features: (batch, tokens, num_features), at padding too.
        reconstruction: (batch, tokens, dim), at padding too.
    """

    logits: Tensor
    attention: Tensor
    features: Tensor
    reconstruction: Tensor


class SparseAutoencoder(nn.Module):
    """Embeddings to non-negative features and back."""

    def __init__(self, config: DilaConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = nn.Linear(config.dim, config.num_features)
        self.decoder = nn.Linear(config.num_features, config.dim)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Random atoms of unit length, the encoder their transpose, biases zero."""
        nn.init.normal_(self.decoder.weight)
        self.normalise()
        with torch.no_grad():
            self.encoder.weight.copy_(self.decoder.weight.T)
        nn.init.zeros_(self.encoder.bias)
        nn.init.zeros_(self.decoder.bias)

    @torch.no_grad()
    def normalise(self) -> None:
        """Bring every atom, a column of the decoder, to unit length; after each step of training."""
        self.decoder.weight.copy_(functional.normalize(self.decoder.weight, dim=0))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Features (..., num_features) and reconstructions (..., dim); the decoder's bias is also the centre."""
        features = self.encoder(x - self.decoder.bias).relu()
        return features, self.decoder(features)

    def loss(self, x: Tensor, features: Tensor, reconstruction: Tensor, mask: Tensor | None = None) -> Tensor:
        """L_sae, a scalar.

        Args:
            x, features, reconstruction: (batch, tokens, ...).
            mask: boolean (batch, tokens), True for real tokens: only these count.
        """
        config = self.config
        real = torch.ones_like(x[..., 0]) if mask is None else mask.to(x.dtype)
        count = real.sum().clamp(min=1)
        error = ((x - reconstruction).square().sum(-1) * real).sum() / count
        penalties = config.l1 * features.abs().sum(-1) + config.l2 * features.square().sum(-1)
        penalised = (penalties * real).sum()
        return error + (penalised / count if config.penalty == "mean" else penalised)


class Dila(nn.Module):
    """Token embeddings to logits of codes."""

    def __init__(self, config: DilaConfig) -> None:
        super().__init__()
        self.config = config
        self.sae = SparseAutoencoder(config)
        dense = config.mode == "laat"
        self.label_attention = None if dense else _Matrix(config.num_features, config.num_classes)
        self.project = nn.Linear(config.dim, config.laat_dim, bias=False) if dense else None
        self.codes = nn.Linear(config.laat_dim, config.num_classes, bias=False) if dense else None
        self.decision = nn.Linear(config.dim, config.num_classes)

    def forward(self, x: Tensor, attn_mask: Tensor | None = None) -> DilaOutput:
        """Read a note.

        Args:
            x: (batch, tokens, dim) embeddings of a language model.
            attn_mask: boolean (batch, tokens), True for real tokens.

        Raises:
            InputError: embeddings of another shape.
            MaskError: a mask of another shape or type.
        """
        if x.ndim != 3 or x.shape[-1] != self.config.dim:
            raise InputError(f"embeddings of shape {tuple(x.shape)}; expected (batch, tokens, {self.config.dim})")
        mask = padding_mask(attn_mask, batch=x.shape[0], keys=x.shape[1], mechanism="label attention")
        features, reconstruction = self.sae(x)
        attention, logits = self.decide(x, self.scores(x, features), mask)
        return DilaOutput(logits, attention, features, reconstruction)

    def scores(self, x: Tensor, features: Tensor) -> Tensor:
        """(batch, tokens, num_classes) before the softmax over tokens."""
        if self.label_attention is not None:
            return features @ self.label_attention.weight
        assert self.project is not None
        assert self.codes is not None
        return self.codes(self.project(x).tanh())

    def decide(self, x: Tensor, scores: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        """Attention and logits from scores."""
        seen = None if mask is None else mask[:, None]
        weights = masked_softmax(scores.transpose(1, 2), seen)
        vectors = weights @ x.to(weights.dtype)
        return weights.transpose(1, 2), (vectors * self.decision.weight).sum(-1) + self.decision.bias

    def loss(self, x: Tensor, labels: Tensor, attn_mask: Tensor | None = None) -> Tensor:
        """BCE of codes + lambda L_sae + l1 of A, a scalar; ``labels`` (batch, num_classes) are 0 and 1."""
        found = self(x, attn_mask)
        total = functional.binary_cross_entropy_with_logits(found.logits, labels.to(found.logits.dtype))
        if self.label_attention is None:
            return total
        sparse = self.sae.loss(x, found.features, found.reconstruction, attn_mask)
        return total + self.config.sae_weight * sparse + self.config.label_l1 * self.label_attention.weight.abs().sum()

    @torch.no_grad()
    def initialise_codes(self, code: int, description: Tensor, *, reduce: str = "mean") -> None:
        """Let a code's column of A be the features of its description.

        Args:
            code: which.
            description: (tokens, dim) embeddings of its words.
            reduce: over tokens, mean or max.

        Raises:
            InputError: an empty description, or the dense baseline.
        """
        if self.label_attention is None or not len(description):
            raise InputError("a description needs words, and a head with a dictionary")
        features = self.sae(description)[0]
        self.label_attention.weight[:, code] = features.amax(0) if reduce == "max" else features.mean(0)


class _Matrix(nn.Module):
    """A (features, codes)."""

    def __init__(self, rows: int, columns: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(rows, columns))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Small, where no descriptions are at hand."""
        nn.init.normal_(self.weight, std=0.02)


def example(config: DilaConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Nine random embeddings."""
    return {"x": torch.randn(batch_size, 9, config.dim, generator=torch.Generator().manual_seed(seed))}
