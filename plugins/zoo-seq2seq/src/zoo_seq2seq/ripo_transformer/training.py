"""Training on melodies of Bach's chorales."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.nn.descent import descend
from zoo_seq2seq.ripo_transformer import chorales
from zoo_seq2seq.ripo_transformer.config import RipoConfig
from zoo_seq2seq.ripo_transformer.intervals import PADDING
from zoo_seq2seq.ripo_transformer.network import MelodyOutput, RipoTransformer

EPOCHS, BATCH = 40, 16


def losses(found: MelodyOutput, pitches: Tensor, durations: Tensor) -> tuple[Tensor, Tensor]:
    """Cross entropy of the next pitch and of the next duration, in nats, over positions that have a next note.

    Args:
        found: of melodies without their last token.
        pitches, durations: (batch, notes) with it.
    """
    real = pitches[:, 1:] != PADDING
    return (
        functional.cross_entropy(found.pitch_logits[real], pitches[:, 1:][real]),
        functional.cross_entropy(found.duration_logits[real], durations[:, 1:][real]),
    )


@torch.no_grad()
def judged(model: RipoTransformer) -> dict[str, float]:
    """Mean cross entropy of held-out melodies, and how often the likeliest next pitch and duration are the true ones.

    Raises:
        MissingDependency: ``music21`` is not installed.
    """
    pitches, durations = chorales.tokens("held-out")
    found = model(pitches[:, :-1], durations[:, :-1])
    real = pitches[:, 1:] != PADDING
    by_pitch, by_duration = losses(found, pitches, durations)
    right = (found.pitch_logits.argmax(-1) == pitches[:, 1:])[real]
    lasts = (found.duration_logits.argmax(-1) == durations[:, 1:])[real]
    return {
        "cross entropy of pitches": round(float(by_pitch), 3),
        "cross entropy of durations": round(float(by_duration), 3),
        "accuracy of pitches": round(float(right.float().mean()), 4),
        "accuracy of durations": round(float(lasts.float().mean()), 4),
    }


def train(
    config: RipoConfig, *, preset: str | None, seed: int, log: Callable[[str], object]
) -> tuple[nn.Module, dict[str, float]]:
    """Learn the melodies of the chorales: the paper's loss, Adam at 1e-3 falling by a twentieth an epoch, batches of 16
    and gradients of norm 0.5; forty epochs, a minute on one core for the preset ``chorales``.

    Raises:
        InputError: more notes than the network has room for.
        MissingDependency: ``music21`` is not installed.
    """
    pitches, durations = chorales.tokens("train")
    torch.manual_seed(seed)
    model = RipoTransformer(config)
    generator = torch.Generator().manual_seed(seed)
    lengths = (pitches != PADDING).sum(1)
    in_epoch = -(-len(lengths) // BATCH)

    def drawn() -> Iterator[Tensor]:
        for _ in range(EPOCHS):
            # About equal lengths together, so that little is padding.
            order = (lengths + 8 * torch.rand(len(lengths), generator=generator)).argsort().split(BATCH)
            for number in torch.randperm(in_epoch, generator=generator).tolist():
                yield order[number]

    def loss_of(index: Tensor) -> Tensor:
        longest = int(lengths[index].max())
        pitch, duration = pitches[index, :longest], durations[index, :longest]
        return torch.stack(losses(model(pitch[:, :-1], duration[:, :-1]), pitch, duration)).sum()

    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    rates = torch.optim.lr_scheduler.StepLR(optimizer, in_epoch, gamma=0.95)
    descend(model, drawn(), loss_of, optimizer, rates=rates, clip=0.5, log=log, log_every=in_epoch)
    return model, judged(model)
