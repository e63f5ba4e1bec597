"""Pages of labelled words and boxes: drawn ones, and DocBank's.

A drawn page has a head (title, author, date, abstract), one or two columns of sections, paragraphs, lists, equations,
tables and figures with captions, references, and a footer, with the geometry such things have. A quarter of the words
is typical of what they stand in; the others are common to all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from zlib import crc32

import torch
from torch import Tensor

from zoo.errors import InputError

LABELS = (
    "abstract",
    "author",
    "caption",
    "date",
    "equation",
    "figure",
    "footer",
    "list",
    "paragraph",
    "reference",
    "section",
    "table",
    "title",
)  # fmt: skip
PADDING, MASK, SPECIAL = 0, 1, 2

_COMMON_WORDS, _TYPICAL_WORDS, _TYPICAL_SHARE = 60, 4, 0.25
_PAGE = 1000
Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Page:
    """Words, their boxes (x0, y0, x1, y1) in thousandths of the page, and what they are part of."""

    words: tuple[str, ...]
    boxes: tuple[Box, ...]
    labels: tuple[str, ...]

    def pieces(self, length: int) -> Iterator[Page]:
        """The page in pieces of at most so many words."""
        for start in range(0, len(self.words), length):
            part = slice(start, start + length)
            yield Page(self.words[part], self.boxes[part], self.labels[part])


@dataclass(frozen=True, eq=False)
class PageBatch:
    """Pages as tensors, padded with zeros: ids, masks and labels (batch, length) and boxes (batch, length, 4)."""

    input_ids: Tensor
    bbox: Tensor
    attention_mask: Tensor
    labels: Tensor

    def inputs(self) -> dict[str, Tensor]:
        """The arguments of a model."""
        return {"input_ids": self.input_ids, "bbox": self.bbox, "attention_mask": self.attention_mask}


def encode(pages: Sequence[Page], vocab_size: int, max_2d_positions: int) -> PageBatch:
    """Words by their hash, so that no vocabulary has to be kept; boxes scaled down where the tables are small.

    Args:
        pages: a batch of them.
        vocab_size: ids below; the first two are padding and the mask of masked language modelling.
        max_2d_positions: coordinates below.
    """
    length = max(len(page.words) for page in pages)
    span = min(_PAGE, max_2d_positions - 1)

    def padded(rows: Sequence[Sequence[int]]) -> Tensor:
        return torch.tensor([[*row, *[PADDING] * (length - len(row))] for row in rows])

    ids = [[SPECIAL + crc32(word.encode()) % (vocab_size - SPECIAL) for word in page.words] for page in pages]
    sides = [padded([[box[side] * span // _PAGE for box in page.boxes] for page in pages]) for side in range(4)]
    return PageBatch(
        padded(ids),
        torch.stack(sides, -1),
        padded([[1] * len(page.words) for page in pages]),
        padded([[LABELS.index(label) for label in page.labels] for page in pages]),
    )


def read_docbank(path: str | Path) -> Page:
    """A page in DocBank's text format: word, x0, y0, x1, y1, three colours, font and label, between tabs.

    Raises:
        InputError: the file does not exist, or a line is of another form.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path} does not exist; expected a DocBank page (.txt)")
    words, boxes, labels = [], [], []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        cells = line.split("\t")
        try:
            word, label = cells[0], cells[9]
            x0, y0, x1, y1 = (int(cell) for cell in cells[1:5])
            LABELS.index(label)
        except (IndexError, ValueError) as error:
            raise InputError(
                f"{path}, line {number}: expected word, x0, y0, x1, y1, R, G, B, font and one of {', '.join(LABELS)}, "
                f"between tabs; got {line!r}"
            ) from error
        words.append(word)
        boxes.append((x0, y0, x1, y1))
        labels.append(label)
    return Page(tuple(words), tuple(boxes), tuple(labels))


