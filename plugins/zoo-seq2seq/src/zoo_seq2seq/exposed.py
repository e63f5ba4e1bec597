"""Models that let go of their attention scores: what is computed up to them, and what follows from them.

``expose(model, inputs)`` gives ``Exposed(scores, proceed, mask)``: scores (batch, length) before the softmax, and a
function that goes on from any scores of that shape to the logits. It takes

* a module with a method ``expose(**inputs) -> Exposed``, as the attention classifiers of this plugin;
* a classifier of transformers such as BERT's: the scores are those of the first token's query in the last attention
  layer, the mean over heads, and what is added to them is added in every head. The softmax does not change when a
  constant is added to a row, so scores are logarithms of the weights.

Every call of ``proceed`` of a transformers model runs it anew.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from zoo.bridges.transformers.attending import attending
from zoo.bridges.transformers.inputs import logits_of
from zoo.bridges.transformers.sites import Site, find_sites


class Exposed(NamedTuple):
    """Attention scores, and what follows from them.

    Args:
        scores: (batch, length), before the softmax.
        proceed: scores of that shape to logits (batch,), (batch, 1) or (batch, classes).
        mask: boolean (batch, length), True for words; None where all are.
    """

    scores: Tensor
    proceed: Callable[[Tensor], Tensor]
    mask: Tensor | None


def expose(model: nn.Module, inputs: Mapping[str, Any]) -> Exposed:
    """Open a model for one batch.

    Raises:
        InputError: the model has no ``expose`` and no attention layers that are known.
    """
    own = getattr(model, "expose", None)
    if callable(own):
        found: Exposed = own(**inputs)
        return found
    return _of_transformers(model, inputs)


def _of_transformers(model: nn.Module, inputs: Mapping[str, Any]) -> Exposed:
    last = find_sites(model)[-1]
    seen: list[Tensor] = []
    least = torch.finfo(torch.float32).tiny

    def look(site: Site, weights: Tensor) -> None:
        seen.append(weights[:, :, 0].float().clamp(min=least).log().mean(1))

    with attending(model, sites=[last], weights=look), torch.no_grad():
        model(**inputs)
    (scores,) = seen

    def proceed(changed: Tensor) -> Tensor:
        def add(site: Site, weights: Tensor) -> Tensor:
            raised = weights[:, :, 0] * (changed - scores).exp()[:, None].to(weights.dtype)
            first = raised / raised.sum(-1, keepdim=True)
            return torch.cat((first[:, :, None], weights[:, :, 1:]), 2)

        with attending(model, sites=[last], weights=add):
            return logits_of(model(**inputs))

    mask = inputs.get("attention_mask")
    return Exposed(scores, proceed, None if mask is None else mask.bool())
