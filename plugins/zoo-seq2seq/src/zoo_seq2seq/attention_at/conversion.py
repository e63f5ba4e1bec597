"""Recorded runs: the authors' training step, and the paper's equations on given encoder states."""

from __future__ import annotations

import torch
from torch import Tensor

import zoo
from zoo.evidence.replay import Run, replay_of
from zoo_seq2seq.attention_at.config import AttentionATConfig
from zoo_seq2seq.attention_at.method import AttentionAT
from zoo_seq2seq.attention_classifier import AttentionClassifier, AttentionClassifierConfig
from zoo_seq2seq.equations import replay_equations


def classifier(run: Run) -> AttentionClassifier:
    """The recorded network."""
    fields = run.fields({"vocab": "vocab_size", "emb": "embedding_dim", "hidden_per_direction": "hidden_dim"})
    model = AttentionClassifier(AttentionClassifierConfig(**fields)).eval()
    zoo.fill(model, run.state)
    return model


def _step(run: Run) -> dict[str, Tensor]:
    model, mask, labels = classifier(run), run.inputs.get("mask"), run.inputs["label"]
    released = str(run.config.get("kind", "at")).startswith("iat")
    config = AttentionATConfig("iat-released" if released else "at", float(run.config["xi"]), float(run.config["lam"]))
    with torch.enable_grad():
        opened = model.expose(run.inputs["tokens"], None if mask is None or bool(mask.all()) else mask)
        found = AttentionAT(config).loss(opened.proceed, opened.scores, labels, opened.mask)
        found.loss.backward()
    plain = model(run.inputs["tokens"], opened.mask)
    outputs = {
        "scores": plain.scores,
        "attention": plain.attention,
        "logit": plain.logits,
        "clean_loss": found.clean,
        "adversarial_loss": found.adversarial,
        "total_loss": found.loss,
        "perturbation": found.perturbation,
        # That of the mean over the batch.
        "score_gradient": found.gradient / len(labels),
    }
    gradients = {f"grad.{name}": each.grad for name, each in model.named_parameters() if each.grad is not None}
    return outputs | gradients


replay = replay_of(
    {
        "attention-at": _step,
        "released-iat": _step,
        "paper-equations": lambda run: replay_equations(classifier(run), run),
    }
)
