"""Virtual adversarial perturbations of attention scores, and the loss that they add."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from zoo.bridges.transformers.tiny import tiny_model
from zoo_seq2seq.attention_vat.config import AttentionVATConfig
from zoo_seq2seq.exposed import expose
from zoo_seq2seq.perturbing import (
    Continue,
    differences,
    divergence,
    losses,
    of_length,
    power_iteration,
    random_direction,
    spread,
)


@dataclass(frozen=True, eq=False)
class Virtual:
    """A divergence and what it is made of.

    Args:
        loss: weight * mean divergence, a scalar.
        divergence: (batch,) D(r).
        perturbation: (batch, length) r.
    """

    loss: Tensor
    divergence: Tensor
    perturbation: Tensor


class AttentionVAT:
    """Perturb scores so that the prediction moves most; train a model to stand still."""

    def __init__(self, config: AttentionVATConfig) -> None:
        self.config = config

    def perturbation(
        self,
        proceed: Continue,
        scores: Tensor,
        mask: Tensor | None = None,
        *,
        direction: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """r (batch, length), zero at padding.

        Args:
            proceed: scores to logits; one sentence's logits depend on its scores alone.
            scores: (batch, length), before the softmax.
            mask: boolean (batch, length), True for words.
            direction: where to start, of unit length per sentence: (batch, length) of VAT, (batch, length, length) of
                the others; drawn by default.
            generator: what draws it.
        """
        config, held = self.config, scores.detach()
        with torch.no_grad():
            clean = proceed(held)
        options = {"xi": config.xi, "iterations": config.iterations}
        if config.mode == "vat":
            start = random_direction(held, mask, generator) if direction is None else direction
            return config.epsilon * power_iteration(
                lambda r: divergence(clean, proceed(held + r)),
                start,
                mask,
                **options,  # type: ignore[arg-type]
            )
        along = differences(held, mask, normalized=config.mode == "ivat")
        start = random_direction(along, mask, generator) if direction is None else direction
        alpha = power_iteration(
            lambda each: divergence(clean, proceed(held + spread(each, along))),
            start,
            mask,
            **options,  # type: ignore[arg-type]
        )
        r = spread(config.epsilon * alpha, along)
        # Unnormalised differences do not keep alpha's norm.
        return r if config.mode == "ivat" else of_length(r, config.epsilon)

    def loss(self, proceed: Continue, scores: Tensor, mask: Tensor | None = None, **options: Any) -> Virtual:
        """The divergence; gradients go through the perturbed prediction alone. Arguments as for ``perturbation``."""
        with torch.no_grad():
            clean = proceed(scores)
        r = self.perturbation(proceed, scores, mask, **options)
        moved = divergence(clean, proceed(scores + r))
        return Virtual(self.config.weight * moved.mean(), moved, r)

    @contextmanager
    def attach(self, model: nn.Module) -> Iterator[Callable[..., Tensor]]:
        """Yield a training loss of a model, whose own calls stay as they are.

        ``loss(inputs, labels, unlabelled)``: mean cross entropy of labelled inputs, plus weight times the mean
        divergence over all sentences. Each of the three may be left out.

        Args:
            model: what ``zoo_seq2seq.exposed.expose`` takes: a module with ``expose``, or a classifier of transformers.

        Raises:
            InputError: at the first loss, where the model's scores cannot be had.
        """

        def loss(
            inputs: Mapping[str, Any] | None = None,
            labels: Tensor | None = None,
            unlabelled: Mapping[str, Any] | None = None,
        ) -> Tensor:
            total, moved = torch.zeros(()), []
            for batch in (inputs, unlabelled):
                if batch is None:
                    continue
                opened = expose(model, batch)
                if batch is inputs and labels is not None:
                    total = total + losses(opened.proceed(opened.scores), labels).mean()
                moved.append(self.loss(opened.proceed, opened.scores, opened.mask).divergence)
            return total + self.config.weight * torch.cat(moved).mean() if moved else total

        yield loss


def example(config: AttentionVATConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Any]:
    """A tiny BERT and random ids, some of them padding."""
    generator = torch.Generator().manual_seed(seed)
    mask = torch.ones(batch_size, 9, dtype=torch.long)
    mask[0, 7:] = 0
    model = tiny_model("bert", head="ForSequenceClassification", seed=seed, vocab_size=67)
    ids = torch.randint(67, (batch_size, 9), generator=generator)
    return {"model": model, "inputs": {"input_ids": ids, "attention_mask": mask}}
