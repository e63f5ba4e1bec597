"""LIME on text: which distinct words, when removed, change a score."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from zoo.errors import InputError


@dataclass(frozen=True)
class Lime:
    """A linear model of a score in the presence of words.

    Args:
        tokens: (D,) ids of the distinct words, ascending.
        coefficients: (D,) float64, one per word.
        intercept: the score without any of them.
    """

    tokens: Tensor
    coefficients: Tensor
    intercept: float


def presence(features: int, samples: int, seed: int = 0) -> np.ndarray:
    """(samples, D) of 0 and 1: first the whole document, then with s words removed, s uniform on 1..D.

    Drawn from numpy's ``RandomState``, so that the same seed gives the same documents everywhere.
    """
    random = np.random.RandomState(seed)
    kept = np.ones((samples, features))
    for row in range(1, samples):
        count = random.randint(1, features + 1)
        kept[row, random.choice(features, count, replace=False)] = 0
    return kept


def kernel(kept: np.ndarray, width: float) -> np.ndarray:
    """Weights of samples by their cosine distance to the whole document: exp(-(1 - sqrt(|z|/D))^2 / (2 width^2))."""
    distance = 1 - np.sqrt(kept.mean(1))
    return np.ones(len(kept)) if width == 0 else np.exp(-(distance**2) / (2 * width**2))


def ridge_regression(x: np.ndarray, y: np.ndarray, weights: np.ndarray, penalty: float) -> tuple[np.ndarray, float]:
    """Coefficients (D,) and intercept; the intercept is not penalised."""
    share = weights / weights.sum()
    x_mean, y_mean = share @ x, share @ y
    centred = (x - x_mean) * np.sqrt(weights)[:, None]
    gram = centred.T @ centred + penalty * np.eye(x.shape[1])
    right = centred.T @ ((y - y_mean) * np.sqrt(weights))
    # Words that always come and go together leave an unpenalised problem without a unique answer; take the smallest.
    found = np.linalg.lstsq(gram, right, rcond=None)[0]
    return found, float(y_mean - x_mean @ found)


def lime(
    score: Callable[[Tensor], Tensor],
    ids: Tensor,
    removable: Tensor,
    mask_id: int,
    *,
    samples: int = 1000,
    kernel_width: float = 0.25,
    penalty: float = 1.0,
    seed: int = 0,
    batch_size: int = 256,
) -> Lime:
    """Explain one document.

    Args:
        score: (n, T) ids to (n,) scores.
        ids: (T,) of the document.
        removable: (T,) boolean, where words are; a word's occurrences are removed together.
        mask_id: what removed words become.
        samples, kernel_width, penalty, seed: see the config.
        batch_size: perturbed documents of one call of ``score``.

    Raises:
        InputError: no token is removable.
    """
    words = torch.unique(ids[removable])
    if not len(words):
        raise InputError("no word of the document may be removed; there is nothing for LIME to explain")
    kept = presence(len(words), samples, seed)
    # The word of every place, or D where nothing is removed.
    places = torch.where(removable, torch.searchsorted(words, ids), len(words))
    stays = torch.cat((torch.from_numpy(kept), torch.ones(samples, 1)), 1).bool()[:, places.cpu()].to(ids.device)
    documents = torch.where(stays, ids, mask_id)
    with torch.no_grad():
        scores = torch.cat([score(batch) for batch in documents.split(batch_size)])
    answers = scores.double().cpu().numpy()
    coefficients, intercept = ridge_regression(kept, answers, kernel(kept, kernel_width), penalty)
    return Lime(words, torch.from_numpy(coefficients), intercept)
