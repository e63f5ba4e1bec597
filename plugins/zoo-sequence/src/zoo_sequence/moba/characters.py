"""Characters as tokens, and the text that every machine has: the sources of Python's own standard library."""

from __future__ import annotations

import hashlib
import os
import platform
import sysconfig
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from zoo.errors import InputError
from zoo_sequence.moba.config import MoBALanguageModelConfig
from zoo_sequence.moba.language_model import MoBALanguageModel

ALPHABET = "\n" + "".join(map(chr, range(32, 127)))


def encode(text: str) -> Tensor:
    """Character numbers (length,) int64; a tab is four spaces, and what is not in the alphabet a question mark."""
    numbers = {character: number for number, character in enumerate(ALPHABET)}
    return torch.tensor([numbers.get(character, numbers["?"]) for character in text.replace("\t", "    ")])


def decode(ids: Tensor) -> str:
    """The text of character numbers (length,)."""
    return "".join(ALPHABET[number] for number in ids.tolist())


@dataclass(frozen=True)
class Corpus:
    """Documentation strings and sources of the standard library's top-level modules, in alphabetical order.

    Args:
        train: character numbers of nine modules in ten.
        held_out: of every tenth.
        name: which Python, and a digest of the text: the modules differ between versions.
    """

    train: Tensor
    held_out: Tensor
    name: str

    @classmethod
    def of_this_python(cls) -> Corpus:
        """Read it.

        Raises:
            InputError: this Python comes without its sources.
        """
        folder = Path(sysconfig.get_paths()["stdlib"])
        paths = sorted(folder.glob("*.py"))
        if len(paths) < 100:
            raise InputError(f"{folder} holds {len(paths)} modules; a Python that has its sources is needed")
        texts = [path.read_text(encoding="utf-8", errors="replace") for path in paths]
        digest = hashlib.sha256("".join(texts).encode()).hexdigest()
        held_out = "".join(texts[9::10])
        train = "".join(text for index, text in enumerate(texts) if index % 10 != 9)
        python = f"{platform.python_implementation()} {platform.python_version()}"
        return cls(encode(train), encode(held_out), f"{python}, {len(texts)} modules, sha256 {digest[:16]}")


def preprocess(config: MoBALanguageModelConfig) -> Callable[[str], dict[str, Tensor]]:
    """From a text to ``forward``'s arguments."""
    require_alphabet(config)
    return lambda text: {"input_ids": encode(text)[None]}


def predict(model: MoBALanguageModel, config: MoBALanguageModelConfig, source: str) -> dict[str, Any]:
    """Continue a text, or the text of a file, by 200 characters: a sample at temperature 0.6, always the same."""
    require_alphabet(config)
    text = _text_of(source)
    ids = encode(text)[-config.max_length :][None]
    continued = model.generate(ids, 200, temperature=0.6, generator=torch.Generator().manual_seed(0))
    return {"text": decode(ids[0]), "continuation": decode(continued[0, ids.shape[1] :])}


def _text_of(source: str) -> str:
    """The text of a file, or the text that is given itself."""
    if not os.path.isfile(source):
        return source
    try:
        return Path(source).read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise InputError(f"{source!r} cannot be read: {error}") from error


def require_alphabet(config: MoBALanguageModelConfig) -> None:
    """Raise InputError where a config's vocabulary is not the alphabet."""
    if config.vocab_size != len(ALPHABET):
        raise InputError(
            f"vocab_size={config.vocab_size}, but text is read as {len(ALPHABET)} characters here; take moba-lm/char"
        )
