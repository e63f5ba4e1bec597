"""What a sink is worth: the loss of a language model that cannot look at it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.bridges.transformers.attending import attending, only_where
from zoo.bridges.transformers.inputs import Inputs, as_inputs, logits_of, real_tokens
from zoo.bridges.transformers.sites import Site, find_sites
from zoo.errors import InputError


def masking(position: int) -> Callable[[Site, Tensor], Tensor]:
    """For ``attending(model, weights=masking(0))``: a key takes no part, rows are renormalised.

    The key's own query, and any that sees nothing else, keeps its row.
    """

    def hide(site: Site, weights: Tensor) -> Tensor:
        visible = torch.ones(weights.shape[-1], dtype=torch.bool, device=weights.device)
        visible[position] = False
        changed = only_where(weights, visible)
        # Where a query sees little more than the hidden key, what is left is rounding.
        alone = weights.masked_fill(~visible, 0.0).sum(-1, keepdim=True) < 1e-12
        return torch.where(alone, weights, changed)

    return hide


def loss_without(model: nn.Module, inputs: Inputs, position: int | None, tokenizer: Any = None) -> float:
    """Mean next-token loss, nats, of predictions from the second token on, with a key masked everywhere.

    Args:
        model: causal, with a head.
        inputs, tokenizer: see ``inputs.as_inputs``; with ids, padded on the right if at all.
        position: of the key; None to mask none.

    Raises:
        InputError: no such key, or texts of fewer than three tokens.
    """
    arguments = as_inputs(model, inputs, tokenizer)
    ids, real = arguments["input_ids"], real_tokens(arguments)
    length = ids.shape[1]
    if length < 3 or (position is not None and not -length <= position < length):
        raise InputError(f"position {position} of {length} tokens; expected one of at least three")
    sites = find_sites(model, group="D")
    with torch.no_grad():
        if position is None:
            logits = logits_of(model(**arguments))
        else:
            with attending(model, sites=sites, weights=masking(position)):
                logits = logits_of(model(**arguments))
    targets = ids[:, 2:].clone()
    if real is not None:
        targets[~real[:, 2:]] = -100
    return float(functional.cross_entropy(logits[:, 1:-1].flatten(0, 1).float(), targets.flatten()))
