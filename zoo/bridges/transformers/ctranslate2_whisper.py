"""A Whisper out of a CTranslate2 file: a little-endian list of named arrays, renamed for transformers.

The file is: version, name and revision of its kind, then the number of arrays, each with its name, its shape, the
type of its numbers and their bytes. Query, key and value of self-attention are stacked in one array, key and value of
cross-attention in another.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import Tensor, nn

import zoo
from zoo.errors import WeightsError
from zoo.nn.renaming import renamed

# The format's codes of numbers.
TYPES = {0: "<f4", 1: "<i1", 2: "<i2", 3: "<i4", 4: "<f2"}

NAMES = (
    (r"^decoder/embeddings/weight", "model.decoder.embed_tokens.weight"),
    (r"/position_encodings/encodings", "/embed_positions/weight"),
    (r"/layer_(\d+)/", r"/layers/\1/"),
    (r"/self_attention/layer_norm/", "/self_attn_layer_norm/"),
    (r"/attention/layer_norm/", "/encoder_attn_layer_norm/"),
    (r"/ffn/layer_norm/", "/final_layer_norm/"),
    (r"/self_attention/linear_1/", "/self_attn/out_proj/"),
    (r"/attention/linear_0/", "/encoder_attn/q_proj/"),
    (r"/attention/linear_2/", "/encoder_attn/out_proj/"),
    (r"/ffn/linear_0/", "/fc1/"),
    (r"/ffn/linear_1/", "/fc2/"),
    (r"/gamma$", "/weight"),
    (r"/beta$", "/bias"),
    (r"^(?=encoder/|decoder/)", "model/"),
    (r"/", "."),
)


def load(folder: Path, attn_implementation: str) -> tuple[nn.Module, Any]:
    """Model and processor of a folder with ``model.bin`` and ``tokenizer.json``, of the size of tiny.en.

    Raises:
        WeightsError: the file is not CTranslate2's, or of another size.
    """
    import transformers

    state = whisper_state(read_state([folder / "model" / "model.bin"]))
    vocabulary, dim = state["model.decoder.embed_tokens.weight"].shape
    counts = [
        1 + max(int(name.split(".")[3]) for name in state if name.startswith(f"model.{side}.layers."))
        for side in ("encoder", "decoder")
    ]
    config = transformers.WhisperConfig(
        vocab_size=vocabulary,
        d_model=dim,
        encoder_layers=counts[0],
        decoder_layers=counts[1],
        encoder_attention_heads=dim // 64,
        decoder_attention_heads=dim // 64,
        encoder_ffn_dim=4 * dim,
        decoder_ffn_dim=4 * dim,
        decoder_start_token_id=50257,
        bos_token_id=50256,
        eos_token_id=50256,
        pad_token_id=50256,
        begin_suppress_tokens=None,
    )
    model: nn.Module = transformers.WhisperForConditionalGeneration._from_config(
        config, attn_implementation=attn_implementation
    )
    zoo.fill(model, state)
    return model, load_processor(folder)


def load_processor(folder: Path) -> Any:
    """The processor of such a folder: features of sound, and a tokenizer."""
    import transformers

    tokenizer = transformers.WhisperTokenizerFast(tokenizer_file=str(folder / "model" / "tokenizer.json"))
    return transformers.WhisperProcessor(transformers.WhisperFeatureExtractor(), tokenizer)


def read_state(paths: Sequence[Path]) -> dict[str, Tensor]:
    """The tensors of a CTranslate2 file in float32, under its own names; settings are left out.

    Raises:
        WeightsError: it is none.
    """
    (path,) = paths
    arrays = read_arrays(path)
    return {name: torch.from_numpy(array.astype(np.float32)) for name, array in arrays.items() if array.shape}


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a CTranslate2 file by name.

    Raises:
        WeightsError: it ends early, or has numbers of an unknown type.
    """
    try:
        with path.open("rb") as file:
            _read(file, "I"), _text(file), _read(file, "I")
            return dict(_array(file) for _ in range(_read(file, "I")))
    except (OSError, struct.error, KeyError, ValueError, UnicodeDecodeError) as error:
        raise WeightsError(f"{path} is no CTranslate2 file: {type(error).__name__}: {error}") from error


def _array(file: BinaryIO) -> tuple[str, np.ndarray]:
    name = _text(file)
    shape = [_read(file, "I") for _ in range(_read(file, "B"))]
    kind = TYPES[_read(file, "B")]
    return name, np.frombuffer(file.read(_read(file, "I")), kind).reshape(shape)


def _read(file: BinaryIO, kind: str) -> int:
    (value,) = struct.unpack(f"<{kind}", file.read(struct.calcsize(f"<{kind}")))
    return int(value)


def _text(file: BinaryIO) -> str:
    """A string with its length before and a zero after it."""
    return file.read(_read(file, "H"))[:-1].decode()


def whisper_state(arrays: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors under transformers' names, fused projections cut apart; keys have no bias there."""
    state: dict[str, Tensor] = {}
    for name, value in arrays.items():
        stem, _, kind = name.rpartition("/")
        if stem.endswith("self_attention/linear_0"):
            owner, parts = stem.replace("self_attention/linear_0", "self_attn"), "qkv"
        elif stem.endswith("/attention/linear_1"):
            owner, parts = stem.replace("attention/linear_1", "encoder_attn"), "kv"
        else:
            state[name] = value
            continue
        for part, rows in zip(parts, value.chunk(len(parts)), strict=True):
            if (part, kind) != ("k", "bias"):
                state[f"{owner}/{part}_proj/{kind}"] = rows
    return renamed(state, NAMES)
