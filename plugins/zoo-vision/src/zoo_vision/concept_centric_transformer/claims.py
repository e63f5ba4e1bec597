"""What the paper promises and a machine can check."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import zoo
from zoo import Measurement
from zoo.datasets import handwritten_digits
from zoo.evidence.plots import new_figure, saved
from zoo.nn.descent import descend
from zoo_vision.concept_centric_transformer import training
from zoo_vision.concept_centric_transformer.config import ConceptHeadConfig
from zoo_vision.concept_centric_transformer.head import ConceptHead, ReadOut, example, explanation_loss
from zoo_vision.images import upsample_digits

_MEMORIES = ("sa", "isa", "qsa", "none")


def _head(memory: str) -> tuple[ConceptHead, dict[str, Tensor]]:
    torch.manual_seed(0)
    config = ConceptHeadConfig(dim=16, num_classes=5, num_concepts=4, num_spatial_concepts=3, memory=memory)
    return ConceptHead(config).eval(), example(config)


def _said(read_out: ReadOut, attention: Tensor, concepts: Tensor) -> Tensor:
    """A V, mapped to classes, without the bias: (batch, tokens, classes)."""
    value = read_out.kv(concepts).chunk(2, -1)[1].unflatten(-1, (read_out.num_heads, -1))
    mixed = torch.einsum("bhtc,bchd->bthd", attention, value).flatten(2)
    return mixed @ read_out.proj.weight.T


def check_linear_in_attention() -> Measurement:
    """Logits of every memory against A V + b, recomputed from the attention of each head and the weights."""
    largest = 0.0
    for memory in _MEMORIES:
        head, inputs = _head(memory)
        with torch.no_grad():
            answer = head(**inputs)
            found, spatial = head.concepts_of(inputs["cls"], inputs["patches"], inputs.get("slot_noise"))
            total = torch.zeros_like(answer.logits)
            for read_out, tokens, concepts in (
                (head.concept_tranformer, inputs["cls"], found),
                (head.spatial_concept_tranformer, inputs["patches"], spatial),
            ):
                assert concepts is not None
                _, attention = read_out(tokens, concepts)
                total += _said(read_out, attention, concepts).mean(1) + read_out.proj.bias
        largest = max(largest, float((answer.logits - total).abs().max()))
    return Measurement(f"largest difference {largest:.1e} over four memories", largest < 1e-5)


def check_distributions() -> Measurement:
    """Sums over concepts of both attentions, and their smallest entry, for every memory."""
    off, smallest = 0.0, 1.0
    for memory in _MEMORIES:
        head, inputs = _head(memory)
        with torch.no_grad():
            answer = head(**inputs)
        for attention in (answer.concept_attn, answer.spatial_concept_attn):
            off = max(off, float((attention.sum(-1) - 1).abs().max()))
            smallest = min(smallest, float(attention.min()))
    return Measurement(f"sums within {off:.1e} of 1, smallest entry {smallest:.2g}", off < 1e-5 and smallest >= 0)


def check_explanation_loss() -> Measurement:
    """The loss of matching one-hot attention, and how it answers to a token whose target has a NaN."""
    targets = torch.eye(4)[torch.tensor([[0, 2, 1], [3, 3, 0]])]
    matching = float(explanation_loss(targets, targets))
    attention = torch.rand(2, 3, 4).softmax(-1)
    spoiled = targets.clone()
    spoiled[1, 2, 0] = torch.nan
    changed = attention.clone()
    changed[1, 2] = torch.tensor([0.1, 0.2, 0.3, 0.4])
    difference = float((explanation_loss(attention, spoiled) - explanation_loss(changed, spoiled)).abs())
    seen = float((explanation_loss(attention, targets) - explanation_loss(changed, targets)).abs())
    return Measurement(
        f"{matching:g} for matching attention; a token with NaN changes it by {difference:g}, without by {seen:.2g}",
        matching == 0 == difference < seen,
    )


def check_determinism() -> Measurement:
    """Two passes of each head in eval mode."""
    found: dict[str, float] = {}
    for memory in ("sa", "isa", "qsa"):
        head, inputs = _head(memory)
        arguments: dict[str, Any] = {name: inputs[name] for name in ("cls", "patches")}
        with torch.no_grad():
            found[memory] = float((head(**arguments).logits - head(**arguments).logits).abs().max())
    return Measurement(
        ", ".join(f"{memory} differs by {value:.2g}" for memory, value in found.items()),
        found["isa"] == found["qsa"] == 0 < found["sa"],
    )


def check_digits() -> Measurement:
    """The bundled network on held-out digits: parity beside a linear model's, and the digit that attention names."""
    parity, concept = training.measure(zoo.load("concept-centric-transformer/digits"))
    images, labels, held_images, held_labels = handwritten_digits()
    torch.manual_seed(0)
    linear = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 2))
    descend(
        linear,
        range(400),
        lambda step: torch.nn.functional.cross_entropy(linear(images), labels % 2),
        torch.optim.Adam(linear.parameters(), 0.02),
    )
    with torch.no_grad():
        baseline = float((linear(held_images).argmax(-1) == held_labels % 2).float().mean())
    return Measurement(
        f"parity of {parity:.1%} of 360 held-out digits, a linear model {baseline:.1%}; attention rests most on the "
        f"right digit in {concept:.1%} (chance 10%)",
        parity > baseline and concept > 0.5,
        "real digits, not the paper's data",
    )


def picture(path: Path) -> None:
    """Held-out digits, whether the bundled network calls them even, and its attention over the ten concepts, which
    are the digits.
    """
    model = zoo.load("concept-centric-transformer/digits")
    _, _, images, _ = handwritten_digits()
    shown = upsample_digits(images[:6])
    with torch.no_grad(), torch.random.fork_rng():
        torch.manual_seed(0)
        answer = model(shown)
    figure = new_figure(figsize=(10, 3.4))
    axes = figure.subplots(2, 6)
    for column in range(6):
        odd = bool(answer.logits[column].argmax())
        axes[0][column].imshow(shown[column].mean(0), cmap="gray")
        axes[0][column].set_title("odd" if odd else "even", fontsize=10)
        axes[0][column].axis("off")
        axes[1][column].bar(range(10), answer.concept_attn[column, 0])
        axes[1][column].set_xticks(range(10))
        axes[1][column].tick_params(labelsize=7)
        axes[1][column].set_ylim(0, 1)
        axes[1][column].set_xlabel("concept (digit)", fontsize=8)
    axes[1][0].set_ylabel("attention", fontsize=9)
    saved(figure, path)
