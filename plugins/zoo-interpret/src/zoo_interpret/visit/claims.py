"""What the paper promises and a machine can check; of trained models, on SmolLM2."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch

from zoo import Measurement
from zoo.bridges.transformers.inputs import as_inputs
from zoo.bridges.transformers.packaged import packaged_model
from zoo.bridges.transformers.sites import find_blocks
from zoo.bridges.transformers.tiny import tiny_model
from zoo_interpret.visit.circuits import coded_queries, head_outputs, memory_keys, memory_values, queries
from zoo_interpret.visit.config import VisitConfig
from zoo_interpret.visit.lens import lens_of
from zoo_interpret.visit.probe import Visit
from zoo_interpret.visit.reading import Layer, read

PROMPTS = (
    "The capital of Japan is the city of",
    "Lionel Messi plays for",
    "The Eiffel Tower is located in the city of",
)


def _layers() -> Iterator[Layer]:
    """Layers of a tiny GPT-2, which has biases, and of a tiny Llama with grouped heads."""
    for family in ("gpt2", "llama"):
        model = tiny_model(family)
        with torch.no_grad():
            generator = torch.Generator().manual_seed(1)
            for name, parameter in model.named_parameters():
                if name.endswith("bias"):
                    parameter.copy_(torch.randn(parameter.shape, generator=generator))
        ids = torch.randint(3, 90, (1, 8), generator=torch.Generator().manual_seed(0))
        yield from read(model, {"input_ids": ids}, [0, 1])[0]


def _worst(pairs: list[tuple[torch.Tensor, torch.Tensor]]) -> float:
    return max(float(((a - b).abs().max() / b.abs().max()).detach()) for a, b in pairs)


def check_heads_sum() -> Measurement:
    """Relative difference of the heads' outputs, summed, and the attention's output without its bias."""
    pairs = [(head_outputs(each).sum(0), each.states["attn_output"] - each.weights.output_bias) for each in _layers()]
    worst = _worst(pairs)
    return Measurement(f"largest relative difference {worst:.1e}", worst < 1e-5)


def check_memory_values() -> Measurement:
    """Relative difference of the memory's values, weighted by attention, and the heads' outputs."""
    pairs = [
        (torch.einsum("ht,thm->hm", each.attention, memory_values(each)), head_outputs(each)) for each in _layers()
    ]
    worst = _worst(pairs)
    return Measurement(f"largest relative difference {worst:.1e}", worst < 1e-5)


def check_scores() -> Measurement:
    """Scores read in embedding space, from the query's and from the key's side, and with the reference's product."""
    sides, coded = [], []
    for layer in _layers():
        x, weights = layer.states["attn_input"], layer.weights
        scores = torch.einsum("hd,thd->th", layer.query, layer.key)
        with_bias = memory_keys(layer) @ x + torch.einsum("hd,thd->th", weights.query_bias, layer.key)
        sides.append((with_bias, scores))
        own = (layer.query * weights.key_bias).sum(-1)
        sides.append((queries(layer) @ x + own, scores[-1]))
        if any(layer.weights.key_bias.flatten() != 0):
            coded.append((coded_queries(layer) @ x + own, scores[-1]))
    worst, wrong = _worst(sides), _worst(coded)
    return Measurement(
        f"largest relative difference {worst:.1e}; {wrong:.1f} with the reference's product for GPT-2",
        worst < 1e-5 and wrong > 0.1,
    )


def check_norms_filter() -> Measurement:
    """In SmolLM2, how many of the ten likeliest tokens of a state are still among them after the norm that follows."""
    model, tokenizer = packaged_model("smollm2")
    lens, count = lens_of(model), len(find_blocks(model))
    shares, firsts = [], []
    for prompt in PROMPTS:
        for layer in read(model, _ids(model, tokenizer, prompt), range(count))[0]:
            for before, after in (("block_input", "attn_input"), ("residual", "mlp_input")):
                tops = [set(lens(layer.states[name]).topk(10).indices.tolist()) for name in (before, after)]
                first = [int(lens(layer.states[name]).argmax()) for name in (before, after)]
                shares.append(len(tops[0] & tops[1]) / 10)
                firsts.append(first[0] != first[1])
    kept, changed = sum(shares) / len(shares), sum(firsts) / len(firsts)
    return Measurement(
        f"SmolLM2-135M: {kept:.0%} of the ten likeliest tokens are kept, the first changes at {changed:.0%} of norms",
        kept < 0.5,
        f"{len(PROMPTS)} prompts, {2 * count} norms; taken to hold where fewer than half are kept; RMS norms, and "
        "another model than the paper's",
    )


def check_values_decode() -> Measurement:
    """In SmolLM2, heads whose value at the token that they look at most reads as that token, of those that look."""
    model, tokenizer = packaged_model("smollm2")
    lens, count = lens_of(model), len(find_blocks(model))
    looking, reading, others = 0, [], 0
    for prompt in PROMPTS:
        inputs = _ids(model, tokenizer, prompt)
        ids = inputs["input_ids"][0]
        for layer in read(model, inputs, range(count))[0]:
            values = memory_values(layer)
            # The first token is where heads look that look at nothing.
            strongest = layer.attention[:, 1:].max(-1)
            for head in (strongest.values > 0.3).nonzero().flatten().tolist():
                token = int(strongest.indices[head]) + 1
                top = lens(values[token, head]).topk(10).indices.tolist()
                looking += 1
                if int(ids[token]) in top:
                    reading.append(f"{layer.number}.{head}")
                # The same value read as another of the prompt's tokens.
                others += int(ids[token - 1]) in top
    return Measurement(
        f"SmolLM2-135M: {len(reading)} of {looking} heads that look at a token read as it ({', '.join(reading[:6])}), "
        f"{others} as the one before it",
        len(reading) > 0 and len(reading) > 3 * others,
        "among the ten likeliest of 49,152 tokens; another model than the paper's",
    )


def _ids(model: torch.nn.Module, tokenizer: object, prompt: str) -> dict[str, torch.Tensor]:
    return {"input_ids": as_inputs(model, prompt, tokenizer)["input_ids"]}


def picture(path: Path) -> None:
    """The last layer of SmolLM2 at the end of "The capital of Japan is the city of", its nodes read as tokens."""
    model, tokenizer = packaged_model("smollm2")
    config = VisitConfig(heads=4, values_per_head=2, top_neurons=6, bottom_neurons=2)
    Visit(config)(model, PROMPTS[0], tokenizer, layers=[29]).plot(path)
