"""Layout analysis as a benchmark: what is each word of a page? Scored by DocBank's area-weighted F1.

For each label, with areas of boxes summed over all pages,

    precision = area of words given the label rightly / area of words given the label
    recall    = area of words given the label rightly / area of words that have it

and F1 is their harmonic mean.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from zoo.errors import InputError
from zoo_sequence.skim_attention.config import LayoutAnalysisConfig
from zoo_sequence.skim_attention.pages import LABELS, Page, draw_page, encode, read_docbank

_BATCH = 16


def area_f1(predicted: Tensor, truth: Tensor, bbox: Tensor, num_classes: int) -> Tensor:
    """Precision, recall and F1 of each class, (num_classes, 3) float64; NaN where neither has any area.

    Args:
        predicted, truth: (words,) int64 classes.
        bbox: (words, 4), (x0, y0, x1, y1).
        num_classes: how many there are.
    """
    if not (predicted.shape == truth.shape == bbox.shape[:-1]):
        shapes = ", ".join(str(tuple(x.shape)) for x in (predicted, truth, bbox))
        raise InputError(f"shapes {shapes}; expected (words,) twice, and (words, 4)")
    sides = (bbox[..., 2:] - bbox[..., :2]).double()
    area = sides.prod(-1).flatten()

    def total(classes: Tensor, weight: Tensor) -> Tensor:
        return torch.zeros(num_classes, dtype=torch.float64).index_add(0, classes.flatten(), weight)

    right = total(truth, area * (predicted == truth).flatten())
    given, present = total(predicted, area), total(truth, area)
    f1 = 2 * right / (given + present)
    precision, recall = (
        torch.where(given + present > 0, (right / whole).nan_to_num(0.0), torch.nan) for whole in (given, present)
    )
    return torch.stack((precision, recall, f1), -1)


class LayoutAnalysis:
    """The benchmark, of anything that is called with ids, boxes and mask, and returns ``logits``."""

    def __init__(self, config: LayoutAnalysisConfig) -> None:
        self.config = config

    @cached_property
    def pages(self) -> tuple[Page, ...]:
        """All pages, long ones in pieces."""
        return tuple(piece for page in self._whole_pages() for piece in page.pieces(self.config.max_length))

    def _whole_pages(self) -> Iterator[Page]:
        if not self.config.path:
            yield from (draw_page(self.config.seed + index) for index in range(self.config.count))
            return
        path = Path(self.config.path).expanduser()
        files = sorted(path.glob("*.txt")) if path.is_dir() else [path]
        if not files:
            raise InputError(f"{path} holds no DocBank page (.txt)")
        yield from map(read_docbank, files)

    def cases(self) -> Iterator[Page]:
        """The pages."""
        yield from self.pages

    def score(self, answers: Sequence[Sequence[str]]) -> dict[str, float]:
        """F1 by label that occurs, and their mean as ``macro F1``.

        Args:
            answers: for each page the labels of its words, in the order of ``cases``.

        Raises:
            InputError: not one label per word, or a label that does not exist.
        """
        given = [tuple(labels) for labels in answers]
        if [len(labels) for labels in given] != [len(page.words) for page in self.pages]:
            raise InputError(f"expected a label for each word of {len(self.pages)} pages")
        unknown = {label for labels in given for label in labels} - set(LABELS)
        if unknown:
            raise InputError(f"unknown labels {', '.join(sorted(unknown))}; there are: {', '.join(LABELS)}")

        def classes(pages: Sequence[Sequence[str]]) -> Tensor:
            return torch.tensor([LABELS.index(label) for labels in pages for label in labels])

        truth = classes([page.labels for page in self.pages])
        boxes = torch.tensor([box for page in self.pages for box in page.boxes])
        f1 = area_f1(classes(given), truth, boxes, len(LABELS))[:, 2]
        present = [index for index, label in enumerate(LABELS) if any(label in page.labels for page in self.pages)]
        scores = {LABELS[index]: float(f1[index]) for index in present}
        return scores | {"macro F1": sum(scores.values()) / len(scores)}

    @torch.no_grad()
    def run(self, system: Callable[..., Any]) -> dict[str, float]:
        """Scores of a token classifier.

        Args:
            system: called with ``input_ids``, ``bbox`` and ``attention_mask``; what it returns has ``logits``
                (batch, length, 13), classes as in ``pages.LABELS``. The token classifiers of this paper are such.
        """
        answers: list[list[str]] = []
        for start in range(0, len(self.pages), _BATCH):
            pages = self.pages[start : start + _BATCH]
            batch = encode(pages, self.config.vocab_size, self.config.max_2d_positions)
            found = system(**batch.inputs()).logits.argmax(-1).tolist()
            answers += [
                [LABELS[index] for index in row[: len(page.words)]] for row, page in zip(found, pages, strict=True)
            ]
        return self.score(answers)


def layout_analysis_example(config: LayoutAnalysisConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Any]:
    """A system that takes every word for part of a paragraph."""
    paragraph = torch.nn.functional.one_hot(torch.tensor(LABELS.index("paragraph")), len(LABELS)).float()

    def system(input_ids: Tensor, **inputs: Tensor) -> SimpleNamespace:
        return SimpleNamespace(logits=paragraph.expand(*input_ids.shape, -1))

    return {"system": system}
