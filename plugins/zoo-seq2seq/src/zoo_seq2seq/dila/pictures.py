"""The picture of the card."""

from __future__ import annotations

from pathlib import Path

import torch

import zoo
from zoo_seq2seq.dila import icd
from zoo_seq2seq.dila.coding import draw_codes


def coded(path: Path) -> None:
    """A note made of three held-out terms of ICD-10-CM: the codes that the bundled head gives, and the pieces of words
    that each attends to."""
    held = icd.terms("held-out")
    note = ". ".join(held[code][0] for code in list(held)[5::35][:3])
    pieces, x = icd.embed(note)
    with torch.no_grad():
        found = zoo.load("dila/icd")(x[None])
    draw_codes(pieces, found.attention[0], found.logits[0], note, path)
