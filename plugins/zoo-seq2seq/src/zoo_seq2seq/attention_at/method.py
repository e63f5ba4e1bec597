"""Adversarial perturbations of attention scores, and the loss that they add."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from zoo.bridges.transformers.tiny import tiny_model
from zoo_seq2seq.attention_at.config import AttentionATConfig
from zoo_seq2seq.exposed import expose
from zoo_seq2seq.perturbing import (
    Continue,
    differences,
    gradient_at,
    losses,
    of_length,
    spread,
    visible,
)


@dataclass(frozen=True, eq=False)
class Adversarial:
    """A loss and what it is made of.

    Args:
        loss: clean + weight * adversarial, a scalar.
        clean, adversarial: mean losses.
        perturbation: (batch, length) r.
        gradient: (batch, length) of each sentence's own loss, from which r was made.
    """

    loss: Tensor
    clean: Tensor
    adversarial: Tensor
    perturbation: Tensor
    gradient: Tensor


class AttentionAT:
    """Perturb scores against a model; train it with what that costs."""

    def __init__(self, config: AttentionATConfig) -> None:
        self.config = config

    def perturbation(
        self, proceed: Continue, scores: Tensor, labels: Tensor, mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """r and the gradient, both (batch, length) and zero at padding.

        Args:
            proceed: scores to logits; one sentence's logits depend on its scores alone.
            scores: (batch, length), before the softmax.
            labels: (batch,).
            mask: boolean (batch, length), True for words.
        """
        config, held = self.config, scores.detach()

        def per_sentence(point: Tensor) -> Tensor:
            return self._losses(proceed(point), labels)

        if config.mode in ("at", "iat-released"):
            gradient = visible(gradient_at(per_sentence, held), mask)
            sign = -1 if config.mode == "iat-released" else 1
            return of_length(sign * gradient, config.epsilon), gradient
        directions = differences(held, mask, normalized=config.mode == "iat")
        of_alpha = gradient_at(
            lambda alpha: per_sentence(held + spread(alpha, directions)), torch.zeros_like(directions)
        )
        gradient = visible(gradient_at(per_sentence, held), mask)
        alpha = of_length(of_alpha, config.epsilon)
        r = spread(alpha, directions)
        # Unnormalised differences do not keep alpha's norm.
        return (r if config.mode == "iat" else of_length(r, config.epsilon)), gradient

    def loss(self, proceed: Continue, scores: Tensor, labels: Tensor, mask: Tensor | None = None) -> Adversarial:
        """The clean and the adversarial loss; no gradient goes through r. Arguments as for ``perturbation``.

        Raises:
            InputError: not one label for each sentence.
        """
        clean = self._losses(proceed(scores), labels).mean()
        r, gradient = self.perturbation(proceed, scores, labels, mask)
        adversarial = self._losses(proceed(scores + r), labels).mean()
        return Adversarial(clean + self.config.weight * adversarial, clean, adversarial, r, gradient)

    @contextmanager
    def attach(self, model: nn.Module) -> Iterator[Callable[..., Adversarial]]:
        """Yield ``loss(labels=..., **inputs)`` of a model, whose own calls stay as they are.

        Args:
            model: what ``zoo_seq2seq.exposed.expose`` takes: a module with ``expose``, or a classifier of transformers.

        Raises:
            InputError: at the first loss, where the model's scores cannot be had.
        """

        def loss(*, labels: Tensor, **inputs: Any) -> Adversarial:
            opened = expose(model, inputs)
            return self.loss(opened.proceed, opened.scores, labels, opened.mask)

        yield loss

    def _losses(self, logits: Tensor, labels: Tensor) -> Tensor:
        weight = self.config.positive_weight
        return losses(logits, labels, weight=None if weight is None else logits.new_tensor(weight))


def example(config: AttentionATConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Any]:
    """A tiny BERT and random ids, some of them padding."""
    generator = torch.Generator().manual_seed(seed)
    mask = torch.ones(batch_size, 9, dtype=torch.long)
    mask[0, 7:] = 0
    model = tiny_model("bert", head="ForSequenceClassification", seed=seed, vocab_size=67)
    ids = torch.randint(67, (batch_size, 9), generator=generator)
    return {"model": model, "inputs": {"input_ids": ids, "attention_mask": mask}}
