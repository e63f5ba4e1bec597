"""One run of a model as the decomposition needs it: states, weights, scores, and what every head wrote."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from zoo.bridges.transformers.attending import attending
from zoo.bridges.transformers.circuits import head_weights
from zoo.bridges.transformers.heads import at_heads, output_weight
from zoo.bridges.transformers.inputs import Inputs, as_inputs, real_tokens
from zoo.bridges.transformers.sites import Site, find_blocks, require_equal_heads
from zoo.bridges.transformers.streams import at_streams
from zoo.errors import InputError
from zoo.nn.heads import repeat_heads
from zoo_interpret.sparse_attention_decomposition.folding import Folded, Norm, fold, norm_before


@dataclass(frozen=True)
class Running:
    """A run.

    Args:
        sites, norms, folded: of every layer.
        streams: per layer, what its block reads (batch, length, dim).
        weights, scores: per layer (batch, heads, queries, keys); scores are not divided by sqrt(head_dim).
        outputs: per layer, heads' outputs without the part that every value has (batch, length, heads, head_dim).
        real: (batch, length) boolean, False where padded.
    """

    sites: Sequence[Site]
    norms: Sequence[Norm]
    folded: Sequence[Folded]
    streams: Sequence[Tensor]
    weights: Sequence[Tensor]
    scores: Sequence[Tensor]
    outputs: Sequence[Tensor]
    real: Tensor

    def writes(self, layer: int, prompt: int, token: int) -> Tensor:
        """What every head of a layer adds to the stream at a token (heads, dim), centred where norms centre."""
        site = self.sites[layer]
        written = torch.einsum("hd,hdm->hm", self.outputs[layer][prompt, token], output_weight(site).detach())
        return self.norms[layer].shifted(written)


@torch.no_grad()
def run(model: nn.Module, inputs: Inputs, tokenizer: object = None) -> Running:
    """Run a decoder and keep what the decomposition needs.

    Raises:
        InputError: blocks without a norm before their attention, or more than one attention layer in a block.
    """
    blocks = find_blocks(model)
    if any(len(block.sites) != 1 for block in blocks):
        raise InputError(f"{type(model).__name__} has blocks with several attention layers; they are not decomposed")
    sites = [block.sites[0] for block in blocks]
    require_equal_heads(sites)
    norms = [norm_before(block, model) for block in blocks]
    biases = []
    for site, norm in zip(sites, norms, strict=True):
        weights_of = head_weights(site)
        # The norm's bias is part of every value, too.
        biases.append(weights_of.value_bias + norm.bias @ weights_of.value)
    arguments = as_inputs(model, inputs, tokenizer)
    layers = {site.name: layer for layer, site in enumerate(sites)}
    streams: dict[int, Tensor] = {}
    weights, scores, outputs = ({layer: torch.empty(0) for layer in range(len(sites))} for _ in range(3))

    def keep_stream(place: int, stream: Tensor) -> None:
        streams[place] = stream

    def keep_weights(site: Site, found: Tensor) -> None:
        weights[layers[site.name]] = found

    def keep_scores(site: Site, query: Tensor, key: Tensor, value: Tensor) -> None:
        scores[layers[site.name]] = query @ repeat_heads(key, query.shape[1]).mT

    def keep_outputs(site: Site, found: Tensor) -> None:
        # Weights sum to one, so that every head's output has the values' bias in it, whatever it looks at.
        outputs[layers[site.name]] = found - biases[layers[site.name]]

    with (
        at_streams(model, keep_stream, before=range(len(blocks))),
        at_heads(model, keep_outputs, sites=sites),
        attending(model, sites=sites, weights=keep_weights, projections=keep_scores),
    ):
        model(**arguments)
    real = real_tokens(arguments)
    folded = [fold(site, norm, model) for site, norm in zip(sites, norms, strict=True)]
    every = torch.ones_like(weights[0][:, 0, :, 0], dtype=torch.bool)
    kept = [[found[layer] for layer in range(len(sites))] for found in (streams, weights, scores, outputs)]
    return Running(sites, norms, folded, kept[0], kept[1], kept[2], kept[3], every if real is None else real)
