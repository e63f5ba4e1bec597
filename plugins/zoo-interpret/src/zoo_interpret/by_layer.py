"""What a probe makes of attention maps, layer after layer, so that no two layers' maps live at once.

::

    def measure(maps, row):                        # (heads, T, T) of text ``row`` of the batch, without its padding
        return {"entropy": entropies(maps).mean(-1)}

    for arguments in batches(model, texts, tokenizer):
        for text in by_layer(model, arguments, measure):
            text.tables["entropy"]                 # (layers, heads)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from zoo.bridges.transformers.attending import attending, can_be_attended
from zoo.bridges.transformers.inputs import real_tokens
from zoo.bridges.transformers.maps import attention_maps, require_maps_of
from zoo.bridges.transformers.sites import Group, Site, find_sites, in_order, require_equal_heads

Measure = Callable[[Tensor, int], Mapping[str, Tensor]]
"""(maps (heads, tokens, tokens) in at least float32 on the CPU, row of the batch) to tables of one layer."""


@dataclass(frozen=True)
class TextTables:
    """One text, or one row of a batch.

    Args:
        real: (length,) boolean, where the row is no padding.
        tables: name -> (layers, ...), what was made of its maps.
    """

    real: Tensor
    tables: dict[str, Tensor]


def by_layer(
    model: nn.Module, arguments: Mapping[str, Any], measure: Measure, *, group: Group | None = None
) -> list[TextTables]:
    """Run a batch and measure every text's maps, one layer at a time.

    Architectures that nothing can step into, but that return maps when asked to, are measured too; all of their
    layers' maps are there together, since that is how they return them.

    Args:
        model: of transformers, with any attention implementation, or of the zoo.
        arguments: keyword arguments of its forward; padding on any side.
        measure: see ``Measure``; never called with padding.
        group: which attention layers; see ``sites.find_sites``.

    Raises:
        InputError: layers of different numbers of heads, maps of another sequence than the ids, or an architecture
            whose maps cannot be read.
    """
    sites = find_sites(model, group=group)
    require_equal_heads(sites)
    real = real_tokens(arguments)
    kept: list[Tensor] = []
    found: dict[str, list[list[Mapping[str, Tensor]]]] = {}

    def look(site: Site, weights: Tensor) -> None:
        ids = arguments.get("input_ids")
        if isinstance(ids, Tensor):
            require_maps_of(ids, weights)
        if not kept:
            every = torch.ones(weights.shape[0], weights.shape[-1], dtype=torch.bool)
            kept.extend(every if real is None else real.cpu())
        found.setdefault(site.name, []).append([_measured(measure, weights, row, own) for row, own in enumerate(kept)])

    if all(can_be_attended(site) for site in sites):
        with torch.no_grad(), attending(model, sites=sites, weights=look):
            model(**arguments)
    else:
        for site, weights in zip(sites, attention_maps(model, arguments, group=group), strict=True):
            look(site, weights)
    layers = in_order(sites, found)
    return [
        TextTables(own, {name: torch.stack([layer[row][name] for layer in layers]) for name in layers[0][row]})
        for row, own in enumerate(kept)
    ]


def _measured(measure: Measure, weights: Tensor, row: int, real: Tensor) -> Mapping[str, Tensor]:
    maps = weights[row].detach().cpu()
    maps = maps.to(torch.promote_types(maps.dtype, torch.float32))
    return measure(maps if bool(real.all()) else maps[:, real][..., real], row)
