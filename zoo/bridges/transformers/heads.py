"""Outputs of single heads: read them, gate them, replace them, and see what each writes to the residual stream.

The output of head h at a token, z_h = sum_j a_hj v_hj (head_dim), is what enters the output projection; the head writes
z_h W_O,h to the residual stream, and these, summed over heads and with the projection's bias, are the layer's output::

    outputs = head_outputs(model, inputs)                       # per layer: (batch, length, heads, head_dim)
    with patching(model, {(3, 5): 0.0}):                        # head 5 of layer 3 without output
        model(**inputs)
    with patching(model, {(3, 5): other[3][:, :, 5]}, position=-1):
        model(**inputs)                                         # ... with that of another run, at the last token
    mean_head_outputs(model, texts, tokenizer)                  # (layers, heads, head_dim), for mean ablation
    head_writes(site, outputs[0])                               # (batch, length, heads, dim)

``at_heads`` is the ground they stand on: a function sees every layer's head outputs, and may replace them. It works
wherever a site is found, whatever computes its attention.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from zoo.bridges.transformers.inputs import Inputs, as_inputs, batches, real_tokens
from zoo.bridges.transformers.progress import Log
from zoo.bridges.transformers.sites import Group, Site, find_sites, in_order, require_equal_heads
from zoo.errors import InputError

Act = Callable[[Site, Tensor], "Tensor | None"]
"""(site, outputs (batch, length, heads, head_dim)): what it returns, if anything, is used instead."""

Place = tuple[int, int]
"""(layer, head): the layer's number among the sites in question, and the head's, both from 0."""


@contextmanager
def at_heads(model: nn.Module, act: Act, *, sites: Iterable[Site] | None = None) -> Iterator[None]:
    """Let a function see, and replace, the heads' outputs of attention layers within the context.

    Contexts may be nested; those entered first act first. The model is as before afterwards.

    Args:
        model: with sites.
        act: called once per layer and forward pass.
        sites: the layers; all by default.
    """
    handles = []
    try:
        for site in find_sites(model) if sites is None else sites:
            handles.append(site.output.register_forward_pre_hook(_hook(site, act)))
        yield
    finally:
        for handle in handles:
            handle.remove()


def _hook(site: Site, act: Act) -> Callable[..., tuple[Any, ...] | None]:
    def hook(module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...] | None:
        changed = act(site, args[0].unflatten(-1, (site.num_heads, site.head_dim)))
        return None if changed is None else (changed.flatten(-2), *args[1:])

    return hook


def head_outputs(
    model: nn.Module,
    inputs: Inputs,
    tokenizer: Any = None,
    *,
    group: Group | None = None,
    layers: Collection[int] | None = None,
) -> list[Tensor]:
    """Outputs of all heads in one forward pass: per layer, each time that it runs, (batch, length, heads, head_dim).

    Args:
        model, group, layers: see ``sites.find_sites``.
        inputs, tokenizer: see ``inputs.as_inputs``.
    """
    sites = find_sites(model, group=group, layers=layers)
    found: dict[str, list[Tensor]] = {}

    def keep(site: Site, outputs: Tensor) -> None:
        found.setdefault(site.name, []).append(outputs)

    with torch.no_grad(), at_heads(model, keep, sites=sites):
        model(**as_inputs(model, inputs, tokenizer))
    return in_order(sites, found)


def mean_head_outputs(
    model: nn.Module,
    inputs: Inputs | Iterable[Mapping[str, Any]],
    tokenizer: Any = None,
    *,
    group: Group | None = None,
    batch_size: int = 8,
    log: Log | None = None,
) -> Tensor:
    """Mean output of every head over real tokens: (layers, heads, head_dim), what mean ablation puts in its place.

    Args:
        model, group: see ``sites.find_sites``; of an encoder-decoder choose a group, since padding is the encoder's.
        inputs, tokenizer, batch_size: see ``inputs.batches``.
        log: takes a line per batch.
    """
    sites = find_sites(model, group=group)
    require_equal_heads(sites)
    totals: dict[str, Tensor] = {}
    tokens = 0
    for arguments in batches(model, inputs, tokenizer, batch_size=batch_size, log=log):
        real = real_tokens(arguments)

        def add(site: Site, outputs: Tensor, real: Tensor | None = real) -> None:
            kept = outputs.flatten(0, 1) if real is None else outputs[real]
            totals[site.name] = totals.get(site.name, 0.0) + kept.sum(0)

        with torch.no_grad(), at_heads(model, add, sites=sites):
            model(**arguments)
        length = next(value for value in arguments.values() if isinstance(value, Tensor))
        tokens += int(real.sum()) if real is not None else length.shape[0] * length.shape[1]
    if not tokens:
        raise InputError("no tokens to take the mean of")
    return torch.stack([totals[site.name] / tokens for site in sites])


@contextmanager
def patching(
    model: nn.Module,
    values: Mapping[Place, Tensor | float],
    *,
    position: int | Tensor | None = None,
    sites: Iterable[Site] | None = None,
) -> Iterator[None]:
    """Replace outputs of heads within the context.

    Args:
        model: with sites.
        values: (layer, head) -> what its output becomes: 0.0 to ablate, a mean (head_dim,), or another run's
            (batch, length, head_dim).
        position: only at this token, or at those of (batch,) positions, one for each example; at all by default.
        sites: what layers are counted among; all attention layers by default.

    Raises:
        InputError: there is no such layer or head.
    """
    chosen = find_sites(model) if sites is None else list(sites)
    for layer, head in values:
        if not (0 <= layer < len(chosen) and 0 <= head < chosen[layer].num_heads):
            raise InputError(f"no head {head} in layer {layer}: there are {len(chosen)} layers, numbered from 0")
    by_site: dict[str, dict[int, Tensor | float]] = {}
    for (layer, head), value in values.items():
        by_site.setdefault(chosen[layer].name, {})[head] = value

    def act(site: Site, outputs: Tensor) -> Tensor:
        changed = outputs.clone()
        for head, value in by_site[site.name].items():
            if position is None:
                changed[:, :, head] = value
            else:
                rows, places = at_positions(outputs, position)
                new = value[rows, places] if isinstance(value, Tensor) and value.ndim == 3 else value
                changed[rows, places, head] = new
        return changed

    with at_heads(model, act, sites=[site for site in chosen if site.name in by_site]):
        yield


def at_positions(x: Tensor, position: int | Tensor) -> tuple[Tensor, Tensor]:
    """Indices (rows, places) of one position in every example of ``x`` (batch, length, ...)."""
    rows = torch.arange(x.shape[0], device=x.device)
    places = position.to(x.device) if isinstance(position, Tensor) else torch.full_like(rows, position)
    return rows, places % x.shape[1]


def head_writes(site: Site, outputs: Tensor) -> Tensor:
    """What every head adds to the residual stream, z_h W_O,h.

    Args:
        site: the attention layer.
        outputs: (..., heads, head_dim), as ``head_outputs`` gives them.

    Returns:
        (..., heads, dim). Summed over heads, with the projection's bias, it is the layer's output.
    """
    return torch.einsum("...hd,hdm->...hm", outputs, output_weight(site))


def output_weight(site: Site) -> Tensor:
    """W_O by heads: (heads, head_dim, dim)."""
    weight = site.output.weight
    by_input = weight.T if isinstance(site.output, nn.Linear) else weight
    return by_input.unflatten(0, (site.num_heads, site.head_dim))