@dataclass
class _Pen:
    """Writes words onto a page, column by column."""

    random: Random
    left: int = 80
    right: int = 920
    y: int = 50
    words: list[str] = field(default_factory=list)
    boxes: list[Box] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)

    def word(self, label: str, x: int, width: int, height: int) -> None:
        typical = self.random.random() < _TYPICAL_SHARE
        kind, count = (label, _TYPICAL_WORDS) if typical else ("common", _COMMON_WORDS)
        self.words.append(f"{kind}-{self.random.randrange(count)}")
        self.boxes.append((x, self.y, min(x + width, _PAGE), min(self.y + height, _PAGE)))
        self.labels.append(label)

    def line(self, label: str, count: int, height: int, *, indent: int = 0, centred: bool = False) -> None:
        """So many words; each is two to six letters of half its height wide."""
        widths = [self.random.randint(2, 6) * height // 2 + 6 for _ in range(count)]
        gap = height // 2
        total = sum(widths) + gap * (count - 1)
        x = (self.left + self.right - total) // 2 if centred else self.left + indent
        for width in widths:
            if x + width > self.right and x > self.left + indent:
                break
            self.word(label, max(x, 0), width, height)
            x += width + gap
        self.y += height + height // 3

    def rows(self, label: str, count: int, height: int) -> None:
        """Lines of text; the last one is short."""
        for row in range(count):
            self.line(label, 2 if row == count - 1 else 9, height)

    def space(self, height: int = 16) -> None:
        self.y += height


def _head(pen: _Pen) -> None:
    pen.line("title", pen.random.randint(3, 6), pen.random.randint(22, 30), centred=True)
    pen.space()
    pen.line("author", pen.random.randint(3, 6), 13, centred=True)
    if pen.random.random() < 0.7:
        pen.line("date", pen.random.randint(2, 3), 10, centred=True)
    pen.space()
    left, right = pen.left, pen.right
    pen.left, pen.right = left + 90, right - 90
    pen.rows("abstract", pen.random.randint(2, 3), 11)
    pen.left, pen.right = left, right
    pen.space(24)


def _section(pen: _Pen) -> None:
    pen.line("section", pen.random.randint(2, 3), 15)


def _paragraph(pen: _Pen) -> None:
    pen.rows("paragraph", pen.random.randint(2, 4), 11)


def _list(pen: _Pen) -> None:
    for _ in range(pen.random.randint(2, 3)):
        pen.word("list", pen.left + 12, 6, 11)
        pen.line("list", pen.random.randint(3, 5), 11, indent=28)


def _equation(pen: _Pen) -> None:
    number, count = pen.right - 24, pen.random.randint(3, 6)
    pen.space(6)
    pen.word("equation", number, 20, 11)
    pen.line("equation", count, 12, centred=True)
    pen.space(6)


def _table(pen: _Pen) -> None:
    columns = pen.random.randint(3, 4)
    pitch = (pen.right - pen.left) // columns
    for _ in range(pen.random.randint(2, 3)):
        for column in range(columns):
            pen.word("table", pen.left + column * pitch + 8, pen.random.randint(16, 40), 10)
        pen.y += 16
    _caption(pen)


def _figure(pen: _Pen) -> None:
    height = pen.random.randint(60, 140)
    pen.word("figure", pen.left + 10, pen.right - pen.left - 20, height)
    pen.y += height + 6
    _caption(pen)


def _caption(pen: _Pen) -> None:
    pen.line("caption", pen.random.randint(4, 6), 9, centred=True)


def _references(pen: _Pen) -> None:
    for _ in range(pen.random.randint(2, 3)):
        pen.line("reference", 7, 9)
        pen.line("reference", pen.random.randint(2, 4), 9, indent=20)


# A figure is one word, so that there are twice as many of them.
_BLOCKS = (_section, _paragraph, _list, _equation, _table, _figure, _figure, _references)


def draw_page(seed: int) -> Page:
    """A drawn page, the same for the same seed."""
    pen = _Pen(Random(seed))
    if pen.random.random() < 0.6:
        _head(pen)
    top, columns = pen.y, pen.random.randint(1, 2)
    width = 840 if columns == 1 else 400
    for column in range(columns):
        pen.left, pen.y = 80 + column * 440, top
        pen.right = pen.left + width
        for block in pen.random.choices(_BLOCKS, k=4 // columns):
            if pen.y < 780:
                block(pen)
                pen.space()
    pen.left, pen.right, pen.y = 80, 920, 960
    pen.line("footer", pen.random.randint(1, 3), 8, centred=True)
    return Page(tuple(pen.words), tuple(pen.boxes), tuple(pen.labels))
