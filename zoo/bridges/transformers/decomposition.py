"""Take a model's output apart: how much of it the embedding, every head and every feed-forward network wrote.

In a model that normalises before its layers, the last residual stream is a sum

    x_L = x_0 + sum_l [ sum_h z_lh W_O,lh + b_O,l + f_l ],

x_0 what enters the first block, z_lh the output of head h in block l, f_l what the feed-forward network writes. The
final norm's denominator taken as it is in the run, logits are linear in these parts too::

    parts = decompose(model, "When Mary and John went out, John gave a bag to", tokenizer)
    parts.names                                   # "embedding", "0.0", ..., "0.bias", "0.feed-forward", ...
    parts.logits([mary, john])                    # (parts, batch, 2): what each part says for the two names

That the parts add up to the stream is checked on every call; models of which it does not hold (BERT and others that
normalise afterwards, mixtures of experts, scaled residuals) are refused by name.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from zoo.bridges.transformers.heads import at_heads, at_positions, head_writes
from zoo.bridges.transformers.inputs import Inputs, as_inputs
from zoo.bridges.transformers.sites import Block, Group, Site, feed_forward_output, find_blocks
from zoo.bridges.transformers.streams import at_streams
from zoo.errors import InputError

# Where models keep the norm after their last block, and the head that is a linear layer.
_FINAL_NORMS = ("norm", "ln_f", "final_layer_norm", "final_layernorm", "layer_norm", "layernorm")
_HEADS = ("lm_head", "embed_out", "head", "classifier")


@dataclass(frozen=True)
class Decomposition:
    """The last residual stream at one position, in parts.

    Args:
        names: of the parts: "embedding", "LAYER.HEAD", "LAYER.bias" and "LAYER.feed-forward", counted from 0.
        vectors: (parts, batch, dim).
        stream: (batch, dim), their sum.
        norm: the final norm, and ``head`` the linear layer to logits; None where the model has none.
    """

    names: tuple[str, ...]
    vectors: Tensor
    stream: Tensor
    norm: nn.Module | None
    head: nn.Module | None

    def heads(self, values: Tensor) -> Tensor:
        """The rows of heads in values (parts, ...), as a table (layers, heads, ...)."""
        places = [name.split(".") for name in self.names]
        rows = [index for index, place in enumerate(places) if len(place) == 2 and place[1].isdigit()]
        layers = len({places[index][0] for index in rows})
        return values[rows].unflatten(0, (layers, -1))

    def normalised(self) -> Tensor:
        """The parts (parts, batch, dim) after the final norm's division and gain, without its bias."""
        if self.norm is None:
            return self.vectors
        weight = getattr(self.norm, "weight", None)
        centred = self.vectors - self.vectors.mean(-1, keepdim=True) if _subtracts_mean(self.norm) else self.vectors
        whole = self.stream - self.stream.mean(-1, keepdim=True) if _subtracts_mean(self.norm) else self.stream
        scale = (whole.square().mean(-1, keepdim=True) + _eps(self.norm)).rsqrt()
        return centred * scale * (1.0 if weight is None else weight)

    def logits(self, tokens: Sequence[int] | Tensor) -> Tensor:
        """What every part says for some tokens: (parts, batch, tokens).

        Their sum over parts is the model's logit, but for the biases of the final norm and of the head.

        Raises:
            InputError: the model has no head.
        """
        if self.head is None:
            raise InputError("the model has no head, so its parts have no logits; take the one for language modelling")
        rows = torch.as_tensor(tokens, device=self.vectors.device)
        return self.normalised() @ self.head.get_parameter("weight")[rows].T


def _subtracts_mean(norm: nn.Module) -> bool:
    return isinstance(norm, nn.LayerNorm)


def _eps(norm: nn.Module) -> float:
    found = next(
        (getattr(norm, name) for name in ("eps", "variance_epsilon") if getattr(norm, name, None) is not None), None
    )
    return float(torch.finfo(torch.float32).eps if found is None else found)


