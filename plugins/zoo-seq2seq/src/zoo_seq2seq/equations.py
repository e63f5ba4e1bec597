"""Replay of a recording that holds the equations of adversarial and virtual adversarial training of attention."""

from __future__ import annotations

import torch
from torch import Tensor

from zoo.evidence.replay import Run
from zoo_seq2seq.attention_classifier import AttentionClassifier
from zoo_seq2seq.perturbing import (
    differences,
    divergence,
    gradient_at,
    losses,
    of_length,
    power_iteration,
    spread,
    visible,
)


def replay_equations(model: AttentionClassifier, run: Run) -> dict[str, Tensor]:
    """All recorded outputs, from the encoder states that were recorded as input."""
    mask, labels = run.inputs["mask"], run.inputs["label"]
    epsilon, xi = float(run.config["epsilon"]), float(run.config["vat_xi"])
    iterations = int(run.config["vat_iterations"])
    opened = model.expose_states(run.inputs["hidden"], mask)
    scores, proceed = opened.scores.detach(), opened.proceed
    directions = differences(scores, mask)
    clean = proceed(scores)

    def cross_entropy(point: Tensor) -> Tensor:
        return losses(proceed(point), labels)

    def diverged(point: Tensor) -> Tensor:
        return divergence(clean, proceed(point))

    at = of_length(visible(gradient_at(cross_entropy, scores), mask), epsilon)
    of_alpha = gradient_at(
        lambda alpha: cross_entropy(scores + spread(alpha, directions)), torch.zeros_like(directions)
    )
    iat = spread(of_length(of_alpha, epsilon), directions)
    vat = epsilon * power_iteration(
        lambda r: diverged(scores + r), run.inputs["vat_direction"], mask, xi=xi, iterations=iterations
    )
    alpha = epsilon * power_iteration(
        lambda each: diverged(scores + spread(each, directions)),
        run.inputs["ivat_direction"],
        mask,
        xi=xi,
        iterations=iterations,
    )
    ivat = spread(alpha, directions)
    outputs = {"scores": scores, "clean_loss": cross_entropy(scores), "iat_directions": directions}
    for name, r, measure in (
        ("at", at, cross_entropy),
        ("iat", iat, cross_entropy),
        ("vat", vat, diverged),
        ("ivat", ivat, diverged),
    ):
        outputs |= {f"{name}_perturbation": r, f"{name}_loss": measure(scores + r)}
    return outputs
