"""The penalty attached to a model, and audits that see through it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.bridges.transformers.attending import attending, only_where
from zoo.bridges.transformers.inputs import logits_of
from zoo.bridges.transformers.sites import Site, find_sites
from zoo.bridges.transformers.tiny import tiny_model
from zoo.errors import InputError
from zoo.nn.masks import masked_softmax
from zoo_seq2seq.deceptive_attention import penalty
from zoo_seq2seq.deceptive_attention.classifiers import DeceptiveClassifier
from zoo_seq2seq.deceptive_attention.config import DeceptiveAttentionConfig
from zoo_seq2seq.decoding import PAD
from zoo_seq2seq.exposed import expose
from zoo_seq2seq.perturbing import losses


@dataclass(frozen=True, eq=False)
class Deceptive:
    """A loss and what it is made of.

    Args:
        loss: task + penalty, a scalar.
        task, penalty: both parts.
        mass: mean weight on impermissible words: per sentence, per sentence and head, or per target.
        logits: of the model.
    """

    loss: Tensor
    task: Tensor
    penalty: Tensor
    mass: Tensor
    logits: Tensor


class DeceptiveAttention:
    """Train a model to use words that its attention does not show."""

    def __init__(self, config: DeceptiveAttentionConfig) -> None:
        self.config = config

    @contextmanager
    def attach(self, model: nn.Module) -> Iterator[Callable[..., Deceptive]]:
        """Yield ``loss(labels=..., impermissible=..., **inputs)`` of a model, whose own calls stay as they are.

        Args:
            model: a classifier here, or any module with ``expose`` (see ``zoo_seq2seq.exposed``): labels (batch,),
                impermissible (batch, length); a translator with ``encode`` and ``step`` (see
                ``zoo_seq2seq.decoding``): labels (batch, targets) the next symbols with 0 for padding, impermissible
                (batch, targets, source); or a classifier of transformers, whose last layer's heads are penalised at
                the first token.

        Raises:
            InputError: at the first loss, where the model is none of these or a shape is another.
        """

        def loss(*, labels: Tensor, impermissible: Tensor, **inputs: Any) -> Deceptive:
            if isinstance(model, DeceptiveClassifier):
                return self._of_classifier(model, labels, impermissible, inputs)
            if callable(getattr(model, "expose", None)):
                return self._of_exposed(model, labels, impermissible, inputs)
            if all(callable(getattr(model, name, None)) for name in ("encode", "step")):
                return self._of_translator(model, labels, impermissible, inputs)
            return self._of_transformers(model, labels, impermissible, inputs)

        yield loss

    def _of_classifier(
        self, model: DeceptiveClassifier, labels: Tensor, impermissible: Tensor, inputs: dict[str, Any]
    ) -> Deceptive:
        _require_same(impermissible, inputs["input_ids"])
        found = model(**inputs)
        task = functional.cross_entropy(found.logits, labels)
        costs = penalty.single_penalty(found.attention, impermissible, self.config.coef).mean()
        return Deceptive(task + costs, task, costs, penalty.mass(found.attention, impermissible).mean(), found.logits)

    def _of_exposed(self, model: nn.Module, labels: Tensor, impermissible: Tensor, inputs: dict[str, Any]) -> Deceptive:
        opened = expose(model, inputs)
        _require_same(impermissible, opened.scores)
        logits = opened.proceed(opened.scores)
        weights = masked_softmax(opened.scores, opened.mask)
        task = losses(logits, labels).mean()
        costs = penalty.single_penalty(weights, impermissible, self.config.coef).mean()
        return Deceptive(task + costs, task, costs, penalty.mass(weights, impermissible).mean(), logits)

    def _of_translator(
        self, model: nn.Module, labels: Tensor, impermissible: Tensor, inputs: dict[str, Any]
    ) -> Deceptive:
        found = model(**inputs)
        _require_same(impermissible, found.attention)
        task = functional.cross_entropy(found.logits.flatten(0, 1), labels.flatten(), ignore_index=PAD)
        targets = (labels != PAD).sum()
        costs = penalty.aligned_penalty(found.attention, impermissible, targets, self.config.coef)
        share = penalty.mass(found.attention, impermissible).sum() / targets
        return Deceptive(task + costs, task, costs, share, found.logits)

    def _of_transformers(
        self, model: nn.Module, labels: Tensor, impermissible: Tensor, inputs: dict[str, Any]
    ) -> Deceptive:
        sites = find_sites(model)
        _require_same(impermissible, inputs["input_ids"])
        visible = penalty.separating_mask(impermissible, inputs.get("attention_mask"))[:, None]
        seen: list[Tensor] = []

        def look(site: Site, weights: Tensor) -> None:
            seen.append(weights[:, :, 0])

        with ExitStack() as stack:
            if self.config.separate:
                apart = lambda site, weights: only_where(weights, visible)  # noqa: E731
                stack.enter_context(attending(model, sites=sites, weights=apart))
            stack.enter_context(attending(model, sites=sites[-1:], weights=look))
            logits = logits_of(model(**inputs))
        task = functional.cross_entropy(logits, labels)
        costs = penalty.heads_penalty(seen[-1], impermissible, self.config.coef, self.config.reduce)
        share = penalty.mass(seen[-1], impermissible[:, None]).mean()
        return Deceptive(task + costs, task, costs, share, logits)


@dataclass(frozen=True)
class Audit:
    """What a classifier seems to use, and what it uses.

    Args:
        accuracy, blocked: share of sentences classified rightly, with all weights and with impermissible ones blocked.
        mass: mean weight on impermissible words, where there are some.
        norm_ratio: mean length of what attention reads at impermissible words, over that at all others.
    """

    accuracy: float
    blocked: float
    mass: float
    norm_ratio: float


def audit(
    model: DeceptiveClassifier, ids: Tensor, labels: Tensor, impermissible: Tensor, mask: Tensor | None = None
) -> Audit:
    """Look at a classifier.

    Args:
        model: in eval mode.
        ids, impermissible: (count, length).
        labels: (count,).
        mask: boolean (count, length), True for words.

    Raises:
        InputError: no word is impermissible.
    """
    hidden = impermissible.bool()
    if not hidden.any():
        raise InputError("no word is impermissible: there is nothing to audit")
    with torch.no_grad():
        found, blocked = model(ids, mask), model(ids, mask, blocked=impermissible)
    right, still = ((each.logits.argmax(-1) == labels).float().mean() for each in (found, blocked))
    masses = penalty.mass(found.attention, impermissible)[hidden.any(1)].mean()
    norms, others = found.states.norm(dim=-1), ~hidden if mask is None else mask & ~hidden
    return Audit(float(right), float(still), float(masses), float(norms[hidden].mean() / norms[others].mean()))


def _require_same(impermissible: Tensor, other: Tensor) -> None:
    if impermissible.shape != other.shape:
        raise InputError(f"impermissible of shape {tuple(impermissible.shape)}; expected {tuple(other.shape)}")


def example(config: DeceptiveAttentionConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Any]:
    """A tiny BERT and random ids, some of them padding."""
    generator = torch.Generator().manual_seed(seed)
    mask = torch.ones(batch_size, 9, dtype=torch.long)
    mask[0, 7:] = 0
    model = tiny_model("bert", head="ForSequenceClassification", seed=seed, vocab_size=67)
    ids = torch.randint(67, (batch_size, 9), generator=generator)
    return {"model": model, "inputs": {"input_ids": ids, "attention_mask": mask}}
