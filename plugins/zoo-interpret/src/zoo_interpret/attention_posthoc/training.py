"""Training of the classifier on labelled texts, as the paper does on IMDB: Adam, stopped at the best validation."""

from __future__ import annotations

import copy
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from zoo.errors import InputError
from zoo.nn.descent import descend
from zoo_interpret.attention_posthoc.classifier import MultiHeadClassifier
from zoo_interpret.attention_posthoc.closed_forms import CLS_ID, UNK_ID

_WORD = re.compile(r"[a-z0-9']+")


def words_of(text: str) -> list[str]:
    """Lower-case words."""
    return _WORD.findall(text.lower())


def vocabulary(texts: Sequence[str], size: int = 20000) -> dict[str, int]:
    """The commonest words of the training texts to ids from 2 on; 0 is [CLS] and 1 UNK."""
    counts = Counter(word for text in texts for word in words_of(text))
    return {word: index for index, (word, _) in enumerate(counts.most_common(max(size - 2, 0)), start=2)}


def encode(texts: Sequence[str], words: Mapping[str, int], max_length: int = 256) -> Tensor:
    """Ids (N, max_length): [CLS], the words, and UNK as padding, which the paper's classifier attends to as well."""
    ids = torch.full((len(texts), max_length), UNK_ID)
    ids[:, 0] = CLS_ID
    for row, text in enumerate(texts):
        known = [words.get(word, UNK_ID) for word in words_of(text)][: max_length - 1]
        ids[row, 1 : 1 + len(known)] = torch.tensor(known, dtype=torch.long)
    return ids


def accuracy(model: MultiHeadClassifier, ids: Tensor, labels: Tensor, *, batch_size: int = 256) -> float:
    """Share of documents (N, T) whose largest score is their label's."""
    with torch.no_grad():
        found = torch.cat([model(part).argmax(-1) for part in ids.split(batch_size)])
    return float((found == labels).float().mean())


def fit(
    model: MultiHeadClassifier,
    train: tuple[Tensor, Tensor],
    validation: tuple[Tensor, Tensor],
    *,
    epochs: int = 10,
    batch_size: int = 16,
    learning_rate: float = 1e-4,
    seed: int = 0,
    log: Callable[[str], object] = lambda line: None,
) -> list[float]:
    """Train in place and keep the weights of the epoch with the best validation accuracy.

    Args:
        model: the classifier.
        train, validation: ids (N, T) and labels (N,).
        epochs, batch_size, learning_rate: the paper's by default.
        seed: of the order of documents.
        log: takes a line per epoch.

    Returns:
        The validation accuracy after every epoch.

    Raises:
        InputError: no documents.
    """
    ids, labels = train
    if not len(ids) or not len(validation[0]):
        raise InputError(f"{len(ids)} training and {len(validation[0])} validation documents; expected some of both")
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate)
    accuracies: list[float] = []

    def loss_of(rows: Tensor) -> Tensor:
        return functional.cross_entropy(model(ids[rows]), labels[rows])

    best = copy.deepcopy(model.state_dict())
    for epoch in range(epochs):
        descend(model, torch.randperm(len(ids), generator=generator).split(batch_size), loss_of, optimizer)
        accuracies.append(accuracy(model, *validation))
        if accuracies[-1] == max(accuracies) and accuracies.count(accuracies[-1]) == 1:
            best = copy.deepcopy(model.state_dict())
        log(f"epoch {epoch + 1}: validation accuracy {accuracies[-1]:.3f}")
    model.load_state_dict(best)
    return accuracies
