"""torch's ``nn.MultiheadAttention`` with another mechanism between its projections."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.bridges.choice import Choice
from zoo.bridges.sight import sight
from zoo.errors import InputError
from zoo.nn.masks import boolean_mask


class SwappedMultiheadAttention(nn.MultiheadAttention):
    """The parameters, the calls and the state dict of an ``nn.MultiheadAttention``; its attention is ``choice``'s.

    Attention weights do not exist: ``None`` is returned in their place.

    Args:
        original: whose parameters, children and hooks these become; they are shared, not copied.
        choice: the mechanism.

    Raises:
        InputError: ``original`` adds keys and values of its own to those that it is given.
    """

    def __init__(self, original: nn.MultiheadAttention, choice: Choice) -> None:
        if original.bias_k is not None or original.bias_v is not None or original.add_zero_attn:
            raise InputError(
                "an nn.MultiheadAttention with add_bias_kv or add_zero_attn attends to keys of its own, which "
                f"{choice.qualified} does not know; leave it out with layers="
            )
        nn.Module.__init__(self)
        self.__dict__.update(original.__dict__)
        self.choice = choice
        # Encoder layers look at this before they go past their attention to a fused kernel.
        self._qkv_same_embed_dim = False

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """As ``nn.MultiheadAttention.forward``.

        Raises:
            InputError: dropout of attention weights, in training.
            MaskError: a mask that is a bias, or more than the mechanism can honour.
        """
        if self.dropout and self.training:
            raise InputError(
                f"{self.choice.qualified} has no dropout on attention weights, but this nn.MultiheadAttention has "
                f"dropout={self.dropout}; set it to 0"
            )
        batched = query.ndim == 3
        if not batched:
            query, key, value = (tensor[None] for tensor in (query, key, value))
        elif not self.batch_first:
            query, key, value = (tensor.transpose(0, 1) for tensor in (query, key, value))
        queries, keys, values = (self._split(tensor) for tensor in self._project(query, key, value))
        batch, heads, length, width = queries.shape
        mask = self._visible(key_padding_mask, attn_mask, batch, heads)
        seen = sight(mask, batch=batch, queries=length, keys=keys.shape[2], causal=is_causal)
        output = self.choice.attend(queries, keys, values, seen, scale=width**-0.5, training=self.training)
        output = self.out_proj(output.transpose(1, 2).reshape(batch, length, -1))
        if not batched:
            return output[0], None
        return output if self.batch_first else output.transpose(0, 1), None

    def _project(self, query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        weights: Any = (self.q_proj_weight, self.k_proj_weight, self.v_proj_weight)
        if self.in_proj_weight is not None:
            weights = self.in_proj_weight.chunk(3)
        biases: Any = (None,) * 3 if self.in_proj_bias is None else self.in_proj_bias.chunk(3)
        inputs = (query, key, value)
        projected = [functional.linear(*each) for each in zip(inputs, weights, biases, strict=True)]
        return projected[0], projected[1], projected[2]

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)

    def _visible(self, padding: Tensor | None, mask: Tensor | None, batch: int, heads: int) -> Tensor | None:
        """Masks of torch's convention, in which True hides, in ours."""
        if padding is not None:
            padding = _seen(padding.reshape(batch, 1, 1, -1))
        if mask is not None:
            mask = _seen(mask[None, None] if mask.ndim == 2 else mask.view(batch, heads, *mask.shape[1:]))
        if padding is None or mask is None:
            return padding if mask is None else mask
        return mask & padding


def _seen(mask: Tensor) -> Tensor:
    return ~mask if mask.dtype == torch.bool else boolean_mask(mask)
