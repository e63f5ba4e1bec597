"""The logit lens: any vector of the model's width, read as tokens."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from zoo.bridges.transformers.decomposition import final_norm, linear_head
from zoo.bridges.transformers.sites import find_blocks
from zoo.errors import InputError


@dataclass(frozen=True)
class Lens:
    """A model's final norm and head."""

    norm: nn.Module | None
    head: nn.Module

    @torch.no_grad()
    def __call__(self, vectors: Tensor) -> Tensor:
        """Probabilities (..., vocabulary) of vectors (..., dim)."""
        logits: Tensor = self.head(vectors if self.norm is None else self.norm(vectors))
        return logits.float().softmax(-1)


def lens_of(model: nn.Module) -> Lens:
    """The lens of a model.

    Raises:
        InputError: it has no linear head.
    """
    head = linear_head(model)
    if head is None:
        raise InputError(f"{type(model).__name__} has no language-modelling head; take the model with one")
    return Lens(final_norm(find_blocks(model)[-1], model), head)


def entropy_bits(probabilities: Tensor) -> Tensor:
    """Entropy (...,) of probabilities (..., vocabulary), bits; zeros are dropped."""
    return -torch.xlogy(probabilities, probabilities).sum(-1) / torch.log(torch.tensor(2.0))


def rank_of(probabilities: Tensor, token: int) -> Tensor:
    """Rank (...,) of a token, 1 for the most likely."""
    return (probabilities > probabilities[..., token : token + 1]).sum(-1) + 1


def logit_lens(model: nn.Module, vectors: Tensor, count: int = 10) -> tuple[Tensor, Tensor]:
    """The most likely tokens (..., count) of vectors (..., dim), and their probabilities."""
    values, tokens = lens_of(model)(vectors).topk(count, -1)
    return tokens, values
