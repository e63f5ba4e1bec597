"""Labelled sentences, a classifier trained on them, and how well its attention says which words matter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from zoo.nn.descent import descend, shuffled
from zoo_seq2seq.attention_classifier import AttentionClassifier, AttentionClassifierConfig
from zoo_seq2seq.exposed import Exposed
from zoo_seq2seq.perturbing import losses

BATCH = 50


@dataclass(frozen=True, eq=False)
class Sentences:
    """Labelled sentences.

    Args:
        ids: (count, length) words.
        labels: (count,).
        mask: boolean (count, length), True for words; None where all are.
        keywords: boolean (count, length), where it is known which words are the reason.
    """

    ids: Tensor
    labels: Tensor
    mask: Tensor | None = None
    keywords: Tensor | None = None

    def part(self, index: Tensor) -> Sentences:
        """Some of them, no longer than the longest of these."""
        mask = None if self.mask is None else self.mask[index]
        width = self.ids.shape[1] if mask is None else max(int(mask.sum(1).max()), 1)
        keywords = None if self.keywords is None else self.keywords[index, :width]
        return Sentences(
            self.ids[index, :width], self.labels[index], None if mask is None else mask[:, :width], keywords
        )

    def parts(self) -> list[Sentences]:
        """All of them in order, in batches."""
        return [self.part(index) for index in torch.arange(len(self.ids)).split(BATCH)]


Objective = Callable[[Exposed, Tensor], Tensor]


def clean_loss(opened: Exposed, labels: Tensor) -> Tensor:
    """Plain cross entropy."""
    return losses(opened.proceed(opened.scores), labels).mean()


def fit(
    config: AttentionClassifierConfig,
    data: Sentences,
    objective: Objective = clean_loss,
    *,
    epochs: int,
    seed: int = 0,
    learning_rate: float = 4e-3,
    unlabelled: Sentences | None = None,
    unlabelled_loss: Callable[[Exposed], Tensor] | None = None,
    log: Callable[[str], object] = lambda line: None,
) -> AttentionClassifier:
    """A classifier trained with Adam in batches of 50, in eval mode.

    Args:
        config: of it.
        data: labelled sentences.
        objective: from an opened model and labels to the loss.
        epochs: passes over the labelled, or where there are more of them over the unlabelled sentences.
        seed: of weights and order.
        learning_rate: constant.
        unlabelled, unlabelled_loss: sentences without labels, and what is added for a batch of them.
        log: takes a line per epoch.
    """
    torch.manual_seed(seed)
    model = AttentionClassifier(config)
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(model.parameters(), learning_rate, amsgrad=True)
    pool = data if unlabelled is None else unlabelled
    drawn = shuffled(len(pool.ids), BATCH, epochs, generator)

    def loss_of(index: Tensor) -> Tensor:
        chosen = index if unlabelled is None else torch.randint(len(data.ids), (BATCH,), generator=generator)
        part = data.part(chosen)
        loss = objective(model.expose(part.ids, part.mask), part.labels)
        if unlabelled is not None and unlabelled_loss is not None:
            more = unlabelled.part(index)
            loss = loss + unlabelled_loss(model.expose(more.ids, more.mask))
        return loss

    descend(model, drawn, loss_of, optimizer, log=log, log_every=-(-len(pool.ids) // BATCH))
    return model


@torch.no_grad()
def accuracy(model: AttentionClassifier, data: Sentences) -> float:
    """Share of sentences that are classified rightly."""
    right = [((model(part.ids, part.mask).logits > 0) == (part.labels == 1)).float() for part in data.parts()]
    return float(torch.cat(right).mean())


@dataclass(frozen=True)
class Agreement:
    """How attention goes with what matters.

    Args:
        kendall, pearson: mean correlation, over sentences, of attention and gradient importance.
        mass: mean attention on keywords; nan where they are not known.
    """

    kendall: float
    pearson: float
    mass: float


def gradient_importance(model: AttentionClassifier, ids: Tensor, labels: Tensor, mask: Tensor | None = None) -> Tensor:
    """Norm of the loss's gradient with respect to each word's embedding: (count, length)."""
    embedded: list[Tensor] = []

    def keep(module: object, inputs: object, output: Tensor) -> Tensor:
        embedded.append(output.detach().requires_grad_())
        return embedded[-1]

    handle = model.word_embed.register_forward_hook(keep)
    try:
        with torch.enable_grad():
            loss = losses(model(ids, mask).logits, labels).sum()
            (gradient,) = torch.autograd.grad(loss, embedded)
    finally:
        handle.remove()
    return gradient.norm(dim=-1)


def agreement(model: AttentionClassifier, data: Sentences) -> Agreement:
    """Correlations and mass on sentences that were not trained on."""
    found = torch.cat([_agreement(model, part) for part in data.parts()])
    return Agreement(*found.mean(0).tolist())


def _agreement(model: AttentionClassifier, data: Sentences) -> Tensor:
    """Kendall's tau, Pearson's r and mass of each sentence: (count, 3)."""
    importance = gradient_importance(model, data.ids, data.labels, data.mask)
    with torch.no_grad():
        attention = model(data.ids, data.mask).attention
    real = torch.ones_like(attention) if data.mask is None else data.mask.to(attention.dtype)
    both = torch.stack((attention, importance))
    centred = (both - (both * real).sum(-1, keepdim=True) / real.sum(-1, keepdim=True)) * real
    pearson = centred.prod(0).sum(-1) / centred.norm(dim=-1).prod(0).clamp(min=1e-20)
    signs = (both[..., :, None] - both[..., None, :]).sign().prod(0) * real[:, :, None] * real[:, None]
    count = real.sum(-1)
    kendall = signs.sum((-1, -2)) / (count * (count - 1)).clamp(min=1)
    mass = torch.full_like(pearson, torch.nan) if data.keywords is None else (attention * data.keywords).sum(-1)
    return torch.stack((kendall, pearson, mass), 1)
