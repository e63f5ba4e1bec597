"""What is promised of the model and a machine can check; of the trained one, out of its package."""

from __future__ import annotations

from pathlib import Path

import torch

import zoo
from zoo import Measurement, building
from zoo.bridges.transformers.maps import attention_maps
from zoo.evidence.attention_plots import attention_over_tokens
from zoo_interpret.minilm.config import MiniLMConfig
from zoo_interpret.minilm.networks import MiniLM

# Two sentences of one meaning each, in other words.
PAIRS = (
    ("A man is playing a guitar.", "Somebody plays an instrument."),
    ("The stock market fell on Monday.", "Share prices dropped at the start of the week."),
    ("She bakes bread every morning.", "Each day begins with fresh loaves from her oven."),
    ("The train to Paris was late.", "Our railway journey to the French capital was delayed."),
    ("Doctors found a new treatment.", "A novel therapy was discovered by physicians."),
    ("It rained the whole night.", "From dusk till dawn it poured."),
)


def check_size() -> Measurement:
    """Parameters of the default config, counted without any memory for them."""
    with building.on_meta():
        count = sum(parameter.numel() for parameter in MiniLM(MiniLMConfig()).parameters())
    return Measurement(f"{count:,}", 21.5e6 <= count < 23.5e6, "within half a million of the figure as it is rounded")


def check_meaning() -> Measurement:
    """Sentences whose nearest of all others is the one of the same meaning."""
    model = zoo.load("minilm")
    vectors = model.embed([text for pair in PAIRS for text in pair])
    alike = (vectors @ vectors.T).fill_diagonal_(-1)
    nearest = alike.argmax(-1)
    right = int((nearest == torch.arange(len(vectors)) ^ 1).sum())
    return Measurement(f"{right} of {len(vectors)}", right >= len(vectors) - 1)


def picture(path: Path) -> None:
    """Attention of the 12 heads of MiniLM's first layer over the sentence "She bakes bread every morning."."""
    model = zoo.load("minilm")
    inputs = dict(model.tokenizer(PAIRS[2][0], return_tensors="pt"))
    (maps,) = attention_maps(model, inputs, layers=[0])
    tokens = model.tokenizer.convert_ids_to_tokens(inputs["input_ids"][0].tolist())
    attention_over_tokens(maps[0], tokens, title="all-MiniLM-L6-v2, layer 0", path=path)
