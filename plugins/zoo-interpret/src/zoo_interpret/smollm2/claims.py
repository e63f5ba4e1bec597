"""What is promised of the model and a machine can check; of the trained one, out of its package."""

from __future__ import annotations

from pathlib import Path

import torch

import zoo
from zoo import Measurement, building
from zoo.bridges.transformers.maps import attention_maps
from zoo.bridges.transformers.packaged import packaged_folder
from zoo.evidence.attention_plots import attention_over_tokens
from zoo_interpret.smollm2.config import SmolLM2Config
from zoo_interpret.smollm2.networks import SmolLM2

SENTENCE = "When Mary and John went to the store, John gave a drink to"
FACTS = (
    ("The capital of France is", " Paris"),
    ("The opposite of hot is", " cold"),
    ("Two plus two equals", " four"),
    ("The sun rises in the", " east"),
    (SENTENCE, " Mary"),
)


def check_size() -> Measurement:
    """Parameters of the default config, counted without any memory for them."""
    with building.on_meta():
        count = sum(parameter.numel() for parameter in SmolLM2(SmolLM2Config()).parameters())
    return Measurement(f"{count:,}", round(count / 1e6) == 135)


def check_reading() -> Measurement:
    """Logits of the entry, beside those of the model as transformers' own GGUF reader makes it."""
    from transformers import AutoModelForCausalLM

    model = zoo.load("smollm2")
    folder = packaged_folder("smollm2")
    (file,) = folder.glob("*.gguf")
    other = AutoModelForCausalLM.from_pretrained(folder, gguf_file=file.name, dtype=torch.float32).eval()
    ids = model.tokenizer(SENTENCE, return_tensors="pt")["input_ids"]
    with torch.no_grad():
        logits, theirs = model(ids).logits, other(ids).logits
    worst = float((logits - theirs).abs().max())
    return Measurement(f"largest difference {worst:.1e} of logits up to {float(theirs.abs().max()):.0f}", worst < 1e-3)


def check_knows() -> Measurement:
    """Prompts whose likeliest next token is the right one."""
    model = zoo.load("smollm2")
    right = []
    for prompt, answer in FACTS:
        with torch.no_grad():
            logits = model(**model.tokenizer(prompt, return_tensors="pt")).logits[0, -1]
        right.append(model.tokenizer.decode([int(logits.argmax())]) == answer)
    wrong = [answer.strip() for (_, answer), found in zip(FACTS, right, strict=True) if not found]
    return Measurement(
        f"{sum(right)} of {len(right)}" + (f"; not {', '.join(wrong)}" if wrong else ""), sum(right) >= 3
    )


def picture(path: Path) -> None:
    """Attention of SmolLM2's 9 heads in layer 15 over "When Mary and John went to the store, John gave a drink to"."""
    model = zoo.load("smollm2")
    inputs = model.tokenizer(SENTENCE, return_tensors="pt")
    (maps,) = attention_maps(model, inputs, layers=[15])
    tokens = [model.tokenizer.decode([token]) for token in inputs["input_ids"][0].tolist()]
    attention_over_tokens(maps[0], tokens, title="SmolLM2-135M, layer 15", gamma=0.5, path=path)
