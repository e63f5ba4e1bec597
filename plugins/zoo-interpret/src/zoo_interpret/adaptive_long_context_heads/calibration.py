"""Moments of keys of other prompts, such as random words, after which nothing of a prompt's own keys is needed."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zoo.bridges.transformers.inputs import Inputs
from zoo.bridges.transformers.maps import queries_keys_values
from zoo_interpret.adaptive_long_context_heads.masses import Moments


def calibrated_moments(model: nn.Module, inputs: Inputs, tokenizer: object = None, *, skip: int = 0) -> list[Moments]:
    """Moments of every layer's keys, over prompts and positions together.

    Args:
        model: a decoder; keys at different rotary positions are mixed as they are.
        inputs, tokenizer: prompts without padding.
        skip: first tokens that are left out, such as sinks.
    """
    found = []
    for _, key, _ in queries_keys_values(model, inputs, tokenizer, positions=True):
        rows = key[:, :, skip:].transpose(0, 1).flatten(1, 2).double()
        found.append(moments_of(rows))
    return found


def moments_of(rows: Tensor) -> Moments:
    """Moments of keys (kv heads, n, head_dim), the same for every example and query."""
    mean = rows.mean(1)
    centred = rows - mean[:, None]
    covariance = centred.mT @ centred / rows.shape[1]
    return Moments(mean[None, :, None], covariance[None, :, None], torch.tensor([rows.shape[1]]))
