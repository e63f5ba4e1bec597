"""Attention maps, and queries, keys and values, of a model as it runs.

::

    maps = attention_maps(model, "The cat sat on the mat", tokenizer)     # a tensor per layer
    maps[3][0, 5]                                                         # head 5 of layer 3: (queries, keys)

    for document in documents(model, texts, tokenizer):                   # text after text, padding cut off
        statistic.add(document.maps)                                      # (layers, heads, tokens, tokens)

    queries_keys_values(model, inputs)                                    # before positions; positions=True: after

A probe that needs one number of every map does not need the maps of all layers at once: it gives ``attending`` a
function, and no more than one layer's weights live at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from zoo.bridges.transformers.attending import attending, can_be_attended
from zoo.bridges.transformers.inputs import Inputs, as_inputs, batches, real_tokens
from zoo.bridges.transformers.progress import Log
from zoo.bridges.transformers.sites import Group, Site, find_sites, in_order, projected
from zoo.errors import InputError


def attention_maps(
    model: nn.Module,
    inputs: Inputs,
    tokenizer: Any = None,
    *,
    group: Group | None = None,
    layers: Collection[int] | None = None,
) -> list[Tensor]:
    """The attention weights of one forward pass.

    Args:
        model: of transformers, with any attention implementation; or a network of the zoo.
        inputs, tokenizer: see ``inputs.as_inputs``. A cache may be among the inputs.
        group, layers: which layers; see ``sites.find_sites``.

    Returns:
        A tensor (batch, heads, queries, keys) per layer; one for each time that a layer runs, where a model (ALBERT)
        uses one several times. Rows of padded queries hold what the model computes there.

    Raises:
        InputError: a layer has no map that could be read; the message names it.
    """
    sites = find_sites(model, group=group, layers=layers)
    arguments = as_inputs(model, inputs, tokenizer)
    if not all(can_be_attended(site) for site in sites):
        return _returned_maps(model, arguments, sites)
    found: dict[str, list[Tensor]] = {}

    def keep(site: Site, weights: Tensor) -> None:
        found.setdefault(site.name, []).append(weights)

    with torch.no_grad(), attending(model, sites=sites, weights=keep):
        model(**arguments)
    return in_order(sites, found)


def as_distributions(weights: Tensor) -> Tensor:
    """The same attention weights, for measures that are of probabilities: entropies, divergences.

    Raises:
        InputError: some are below zero, as those of a plastic memory and of super attention are.
    """
    lowest = float(weights.min()) if weights.numel() else 0.0
    if lowest < -1e-6:
        raise InputError(
            f"attention weights down to {lowest:.2g} are no probabilities, and have no entropy or divergence; take a "
            "model whose attention does not subtract values"
        )
    return weights.clamp(min=0)


def _returned_maps(model: nn.Module, arguments: Mapping[str, Any], sites: list[Site]) -> list[Tensor]:
    """Maps that an architecture without dispatch returns when asked to."""
    if not hasattr(getattr(model, "config", None), "model_type"):
        kinds = sorted({type(site.module).__name__ for site in sites if not can_be_attended(site)})
        raise InputError(f"{', '.join(kinds)}: a mechanism whose weights cannot be read; it has no attend()")
    with torch.no_grad():
        output = model(**arguments, output_attentions=True)
    names = {
        "E": ("encoder_attentions", "attentions"),
        "D": ("decoder_attentions", "attentions"),
        "A": ("cross_attentions",),
    }
    positions: dict[Group, list[str]] = {}
    for site in find_sites(model):
        positions.setdefault(site.group, []).append(site.name)
    maps = []
    for site in sites:
        kept = next((found for name in names[site.group] if (found := getattr(output, name, None))), ())
        layer = positions[site.group].index(site.name)
        if layer >= len(kept) or kept[layer] is None:
            raise InputError(
                f"{type(model).__name__} neither dispatches its attention nor returns attention maps; load it with "
                'attn_implementation="eager"'
            )
        maps.append(kept[layer])
    return maps


@dataclass(frozen=True)
class Document:
    """One text, or one row of a batch, without its padding.

    Args:
        ids: (tokens,) int64.
        maps: (layers, heads, tokens, tokens) in at least float32, on the CPU.
    """

    ids: Tensor
    maps: Tensor


def documents(
    model: nn.Module,
    inputs: Inputs | Iterable[Mapping[str, Any]],
    tokenizer: Any = None,
    *,
    group: Group | None = None,
    layers: Collection[int] | None = None,
    batch_size: int = 1,
    log: Log | None = None,
) -> Iterator[Document]:
    """Attention maps text after text; those of one batch are held at a time.

    Args:
        model, group, layers: see ``attention_maps``; layers of equal numbers of heads.
        inputs, tokenizer, batch_size: see ``inputs.batches``; with ``input_ids``. Short texts are quicker in batches.
        log: takes a line per batch.
    """
    for arguments in batches(model, inputs, tokenizer, batch_size=batch_size, ids=True, log=log):
        stacked = torch.stack(attention_maps(model, arguments, group=group, layers=layers), 1).cpu()
        require_maps_of(arguments["input_ids"], stacked)
        stacked = stacked.to(torch.promote_types(stacked.dtype, torch.float32))
        ids, real = arguments["input_ids"].cpu(), real_tokens(arguments)
        for row in range(len(ids)):
            kept = torch.ones_like(ids[row], dtype=torch.bool) if real is None else real[row].cpu()
            yield Document(ids[row][kept], stacked[row][..., kept, :][..., kept])


def require_maps_of(ids: Tensor, maps: Tensor) -> None:
    """Refuse maps (..., keys) whose keys are not the tokens (batch, length).

    Raises:
        InputError: they are another sequence's, as in a decoder's cross-attention.
    """
    if maps.shape[-1] != ids.shape[1]:
        raise InputError(f'maps of {maps.shape[-1]} keys are not of the input ids; choose group="E"')


def queries_keys_values(
    model: nn.Module,
    inputs: Inputs,
    tokenizer: Any = None,
    *,
    group: Group | None = None,
    layers: Collection[int] | None = None,
    positions: bool = False,
) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Queries, keys and values of one forward pass.

    Args:
        model, inputs, tokenizer, group, layers: see ``attention_maps``.
        positions: as they meet in the scores, with rotary positions and cached keys; else as they are projected and,
            where the architecture does that, normalised.

    Returns:
        Per layer (each time that it runs), (batch, heads, length, head_dim) of queries, and of keys and values with
        their own number of heads.
    """
    sites = find_sites(model, group=group, layers=layers)
    arguments = as_inputs(model, inputs, tokenizer)
    found: dict[str, list[tuple[Tensor, Tensor, Tensor]]] = {}

    def keep(site: Site, query: Tensor, key: Tensor, value: Tensor) -> None:
        found.setdefault(site.name, []).append((query, key, value))

    if positions:
        with torch.no_grad(), attending(model, sites=sites, projections=keep):
            model(**arguments)
        return in_order(sites, found)
    handles = [site.module.register_forward_pre_hook(_keep_projected(site, found), with_kwargs=True) for site in sites]
    try:
        with torch.no_grad():
            model(**arguments)
    finally:
        for handle in handles:
            handle.remove()
    return in_order(sites, found)


# What attention modules call the states that keys and values are made of, where it is not their own input.
_ENCODER_STATES = ("key_value_states", "encoder_hidden_states")


def _keep_projected(site: Site, found: dict[str, list[tuple[Tensor, Tensor, Tensor]]]) -> Callable[..., None]:
    def keep(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        states = args[0] if args else kwargs["hidden_states"]
        others = next((kwargs[name] for name in _ENCODER_STATES if kwargs.get(name) is not None), states)
        parts = projected(site, lambda layer: layer(states), lambda layer: layer(others))
        norms = (getattr(module, "q_norm", None), getattr(module, "k_norm", None), None)
        query, key, value = (_normalised(part, norm).transpose(1, 2) for part, norm in zip(parts, norms, strict=True))
        found.setdefault(site.name, []).append((query, key, value))

    return keep


def _normalised(heads: Tensor, norm: Any) -> Tensor:
    """(batch, length, heads, head_dim) after a norm over every head, or over all of them together."""
    if norm is None:
        return heads
    return norm(heads) if norm.weight.shape[-1] == heads.shape[-1] else norm(heads.flatten(-2)).view_as(heads)
