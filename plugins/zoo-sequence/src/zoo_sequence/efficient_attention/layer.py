"""The product, and the module around it."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.errors import ConfigError, InputError
from zoo.nn.heads import merge_heads, repeat_heads, split_heads
from zoo.nn.masks import padding_mask
from zoo.nn.precision import unrounded
from zoo_sequence.efficient_attention.config import EfficientAttentionConfig


def efficient_attention(
    query: Tensor, key: Tensor, value: Tensor, visible: Tensor | None = None, *, normalization: str = "softmax"
) -> Tensor:
    """rho_q(Q) (rho_k(K)' V), normalised and summed in at least float32.

    Args:
        query: (..., queries, d_k).
        key: (..., keys, d_k).
        value: (..., keys, d_v).
        visible: boolean, broadcastable to (..., keys), True for real keys. Without any the output is zero.
        normalization: "softmax" or "scaling".

    Returns:
        (..., queries, d_v).
    """
    dtype = torch.promote_types(query.dtype, torch.float32)
    queries, keys, values = query.to(dtype), key.to(dtype), value.to(dtype)
    hidden = None if visible is None else ~visible[..., None]
    if normalization == "softmax":
        queries = queries.softmax(-1)
        if hidden is not None:
            keys = keys.masked_fill(hidden, torch.finfo(dtype).min)
        keys = keys.softmax(-2)
    elif visible is None:
        keys = keys / keys.shape[-2]
    else:
        keys = keys / visible.sum(-1).clamp(min=1)[..., None, None]
    if hidden is not None:
        keys = keys.masked_fill(hidden, 0.0)
    # Autocast would sum in half precision all the same.
    with unrounded(query):
        return (queries @ (keys.transpose(-1, -2) @ values)).to(value.dtype)


def functional(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    *,
    causal: bool,
    scale: float,
    config: EfficientAttentionConfig,
) -> Tensor:
    """The mechanism as an attention implementation for transformers' encoders; ``scale`` plays no part in it.

    Args:
        query: (batch, heads, queries, head_dim).
        key, value: (batch, kv heads, keys, head_dim).
        attn_mask: padding (batch, keys) or (batch, 1, 1, keys), True for real tokens.

    Raises:
        ConfigError: the model's attention is causal.
        MaskError: a mask that is more than padding.
    """
    if causal:
        raise ConfigError(
            "this model's attention is causal, and efficient attention has no such form: use it in encoders"
        )
    visible = padding_mask(attn_mask, batch=key.shape[0], keys=key.shape[2], mechanism="efficient attention")
    key, value = (repeat_heads(tensor, query.shape[1]) for tensor in (key, value))
    visible = None if visible is None else visible[:, None]
    return efficient_attention(query, key, value, visible, normalization=config.normalization)


class EfficientAttention(nn.Module):
    """The module on feature maps (batch, dim, H, W), volumes (batch, dim, D, H, W) or sequences (batch, n, dim).

    Projections are 1x1 convolutions with bias; on sequences they act as linear layers.
    """

    has_positions = False

    def __init__(self, config: EfficientAttentionConfig) -> None:
        super().__init__()
        self.config = config
        self.keys = nn.Conv2d(config.dim, config.keys, 1)
        self.queries = nn.Conv2d(config.dim, config.keys, 1)
        self.values = nn.Conv2d(config.dim, config.values, 1)
        self.reprojection = nn.Conv2d(config.values, config.dim, 1)
        if config.zero_init:
            for parameter in self.reprojection.parameters():
                nn.init.zeros_(parameter)

    def forward(self, x: Tensor, attn_mask: Tensor | None = None) -> Tensor:
        """Attend from every position to all.

        Args:
            x: (batch, n, dim), or (batch, dim, *sides) with two or three sides, read row by row.
            attn_mask: padding (batch, n), True for real positions; the others are not attended to.

        Returns:
            The shape of ``x``.
        """
        config, sequence = self.config, x.ndim == 3
        tokens = x if sequence else x.flatten(2).transpose(1, 2)
        if x.ndim not in (3, 4, 5) or tokens.shape[-1] != config.dim:
            raise InputError(
                f"input of shape {tuple(x.shape)}; expected (batch, n, {config.dim}), (batch, {config.dim}, H, W) or "
                f"(batch, {config.dim}, D, H, W)"
            )
        visible = padding_mask(attn_mask, batch=x.shape[0], keys=tokens.shape[1], mechanism="efficient attention")
        query, key, value = (
            split_heads(_apply(projection, tokens), config.num_heads)
            for projection in (self.queries, self.keys, self.values)
        )
        output = _apply(self.reprojection, merge_heads(self.attend(query, key, value, visible)))
        if not sequence:
            output = output.transpose(1, 2).unflatten(2, x.shape[2:])
        residual = not sequence if config.residual is None else config.residual
        return x + output if residual else output

    def attend(self, query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None) -> Tensor:
        """The product by heads, (batch, heads, n, values / heads); ``attn_mask`` is padding."""
        visible = None if attn_mask is None else attn_mask[:, None]
        return efficient_attention(query, key, value, visible, normalization=self.config.normalization)


def _apply(projection: nn.Conv2d, tokens: Tensor) -> Tensor:
    """A 1x1 convolution on (batch, n, channels)."""
    if type(projection) is not nn.Conv2d:
        # What has been put in its place, an adapter, computes more than its weight says.
        return projection(tokens.mT[..., None])[..., 0].mT
    return F.linear(tokens, projection.weight.flatten(1), projection.bias)


def example(config: EfficientAttentionConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """A random sequence of 12 positions."""
    return {"x": torch.randn(batch_size, 12, config.dim, generator=torch.Generator().manual_seed(seed))}
