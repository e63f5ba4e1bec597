"""The weights of single heads: what a head compares, and what it copies, read from the model without running it.

With the states x (dim) that a layer reads (after its norm), head h has q = x W_Q,h + b_Q,h, k and v alike, and writes
z W_O,h. Its scores are x_i W_QK x_j' + ..., W_QK = W_Q W_K^T (the QK circuit: where it looks), and what it moves is
x W_OV, W_OV = W_V W_O (the OV circuit: what it writes of what it sees)::

    weights = head_weights(find_sites(model)[3])
    weights.ov(5)                                   # (dim, dim), of rank head_dim at most
    weights.query[5].T @ direction                  # a direction of the stream as head 5 asks for it

Grouped key/value heads are repeated, so that every query head has its own. Rotary positions, and norms of queries and
keys, come after these and are not in them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from zoo.bridges.transformers.heads import output_weight
from zoo.bridges.transformers.sites import Site, projected


@dataclass(frozen=True)
class HeadWeights:
    """Weights of a layer's heads; detached views or copies, in the model's dtype.

    Args:
        query, key, value: (heads, dim, head_dim).
        output: (heads, head_dim, dim).
        query_bias, key_bias, value_bias: (heads, head_dim); zeros where there are none.
        output_bias: (dim,), of all heads together; zeros where there is none.
    """

    query: Tensor
    key: Tensor
    value: Tensor
    output: Tensor
    query_bias: Tensor
    key_bias: Tensor
    value_bias: Tensor
    output_bias: Tensor

    def qk(self, head: int) -> Tensor:
        """W_Q W_K^T (dim, dim) of a head; queries' states from the left, keys' from the right, unscaled."""
        return self.query[head] @ self.key[head].T

    def ov(self, head: int) -> Tensor:
        """W_V W_O (dim, dim) of a head: a state that is attended to, to what is written."""
        return self.value[head] @ self.output[head]


@torch.no_grad()
def head_weights(site: Site) -> HeadWeights:
    """The weights of a layer's heads.

    Raises:
        InputError: the architecture fuses its projections in a way that is not known.
    """
    query, key, value = (_per_query_head(part.movedim(-2, 0), site) for part in projected(site, _matrix))
    of_query, of_key, of_value = (_per_query_head(part, site) for part in projected(site, _bias))
    output, of_output = output_weight(site).detach(), _bias(site.output)
    return HeadWeights(query, key, value, output, of_query, of_key, of_value, of_output)


def _matrix(layer: Any) -> Tensor:
    """(in, out), as x @ matrix; a Conv1D of transformers keeps it so."""
    weight: Tensor = layer.weight.detach()
    return weight.T if isinstance(layer, nn.Linear) else weight


def _bias(layer: Any) -> Tensor:
    bias: Tensor | None = getattr(layer, "bias", None)
    return _matrix(layer).new_zeros(_matrix(layer).shape[1]) if bias is None else bias.detach()


def _per_query_head(part: Tensor, site: Site) -> Tensor:
    return part.repeat_interleave(site.num_heads // part.shape[0], 0)
