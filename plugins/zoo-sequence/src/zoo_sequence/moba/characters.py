"""Language models of characters, trained on the text that every machine has: Python's own standard library."""

from __future__ import annotations

import hashlib
import math
import platform
import sysconfig
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.errors import InputError
from zoo_sequence.moba.language_model import MoBALanguageModel, MoBALanguageModelConfig

ALPHABET = "\n" + "".join(map(chr, range(32, 127)))

STEPS, WARM_UP, BATCH, PEAK_RATE = 5_000, 100, 2, 3e-3
HELD_OUT_WINDOWS = 256


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


@torch.no_grad()
def bits_per_character(model: nn.Module, text: Tensor, length: int) -> float:
    """Mean -log2 of the true next character over windows of ``length`` that do not overlap."""
    windows = text.unfold(0, length + 1, length)[:HELD_OUT_WINDOWS]
    bits = 0.0
    for some in windows.split(16):
        logits = model(some[:, :-1])
        bits += float(F.cross_entropy(logits.flatten(0, 1), some[:, 1:].flatten(), reduction="sum")) / math.log(2)
    return bits / (windows.shape[0] * length)


def fit(config: MoBALanguageModelConfig, corpus: Corpus, *, seed: int, log: Callable[[str], None]) -> MoBALanguageModel:
    """Train one model; initialisation and order of the text follow the seed alone."""
    torch.manual_seed(seed)
    model = MoBALanguageModel(config)
    optimizer = torch.optim.AdamW(model.parameters(), betas=(0.9, 0.95), weight_decay=0.1)
    generator = torch.Generator().manual_seed(seed)
    within = torch.arange(config.max_length + 1)
    for step in range(STEPS):
        decay = 0.55 + 0.45 * math.cos(math.pi * step / STEPS)
        for group in optimizer.param_groups:
            group["lr"] = PEAK_RATE * min(1.0, (step + 1) / WARM_UP) * decay
        starts = torch.randint(len(corpus.train) - len(within), (BATCH, 1), generator=generator)
        loss = model.loss(corpus.train[starts + within])
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if (step + 1) % 250 == 0:
            log(f"{config.attention}, step {step + 1} of {STEPS}: {loss.item() / math.log(2):.3f} bits per character")
    return model.eval()


def train(
    config: MoBALanguageModelConfig, *, preset: str | None, seed: int, log: Callable[[str], None]
) -> tuple[nn.Module, dict[str, float]]:
    """Train a character model, and the same model with full attention for comparison.

    The metrics are bits per character on modules that neither model has seen: of the model, of its twin, and of the
    model after a switch to the other kind of attention.

    Raises:
        InputError: the config's vocabulary is not the alphabet.
    """
    _check_alphabet(config)
    corpus = Corpus.of_this_python()
    log(f"{corpus.name}: {len(corpus.train)} characters to learn from, {len(corpus.held_out)} held out")
    model = fit(config, corpus, seed=seed, log=log)
    metrics = {"bits_per_character": bits_per_character(model, corpus.held_out, config.max_length)}
    if config.attention == "moba":
        twin = fit(replace(config, attention="full"), corpus, seed=seed, log=log)
        metrics["bits_per_character_full_twin"] = bits_per_character(twin, corpus.held_out, config.max_length)
        model.switch("full")
        metrics["bits_per_character_switched_to_full"] = bits_per_character(model, corpus.held_out, config.max_length)
        model.switch("moba")
    return model, {name: round(value, 4) for name, value in metrics.items()}


def preprocess(config: MoBALanguageModelConfig) -> Callable[[str], dict[str, Tensor]]:
    """From a text to ``forward``'s arguments."""
    _check_alphabet(config)
    return lambda text: {"input_ids": encode(text)[None]}


def predict(model: MoBALanguageModel, config: MoBALanguageModelConfig, source: str) -> dict[str, Any]:
    """Continue a text, or the text of a file, by 200 characters: a sample at temperature 0.6, always the same."""
    _check_alphabet(config)
    text = Path(source).read_text(encoding="utf-8", errors="replace") if _is_file(source) else source
    ids = encode(text)[-config.max_length :][None]
    continued = model.generate(ids, 200, temperature=0.6, generator=torch.Generator().manual_seed(0))
    return {"text": decode(ids[0]), "continuation": decode(continued[0, ids.shape[1] :])}


def _is_file(source: str) -> bool:
    try:
        return Path(source).is_file()
    except OSError:
        return False


def _check_alphabet(config: MoBALanguageModelConfig) -> None:
    if config.vocab_size != len(ALPHABET):
        raise InputError(
            f"vocab_size={config.vocab_size}, but text is read as {len(ALPHABET)} characters here; take moba-lm/char"
        )