def decompose(
    model: nn.Module,
    inputs: Inputs,
    tokenizer: Any = None,
    *,
    position: int | Tensor = -1,
    group: Group | None = None,
) -> Decomposition:
    """The last residual stream of a decoder or encoder, in parts.

    Args:
        model: of transformers or of the zoo, that normalises before its layers.
        inputs, tokenizer: see ``inputs.as_inputs``.
        position: the token in question, or one (batch,) for each example.
        group: "E" for the encoder of an encoder-decoder.

    Raises:
        InputError: the parts do not add up in this architecture; the message names it.
    """
    blocks = find_blocks(model, group=group)
    names: dict[str, Tensor] = {}
    streams: dict[int, Tensor] = {}

    def at(x: Tensor) -> Tensor:
        return x[at_positions(x, position)]

    def keep_stream(place: int, stream: Tensor) -> None:
        streams[place] = at(stream)

    layers = {site.name: layer for layer, block in enumerate(blocks) for site in block.sites}

    def keep_heads(site: Site, outputs: Tensor) -> None:
        layer = layers[site.name]
        writes = head_writes(site, at(outputs))
        names.update({f"{layer}.{head}": writes[:, head] for head in range(site.num_heads)})
        if getattr(site.output, "bias", None) is not None:
            names[f"{layer}.bias"] = site.output.bias.expand(writes.shape[0], -1)

    handles = []
    with ExitStack() as stack, torch.no_grad():
        stack.enter_context(at_streams(model, keep_stream, group=group))
        stack.enter_context(at_heads(model, keep_heads, sites=[site for block in blocks for site in block.sites]))
        try:
            for layer, block in enumerate(blocks):
                output = _writer(model, block)
                handles.append(output.register_forward_hook(_keep(names, f"{layer}.feed-forward", at)))
            model(**as_inputs(model, inputs, tokenizer))
        finally:
            for handle in handles:
                handle.remove()
    parts = {"embedding": streams[0], **_in_order(names)}
    vectors, stream = torch.stack(list(parts.values())), streams[len(blocks)]
    gap = float(((vectors.sum(0) - stream).abs().max() / stream.abs().max()).detach())
    if gap > (5e-2 if stream.dtype in (torch.float16, torch.bfloat16) else 1e-4):
        raise InputError(
            f"{type(model).__name__}: embedding, heads and feed-forward networks do not add up to the last residual "
            f"stream (relative difference {gap:.1e}); it normalises or scales what its layers add"
        )
    return Decomposition(tuple(parts), vectors, stream, final_norm(blocks[-1], model), linear_head(model))


def _writer(model: nn.Module, block: Block) -> nn.Module:
    output = feed_forward_output(block.module, block.sites)
    if output is None or len(block.sites) != 1:
        raise InputError(f"{type(model).__name__}: {block.name} is not one attention and one feed-forward network")
    return output


def _keep(names: dict[str, Tensor], name: str, at: Any) -> Any:
    def hook(module: nn.Module, args: tuple[Any, ...], output: Tensor) -> None:
        names[name] = at(output)

    return hook


def _in_order(names: dict[str, Tensor]) -> dict[str, Tensor]:
    """Parts by layer; within a layer heads by number, then the bias, then the feed-forward network."""

    def rank(name: str) -> tuple[int, int, int]:
        layer, _, part = name.partition(".")
        return (int(layer), 0, int(part)) if part.isdigit() else (int(layer), 1, int(part == "feed-forward"))

    return {name: names[name] for name in sorted(names, key=rank)}


def final_norm(last: Block, model: nn.Module) -> nn.Module | None:
    """The norm after a model's last block, or None."""
    holder = model.get_submodule(last.name.rpartition(".")[0].rpartition(".")[0])
    return next((norm for name in _FINAL_NORMS if isinstance(norm := getattr(holder, name, None), nn.Module)), None)


def linear_head(model: nn.Module) -> nn.Module | None:
    """The linear layer from the final stream to logits, or None."""
    own = getattr(model, "get_output_embeddings", lambda: None)()
    found = [own, *(getattr(model, name, None) for name in _HEADS)]
    return next((head for head in found if isinstance(head, nn.Linear)), None)
