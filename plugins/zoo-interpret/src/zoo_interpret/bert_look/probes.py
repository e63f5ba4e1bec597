"""Probing classifiers that find heads of words from all maps together, and a baseline without attention."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.nn.descent import descend
from zoo_interpret.bert_look.config import AttentionProbeConfig, DistanceProbeConfig, WordsProbeConfig


def candidate_maps(maps: Tensor, root_start: Tensor, root_end: Tensor) -> Tensor:
    """Features (..., 2 L H, n, n + 1) of candidate heads, ROOT first: all maps, then their transposes.

    Args:
        maps: word level (..., L, H, n + 2, n + 2), [CLS] first and [SEP] last.
        root_start, root_end: learned scalars (1,): ROOT's feature is their mix of a(i, [CLS]) and a(i, [SEP]).
    """
    flat = maps.flatten(-4, -3)
    both = torch.cat((flat, flat.transpose(-1, -2)), -3)
    root = root_start * both[..., 1:-1, :1] + root_end * both[..., 1:-1, -1:]
    return torch.cat((root, both[..., 1:-1, 1:-1]), -1)


def word_pairs(vectors: Tensor, align_words: bool) -> Tensor:
    """(..., n, n + 1, 2 dim): for word i and each candidate the two words' vectors.

    Aligned, candidate 0 (ROOT) has zeros and candidate j the pair (i, j); as in the authors' code, the dummy of
    zeros comes last and every pair stands one column early.
    """
    count = vectors.shape[-2]
    shape = (*vectors.shape[:-2], count, count, vectors.shape[-1])
    own, other = vectors[..., :, None, :].expand(shape), vectors[..., None, :, :].expand(shape)
    pairs = torch.cat((own, other), -1)
    dummy = torch.zeros_like(pairs[..., :1, :])
    return torch.cat((dummy, pairs) if align_words else (pairs, dummy), -2)


class AttentionProbe(nn.Module):
    """logit(i, j) = sum_k w_k a_k(i, j) + u_k a_k(j, i); 2 L H weights and two ROOT scalars."""

    def __init__(self, config: AttentionProbeConfig) -> None:
        super().__init__()
        self.attn_map_weights = nn.Parameter(torch.empty(2 * config.num_maps))
        self.ROOT_start = nn.Parameter(torch.empty(1))
        self.ROOT_end = nn.Parameter(torch.empty(1))
        for parameter in self.parameters():
            nn.init.zeros_(parameter) if parameter.numel() == 1 else nn.init.normal_(parameter, std=0.02)

    def forward(self, maps: Tensor) -> Tensor:
        """Word-level maps (batch, L, H, n + 2, n + 2) to logits (batch, n, n + 1), column 0 ROOT."""
        features = candidate_maps(maps, self.ROOT_start, self.ROOT_end)
        return torch.einsum("...kij,k->...ij", features, self.attn_map_weights)


class WordsProbe(nn.Module):
    """Weights of the maps depend on the two words: W (v_i ; v_j) + b."""

    def __init__(self, config: WordsProbeConfig) -> None:
        super().__init__()
        self.align_words = config.align_words
        self.dense = nn.Linear(2 * config.dim, 2 * config.num_maps)
        self.ROOT_start = nn.Parameter(torch.zeros(1))
        self.ROOT_end = nn.Parameter(torch.zeros(1))

    def forward(self, maps: Tensor, vectors: Tensor) -> Tensor:
        """Maps (batch, L, H, n + 2, n + 2) and word vectors (batch, n, dim) to logits (batch, n, n + 1)."""
        features = candidate_maps(maps, self.ROOT_start, self.ROOT_end)
        weights = self.dense(word_pairs(vectors, self.align_words))
        return torch.einsum("...kij,...ijk->...ij", features, weights)


def distance_features(count: int) -> Tensor:
    """(n, n + 1, 8): signed relative distances, near neighbours, and the ROOT flag; ROOT is column 0."""
    index = torch.arange(count)
    lag = index - index[:, None]
    forward = lag.clamp(min=0) / count
    near = [(lag == step).float() for step in (0, -1, 1, -2, 2)]
    words = torch.stack([forward, forward.T, *near, torch.zeros(count, count)], -1)
    root = torch.zeros(count, 1, 8)
    root[..., -1] = 1.0
    return torch.cat((root, words), 1)


class DistanceProbe(nn.Module):
    """The baseline without attention: eight distance features and the word pair, through 256 tanh units."""

    def __init__(self, config: DistanceProbeConfig) -> None:
        super().__init__()
        self.align_words = config.align_words
        self.hidden = nn.Linear(9 + 2 * config.dim, config.hidden)
        self.out = nn.Linear(config.hidden, 1)

    def forward(self, vectors: Tensor) -> Tensor:
        """Word vectors (batch, n, dim) to logits (batch, n, n + 1), column 0 ROOT."""
        count = vectors.shape[-2]
        distances = distance_features(count).to(vectors).expand(*vectors.shape[:-2], -1, -1, -1)
        # The leading zero stands where the maps would be.
        parts = (torch.zeros_like(distances[..., :1]), distances, word_pairs(vectors, self.align_words))
        return self.out(torch.tanh(self.hidden(torch.cat(parts, -1))))[..., 0]


def train_probe(
    probe: nn.Module,
    data: Iterable[tuple[tuple[Tensor, ...], Tensor]],
    *,
    learning_rate: float = 0.002,
) -> nn.Module:
    """One pass over ((inputs of one sentence), gold heads (n,)) with Adam, batches of one sentence."""

    def loss_of(sentence: tuple[tuple[Tensor, ...], Tensor]) -> Tensor:
        inputs, gold = sentence
        logits = probe(*(value[None] for value in inputs))[0]
        return functional.cross_entropy(logits, gold, reduction="sum")

    descend(probe, data, loss_of, torch.optim.Adam(probe.parameters(), lr=learning_rate))
    return probe


def _random_maps(num_maps: int, batch: int, seed: int, words: int = 5) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, num_maps, 1, words + 2, words + 2, generator=generator).softmax(-1)


def attention_probe_example(config: AttentionProbeConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random maps of five words."""
    return {"maps": _random_maps(config.num_maps, batch_size, seed)}


def words_probe_example(config: WordsProbeConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random maps and vectors of five words."""
    generator = torch.Generator().manual_seed(seed)
    vectors = torch.randn(batch_size, 5, config.dim, generator=generator)
    return {"maps": _random_maps(config.num_maps, batch_size, seed), "vectors": vectors}


def distance_probe_example(config: DistanceProbeConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random vectors of five words."""
    generator = torch.Generator().manual_seed(seed)
    return {"vectors": torch.randn(batch_size, 5, config.dim, generator=generator)}
