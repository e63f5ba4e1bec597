"""All heads of a model on one page: a self-contained HTML file that opens in any browser, without a network.

::

    inputs = as_inputs(model, "When Mary and John went to the store, John gave a drink to", tokenizer)
    tokens, maps = token_texts(tokenizer, inputs["input_ids"][0]), attention_maps(model, inputs)
    write_view([layer[0] for layer in maps], tokens, "heads.html", title="SmolLM2", layers=layer_names(model))

The page shows every head as a small map, layer by layer; one of them large, with its tokens, and the weight under the
pointer; and the text itself, coloured by what a chosen token attends to. Weights travel in the file with 16 bits each.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Sequence
from html import escape
from pathlib import Path

import torch
from torch import Tensor

from zoo.errors import InputError
from zoo.evidence.attention_plots import readable

TEMPLATE = Path(__file__).with_name("attention_view.html")

# Weights that a page holds: more make browsers slow. All 144 heads of GPT-2 over 300 tokens are 13 million.
MOST_WEIGHTS = 16_000_000


def write_view(
    maps: Sequence[Tensor],
    tokens: Sequence[str],
    path: str | Path,
    *,
    keys: Sequence[str] | None = None,
    title: str = "Attention",
    layers: Sequence[int | str] | None = None,
) -> Path:
    """Write the page.

    Args:
        maps: per layer, weights (heads, queries, keys) of one text, not below zero.
        tokens: texts of the queries, and of the keys where ``keys`` has no others.
        path: the file.
        keys: texts of the keys, where they are another sequence.
        title: of the page.
        layers: the numbers or names of the layers, where they are not 0, 1, ...; ``sites.layer_names`` has them.

    Returns:
        The path.

    Raises:
        InputError: maps of different shapes, negative weights, another number of texts, or more weights than a page
            can hold.
    """
    keys = tokens if keys is None else keys
    names = range(len(maps)) if layers is None else layers
    wanted = (len(tokens), len(keys))
    if not maps or any(weights.ndim != 3 or tuple(weights.shape[1:]) != wanted for weights in maps):
        shapes = sorted({tuple(weights.shape) for weights in maps})
        raise InputError(f"maps of shapes {shapes}; expected (heads, {wanted[0]}, {wanted[1]}), as the texts say")
    if len(names) != len(maps):
        raise InputError(f"{len(names)} names for {len(maps)} layers")
    count = sum(weights.numel() for weights in maps)
    if count > MOST_WEIGHTS:
        raise InputError(
            f"{count:,} weights; a page holds {MOST_WEIGHTS:,}: choose layers (attention_maps(..., layers=)) or a "
            "shorter text"
        )
    if not all(weights.isfinite().all() for weights in maps):
        raise InputError("weights that are no finite numbers: there is no colour for them")
    lowest = min(float(weights.min()) for weights in maps)
    if lowest < 0:
        raise InputError(f"a weight of {lowest:g}; the page's colours start at zero")
    scale = max(float(weights.max()) for weights in maps) or 1.0
    steps = [(weights.detach().float().cpu() / scale * 65_535).round().to(torch.int32) for weights in maps]
    packed = b"".join(layer.numpy().astype("<u2").tobytes() for layer in steps)
    facts = {
        "title": title,
        "queries": [readable(text) for text in tokens],
        "keys": [readable(text) for text in keys],
        "layers": [{"name": str(name), "heads": len(weights)} for name, weights in zip(names, maps, strict=True)],
        "scale": scale,
        "weights": base64.b64encode(packed).decode(),
    }
    # No text may end the script that carries it.
    data = json.dumps(facts, ensure_ascii=False).replace("<", "\\u003c")
    parts = {"title": escape(title), "data": data}
    # In one pass: what is put in may look like a place itself.
    page = re.sub(r"\{\{(title|data)\}\}", lambda place: parts[place[1]], TEMPLATE.read_text(encoding="utf-8"))
    path = Path(path)
    path.write_text(page, encoding="utf-8")
    return path
