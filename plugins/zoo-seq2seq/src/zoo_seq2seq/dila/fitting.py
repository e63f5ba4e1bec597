"""Training an autoencoder, and how well codes are predicted."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from zoo.nn.descent import descend
from zoo_seq2seq.dila.config import DilaConfig
from zoo_seq2seq.dila.head import SparseAutoencoder


def sparse_mixtures(count: int, atoms: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Embeddings (count, dim) that are sums of a few atoms (atoms, dim), each there with a probability."""
    there = torch.rand(count, len(atoms), generator=generator) < share
    return (there * torch.rand(count, len(atoms), generator=generator).add(0.5)) @ atoms


def learn_dictionary(model: SparseAutoencoder, draw: Callable[[], Tensor], *, steps: int, learning_rate: float) -> None:
    """Train an autoencoder with Adam on what is drawn, (..., dim), atoms of unit length after every step; then eval."""
    optimizer = torch.optim.Adam(model.parameters(), learning_rate)
    optimizer.register_step_post_hook(lambda *_: model.normalise())

    def loss_of(step: int) -> Tensor:
        x = draw()
        return model.loss(x, *model(x))

    descend(model, range(steps), loss_of, optimizer)


def fit_autoencoder(
    config: DilaConfig, atoms: Tensor, *, share: float, steps: int, seed: int, learning_rate: float = 3e-3
) -> SparseAutoencoder:
    """An autoencoder trained with Adam on fresh batches of 256 mixtures, atoms of unit length after every step."""
    torch.manual_seed(seed)
    model = SparseAutoencoder(config)
    generator = torch.Generator().manual_seed(seed)
    learn_dictionary(
        model, lambda: sparse_mixtures(256, atoms, share, generator)[:, None], steps=steps, learning_rate=learning_rate
    )
    return model


def recovery(model: SparseAutoencoder, atoms: Tensor) -> float:
    """Mean, over true atoms (atoms, dim), of the largest cosine with a learnt one."""
    learnt = functional.normalize(model.decoder.weight.detach(), dim=0)
    return float((functional.normalize(atoms, dim=1) @ learnt).amax(1).mean())


def code_scores(logits: Tensor, labels: Tensor, *, threshold: float = 0.5, k: int = 5) -> dict[str, float]:
    """Micro and macro F1, AUC over all pairs of note and code, and precision among the k likeliest codes.

    Args:
        logits, labels: (notes, codes).
        threshold: probability from which a code is given.
        k: for the precision.
    """
    truth, given = labels.bool(), logits.sigmoid() >= threshold
    hits, wrong, missed = (each.float().sum(0) for each in (given & truth, given & ~truth, ~given & truth))
    macro = torch.where(hits + wrong + missed > 0, 2 * hits / (2 * hits + wrong + missed).clamp(min=1), 0.0)
    likeliest = logits.topk(min(k, logits.shape[1]), dim=1).indices
    return {
        "micro F1": float(2 * hits.sum() / (2 * hits + wrong + missed).sum().clamp(min=1)),
        "macro F1": float(macro.mean()),
        "micro AUC": _auc(logits.flatten(), truth.flatten()),
        f"precision@{k}": float(truth.gather(1, likeliest).float().mean()),
    }


def _auc(scores: Tensor, truth: Tensor) -> float:
    """Share of pairs in which what is true scores higher; ties count half."""
    _, inverse, counts = scores.unique(return_inverse=True, return_counts=True)
    ranks = (counts.cumsum(0) - (counts - 1) / 2)[inverse]
    positive, negative = int(truth.sum()), int((~truth).sum())
    if not positive or not negative:
        return float("nan")
    return float((ranks[truth].double().sum() - positive * (positive + 1) / 2) / (positive * negative))
