"""Training on scikit-learn's handwritten digits: is the digit even? The ten digits are the concepts.

As in the paper's experiment with CIFAR-100, whose superclasses are to be predicted and whose fine classes are the
concepts: attention over concepts is supervised, and what the head says must follow from it.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.datasets import handwritten_digits
from zoo.nn.descent import descend, one_cycle, shuffled
from zoo_vision.concept_centric_transformer.config import ConceptTransformerConfig
from zoo_vision.concept_centric_transformer.head import explanation_loss, sparsity_loss
from zoo_vision.concept_centric_transformer.network import ConceptTransformer
from zoo_vision.images import upsample_digits

EPOCHS = 25
BATCH = 64
EXPLANATION, SPARSITY = 1.0, 0.5


def train(
    config: ConceptTransformerConfig, *, preset: str | None, seed: int, log: Callable[[str], object]
) -> tuple[nn.Module, dict[str, float]]:
    """The paper's sum of losses with its weights, on one core in two minutes for the preset ``digits``."""
    model = ConceptTransformer(config).train()
    images, labels, _, _ = handwritten_digits()
    generator = torch.Generator().manual_seed(seed)
    steps = EPOCHS * -(-len(images) // BATCH)
    optimizer = torch.optim.AdamW(model.parameters(), 2e-3, weight_decay=1e-3)

    def loss_of(chosen: Tensor) -> Tensor:
        answer = model(upsample_digits(images[chosen]))
        concepts = functional.one_hot(labels[chosen], 10).float()
        loss = functional.cross_entropy(answer.logits, (labels[chosen] % 2).long())
        loss = loss + EXPLANATION * explanation_loss(answer.concept_attn, concepts)
        return loss + SPARSITY * sparsity_loss(answer.concept_attn)

    rates = one_cycle(optimizer, steps, rise=0.2)
    descend(model, shuffled(len(images), BATCH, EPOCHS, generator), loss_of, optimizer, rates=rates, log=log)
    parity, concept = measure(model)
    return model, {"accuracy": round(parity, 4), "concept": round(concept, 4)}


def measure(model: nn.Module) -> tuple[float, float]:
    """Shares of 360 held-out digits whose parity is right, and whose strongest concept is the digit."""
    _, _, images, labels = handwritten_digits()
    with torch.no_grad(), torch.random.fork_rng():
        torch.manual_seed(0)
        answer = model(upsample_digits(images))
    strongest: Tensor = answer.concept_attn[:, 0].argmax(-1)
    parity = (answer.logits.argmax(-1) == labels % 2).float().mean()
    return float(parity), float((strongest == labels).float().mean())
