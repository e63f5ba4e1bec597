"""A synthetic task of keywords, and how well attention says which words matter.

Sentences of 12 words out of 200; two of them are keywords of the label, of which each label has ten. All others are
drawn from the rest. Keywords are the truth against which attention is held.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from zoo_seq2seq.attention_classifier import AttentionClassifier, AttentionClassifierConfig
from zoo_seq2seq.exposed import Exposed
from zoo_seq2seq.perturbing import losses

LENGTH, VOCABULARY, KEYWORDS = 12, 200, 10


@dataclass(frozen=True, eq=False)
class Sentences:
    """Words (count, 12), labels (count,), and where the keywords stand (count, 12)."""

    ids: Tensor
    labels: Tensor
    keywords: Tensor

    def part(self, index: Tensor) -> Sentences:
        """Some of them."""
        return Sentences(self.ids[index], self.labels[index], self.keywords[index])


def draw(count: int, seed: int, *, fillers: tuple[int, int] = (2 * KEYWORDS, VOCABULARY)) -> Sentences:
    """Sentences whose other words are drawn from a range of the vocabulary."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(2, (count,), generator=generator)
    ids = torch.randint(*fillers, (count, LENGTH), generator=generator)
    words = torch.randint(KEYWORDS, (count, 2), generator=generator) + KEYWORDS * labels[:, None]
    places = torch.rand(count, LENGTH, generator=generator).argsort(1)[:, :2]
    keywords = torch.zeros(count, LENGTH, dtype=torch.bool).scatter(1, places, True)
    return Sentences(ids.scatter(1, places, words), labels, keywords)


def classifier(seed: int) -> AttentionClassifier:
    """A fresh small one: 24 features a word, 16 cells a direction."""
    torch.manual_seed(seed)
    return AttentionClassifier(AttentionClassifierConfig(VOCABULARY, 24, 16))


Objective = Callable[[Exposed, Tensor], Tensor]


def clean_loss(opened: Exposed, labels: Tensor) -> Tensor:
    """Plain cross entropy."""
    return losses(opened.proceed(opened.scores), labels).mean()


def fit(
    data: Sentences,
    objective: Objective = clean_loss,
    *,
    epochs: int,
    seed: int = 0,
    unlabelled: Sentences | None = None,
    unlabelled_loss: Callable[[Exposed], Tensor] | None = None,
) -> AttentionClassifier:
    """Train with Adam at 4e-3 in batches of 50.

    Args:
        data: labelled sentences.
        objective: from an opened model and labels to the loss.
        epochs: passes over the labelled, or where there are more of them over the unlabelled sentences.
        seed: of weights and order.
        unlabelled, unlabelled_loss: sentences without labels, and what is added for a batch of them.
    """
    model = classifier(seed).train()
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(model.parameters(), 4e-3, amsgrad=True)
    pool = data if unlabelled is None else unlabelled
    for _ in range(epochs):
        for index in torch.randperm(len(pool.ids), generator=generator).split(50):
            chosen = index if unlabelled is None else torch.randint(len(data.ids), (50,), generator=generator)
            part = data.part(chosen)
            loss = objective(model.expose(part.ids), part.labels)
            if unlabelled is not None and unlabelled_loss is not None:
                loss = loss + unlabelled_loss(model.expose(unlabelled.ids[index]))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return model.eval()


def accuracy(model: AttentionClassifier, data: Sentences) -> float:
    """Share of sentences that are classified rightly."""
    with torch.no_grad():
        return float(((model(data.ids).logits > 0) == (data.labels == 1)).float().mean())


@dataclass(frozen=True)
class Agreement:
    """How attention goes with what matters.

    Args:
        kendall, pearson: mean correlation, over sentences, of attention and gradient importance.
        mass: mean attention on keywords.
    """

    kendall: float
    pearson: float
    mass: float


def gradient_importance(model: AttentionClassifier, ids: Tensor, labels: Tensor) -> Tensor:
    """Norm of the loss's gradient with respect to each word's embedding: (count, length)."""
    embedded: list[Tensor] = []

    def keep(module: object, inputs: object, output: Tensor) -> Tensor:
        embedded.append(output.detach().requires_grad_())
        return embedded[-1]

    handle = model.word_embed.register_forward_hook(keep)
    try:
        with torch.enable_grad():
            loss = losses(model(ids).logits, labels).sum()
            (gradient,) = torch.autograd.grad(loss, embedded)
    finally:
        handle.remove()
    return gradient.norm(dim=-1)


def agreement(model: AttentionClassifier, data: Sentences) -> Agreement:
    """Correlations and mass on sentences that were not trained on."""
    importance = gradient_importance(model, data.ids, data.labels)
    with torch.no_grad():
        attention = model(data.ids).attention
    both = torch.stack((attention, importance))
    centred = both - both.mean(-1, keepdim=True)
    pearson = centred.prod(0).sum(-1) / centred.norm(dim=-1).prod(0).clamp(min=1e-20)
    signs = (both[..., :, None] - both[..., None, :]).sign()
    pairs = LENGTH * (LENGTH - 1)
    kendall = signs.prod(0).sum((-1, -2)) / pairs
    mass = (attention * data.keywords).sum(-1)
    return Agreement(*(float(each.mean()) for each in (kendall, pearson, mass)))
