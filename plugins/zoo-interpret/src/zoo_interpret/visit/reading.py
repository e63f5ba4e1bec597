"""What of a forward pass the graph is made of: every layer's states at the last token, keys, values, and weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from zoo.bridges.transformers.circuits import HeadWeights, head_weights
from zoo.bridges.transformers.inputs import logits_of
from zoo.bridges.transformers.maps import attention_maps, queries_keys_values
from zoo.bridges.transformers.sites import Block, Site, feed_forward_output, find_blocks, is_linear
from zoo.bridges.transformers.streams import at_streams
from zoo.errors import InputError
from zoo.nn.heads import repeat_heads


@dataclass(frozen=True)
class FeedForward:
    """A feed-forward network's neurons.

    Args:
        keys: (neurons, dim), columns of W_1; of gated networks those of the gate.
        values: (neurons, dim), rows of W_2.
        key_bias: (neurons,), and ``value_bias`` (dim,); None where there are none.
    """

    keys: Tensor
    values: Tensor
    key_bias: Tensor | None
    value_bias: Tensor | None


@dataclass
class Layer:
    """A layer's states at the last token.

    Args:
        number: of the layer.
        site: its attention.
        weights: of its heads.
        feed_forward: its neurons.
        parallel: whether attention and feed-forward network read the same state.
        shared_norm: whether they read it through one norm.
        states: "block_input", "attn_input", "attn_output", "residual", "mlp_input", "mlp_output" and
            "block_output" (dim,); "mixed" (heads, head_dim), "activation" (neurons,).
        query: (heads, head_dim), of the last token; ``key`` and ``value`` (tokens, heads, head_dim); before positions.
        attention: (heads, tokens), of the last token.
    """

    number: int
    site: Site
    weights: HeadWeights
    feed_forward: FeedForward
    parallel: bool = False
    shared_norm: bool = False
    states: dict[str, Tensor] = field(default_factory=dict)
    query: Tensor = field(default_factory=lambda: torch.empty(0))
    key: Tensor = field(default_factory=lambda: torch.empty(0))
    value: Tensor = field(default_factory=lambda: torch.empty(0))
    attention: Tensor = field(default_factory=lambda: torch.empty(0))


@torch.no_grad()
def read(model: nn.Module, inputs: dict[str, Any], layers: Sequence[int]) -> tuple[list[Layer], Tensor]:
    """States of some layers, and the logits (vocabulary,) at the last token of the only text.

    Raises:
        InputError: layers that the model has not, or blocks that are built otherwise; the message names them.
    """
    blocks = find_blocks(model)
    wrong = [layer for layer in layers if not 0 <= layer < len(blocks)]
    if wrong or not layers:
        raise InputError(f"layers {list(layers)}: the model has {len(blocks)}, numbered from 0")
    found = [_layer(model, blocks[number], number) for number in layers]
    parts = queries_keys_values(model, inputs, layers=list(layers))
    maps = attention_maps(model, inputs, layers=list(layers))
    for layer, (query, key, value), weights in zip(found, parts, maps, strict=True):
        heads = query.shape[1]
        layer.query = query[0, :, -1]
        layer.key, layer.value = (repeat_heads(part, heads)[0].transpose(0, 1) for part in (key, value))
        layer.attention = weights[0, :, -1]
    streams: dict[int, Tensor] = {}

    def keep(place: int, stream: Tensor) -> None:
        streams[place] = stream[0, -1]

    with ExitStack() as stack:
        stack.enter_context(at_streams(model, keep))
        for layer in found:
            for handle in _hooks(layer, blocks[layer.number]):
                stack.callback(handle.remove)
        logits = logits_of(model(**inputs))[0, -1]
    for layer in found:
        states = layer.states
        states["block_input"], states["block_output"] = streams[layer.number], streams[layer.number + 1]
        _finish(layer)
    return found, logits


def _layer(model: nn.Module, block: Block, number: int) -> Layer:
    if len(block.sites) != 1:
        raise InputError(f"{type(model).__name__}: {block.name} attends {len(block.sites)} times; a graph has one")
    return Layer(number, block.sites[0], head_weights(block.sites[0]), _feed_forward(model, block))


def _feed_forward(model: nn.Module, block: Block) -> FeedForward:
    last = feed_forward_output(block.module, block.sites)
    inside = {id(part) for part in block.sites[0].module.modules()} | {id(block.sites[0].output), id(last)}
    first = next((part for part in block.module.modules() if id(part) not in inside and is_linear(part)), None)
    if first is None or last is None:
        raise InputError(f"{type(model).__name__}: {block.name} has no feed-forward network of linear layers")
    keys, values = (_by_input(layer) for layer in (first, last))
    neurons = len(values)
    bias = getattr(first, "bias", None)
    if keys.shape[1] not in (neurons, 2 * neurons):
        raise InputError(f"{type(model).__name__}: {block.name}'s feed-forward network is built in an unknown way")
    # Fused gated networks keep the gate first.
    return FeedForward(keys.T[:neurons], values, None if bias is None else bias[:neurons], getattr(last, "bias", None))


def _by_input(layer: Any) -> Tensor:
    weight: Tensor = layer.weight.detach()
    return weight.T if isinstance(layer, nn.Linear) else weight


def norms_of(block: Block) -> list[nn.Module]:
    """The norms among a block's parts, in order."""
    return [part for part in block.module.children() if "norm" in type(part).__name__.lower()]


def _hooks(layer: Layer, block: Block) -> list[Any]:
    norms = norms_of(block)
    if not norms:
        raise InputError(f"{block.name} has no norms before its parts; its states are not known")

    def keep(name: str, before: str | None = None) -> Callable[..., None]:
        def hook(module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
            states = layer.states
            states[name] = (output if isinstance(output, Tensor) else output[0])[0, -1]
            if before:
                states[before] = args[0][0, -1]

        return hook

    last = feed_forward_output(block.module, block.sites)
    assert last is not None
    handles = [
        norms[0].register_forward_hook(keep("attn_input")),
        layer.site.output.register_forward_hook(keep("attn_output", "mixed")),
        last.register_forward_hook(keep("mlp_output", "activation")),
    ]
    if len(norms) > 1:
        handles.append(norms[1].register_forward_hook(keep("mlp_input", "residual")))
    return handles


def _finish(layer: Layer) -> None:
    """Whether the block is parallel, and heads' outputs by head."""
    states = layer.states
    states["mixed"] = states["mixed"].unflatten(-1, (layer.site.num_heads, layer.site.head_dim))
    summed = states["block_input"] + states["attn_output"]
    layer.shared_norm = "residual" not in states
    size = float(summed.abs().max())
    layer.parallel = layer.shared_norm or float((states["residual"] - summed).abs().max()) > 1e-3 * size
    if layer.shared_norm:
        states["mlp_input"] = states["attn_input"]
    whole = summed + states["mlp_output"]
    if float((whole - states["block_output"]).abs().max()) > 1e-3 * float(whole.abs().max()):
        raise InputError(
            f"layer {layer.number} ({type(layer.site.module).__name__}): attention and feed-forward network do not "
            "add up to the block's output; it normalises or scales what they add"
        )
