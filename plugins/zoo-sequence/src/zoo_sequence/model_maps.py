"""What the probes of this plugin read from a transformers model: maps, hidden states, queries, keys, values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from zoo.errors import InputError
from zoo.targets import require


def tiny_gpt2(seed: int = 0, **config: Any) -> nn.Module:
    """A random GPT-2 of 2 layers, 4 heads and width 32 that returns attention maps, in eval mode."""
    transformers = require("transformers", needed_by="a probe of a transformers model")
    shape = {"vocab_size": 97, "n_positions": 128, "n_embd": 32, "n_layer": 2, "n_head": 4, **config}
    shape |= {"bos_token_id": None, "eos_token_id": None}
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model: nn.Module = transformers.GPT2Model._from_config(
            transformers.GPT2Config(**shape), attn_implementation="eager"
        )
    return model.eval()


def attention_maps(model: nn.Module, inputs: Mapping[str, Tensor]) -> tuple[list[Tensor], list[Tensor]]:
    """Per layer, the attention map (batch, heads, N, N) and the layer's input states (batch, N, width).

    Raises:
        InputError: the model returns no maps.
    """
    with torch.no_grad():
        output = model(**inputs, output_attentions=True, output_hidden_states=True)
    maps = getattr(output, "attentions", None)
    if not maps or maps[0] is None:
        raise InputError('the model returned no attention maps; load it with attn_implementation="eager"')
    return list(maps), list(output.hidden_states[: len(maps)])


def attention_modules(model: nn.Module) -> list[nn.Module]:
    """The self-attention modules that hold projections, in layer order (GPT-2, Llama and BERT naming).

    Raises:
        InputError: none is found.
    """
    found = [
        module
        for module in model.modules()
        if hasattr(module, "c_attn")
        or hasattr(module, "q_proj")
        or (hasattr(module, "query") and hasattr(module, "key"))
    ]
    if not found:
        raise InputError(f"{type(model).__name__} has no attention module with known projections")
    return found


def split_projections(module: Any, states: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values (batch, heads, N, head_dim) of states (batch, N, width), before any positions.

    Where a module normalises queries and keys (``q_norm``, ``k_norm``), of a head or of all heads, so does this.
    """
    if hasattr(module, "c_attn"):
        width = module.split_size
        parts = module.c_attn(states).split(width, dim=-1)
        head_dim = module.head_dim
    elif hasattr(module, "q_proj"):
        parts = tuple(getattr(module, name)(states) for name in ("q_proj", "k_proj", "v_proj"))
        head_dim = module.head_dim
    else:
        parts = tuple(getattr(module, name)(states) for name in ("query", "key", "value"))
        head_dim = module.attention_head_size
    norms = (getattr(module, "q_norm", None), getattr(module, "k_norm", None), None)
    query, key, value = (_heads(part, norm, head_dim) for part, norm in zip(parts, norms, strict=True))
    return query, key, value


def _heads(part: Tensor, norm: Any, head_dim: int) -> Tensor:
    """(batch, N, width) to (batch, heads, N, head_dim), normalised over a head or over all of them."""
    heads = part.unflatten(-1, (-1, head_dim))
    if norm is not None:
        heads = norm(heads) if norm.weight.shape[-1] == head_dim else norm(part).view_as(heads)
    return heads.transpose(1, 2)


@contextmanager
def captured_inputs(modules: list[nn.Module]) -> Iterator[list[Tensor]]:
    """Within the context, the states (batch, N, width) each module was called with."""
    seen: list[Tensor] = []

    def keep(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        seen.append((args[0] if args else kwargs["hidden_states"]).detach())

    handles = [module.register_forward_pre_hook(keep, with_kwargs=True) for module in modules]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def queries_keys_values(model: nn.Module, inputs: Mapping[str, Tensor]) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Per layer, queries, keys and values (batch, heads, N, head_dim) of a forward pass."""
    modules = attention_modules(model)
    with captured_inputs(modules) as seen, torch.no_grad():
        model(**inputs)
        return [split_projections(module, states) for module, states in zip(modules, seen, strict=True)]
