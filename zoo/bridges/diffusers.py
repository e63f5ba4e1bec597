"""diffusers' ``Attention`` with another mechanism between its projections, as one of its processors."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from zoo.bridges.choice import Choice
from zoo.bridges.sight import sight

# Processors that are plain attention, and so can give way to another mechanism.
PLAIN = ("AttnProcessor", "AttnProcessor2_0", "XFormersAttnProcessor", "SlicedAttnProcessor", "AttnProcessorNPU")


class MechanismProcessor:
    """What ``Attention.set_processor`` takes: normalisation, projections and residual as diffusers' own, and between
    them the mechanism of ``choice``. All parameters stay those of the module that calls it.
    """

    def __init__(self, choice: Choice) -> None:
        self.choice = choice

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
    ) -> Tensor:
        """Attend.

        Args:
            attn: the ``diffusers.models.attention_processor.Attention``.
            hidden_states: tokens (batch, length, channels), or a feature map (batch, channels, height, width).
            encoder_hidden_states: what is attended to, (batch, keys, channels); the tokens by default.
            attention_mask: as diffusers' own processors take it: boolean with True for what is seen, or additive.
            temb: of a spatial normalisation.

        Returns:
            Of the shape of ``hidden_states``.
        """
        residual, shape = hidden_states, hidden_states.shape
        if attn.spatial_norm is not None:
            hidden_states = attn.spatial_norm(hidden_states, temb)
        if len(shape) == 4:
            hidden_states = hidden_states.flatten(2).transpose(1, 2)
        if attn.group_norm is not None:
            hidden_states = attn.group_norm(hidden_states.transpose(1, 2)).transpose(1, 2)
        context = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        if encoder_hidden_states is not None and attn.norm_cross:
            context = attn.norm_encoder_hidden_states(context)
        width = attn.to_q.out_features // attn.heads
        query, key, value = (
            projection(tokens).unflatten(-1, (-1, width)).transpose(1, 2)
            for projection, tokens in ((attn.to_q, hidden_states), (attn.to_k, context), (attn.to_v, context))
        )
        query = query if attn.norm_q is None else attn.norm_q(query)
        key = key if attn.norm_k is None else attn.norm_k(key)
        mask = self._mask(attn, attention_mask, len(query), key.shape[2])
        seen = sight(mask, batch=len(query), queries=query.shape[2], keys=key.shape[2], causal=attn.is_causal)
        output = self.choice.attend(query, key, value, seen, scale=attn.scale, training=attn.training)
        output = output.transpose(1, 2).flatten(2).to(query.dtype)
        for part in attn.to_out:
            output = part(output)
        if len(shape) == 4:
            output = output.transpose(1, 2).reshape(shape)
        if attn.residual_connection:
            output = output + residual
        return output / attn.rescale_output_factor

    def _mask(self, attn: Any, mask: Tensor | None, batch: int, keys: int) -> Tensor | None:
        if mask is None:
            return None
        shared = mask.shape[0] < batch * attn.heads
        prepared = attn.prepare_attention_mask(mask, keys, batch)
        prepared = prepared.view(batch, attn.heads, -1, prepared.shape[-1])
        return prepared[:, :1] if shared else prepared


def is_attention(module: nn.Module) -> bool:
    """Whether a module is diffusers' ``Attention``; tells without importing diffusers."""
    return any(
        base.__name__ == "Attention" and base.__module__ == "diffusers.models.attention_processor"
        for base in type(module).__mro__
    )
