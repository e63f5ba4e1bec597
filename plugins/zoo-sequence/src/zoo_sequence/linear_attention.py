"""Linear attention: sums over the past, carried as a state.

Without a softmax the order of products is free. With scores q_t . k_s instead of weights,

    o_t = sum_{s<=t} lambda^(t-s) (q_t . k_s) v_s = S_t' q_t,      S_t = lambda S_{t-1} + k_t v_t'    (d_k, d_v)

so that a causal layer needs no matrix of scores, and its past is a state of fixed size (Katharopoulos et al.,
"Transformers are RNNs", 2020, section 3.2; with lambda, Sun et al., "Retentive Network", 2023, section 2).
"""

from __future__ import annotations

import torch
from torch import Tensor

from zoo.nn.blocks import blocks


def linear_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    log_decay: Tensor | None = None,
    visible: Tensor | None = None,
    *,
    chunk: int = 128,
    strict: bool = False,
) -> Tensor:
    """sum_{s<=t} lambda^(t-s) (q_t . k_s) v_s, in chunks: linear in length, no (length, length) matrix.

    Args:
        query, key: (batch, heads, length, d_k).
        value: (batch, heads, length, d_v).
        log_decay: log lambda (heads, 1), or None for lambda = 1.
        visible: boolean (batch, length), tokens that let time pass; all by default. The others must have keys of zero.
        chunk: tokens that are compared directly; earlier ones come through the carried state.
        strict: leave out the token itself (s < t).

    Returns:
        (batch, heads, length, d_v).
    """
    length = query.shape[2]
    if not length:
        return value
    state = value.new_zeros(*value.shape[:2], key.shape[-1], value.shape[-1])
    ticks = torch.ones(1, length, dtype=torch.bool, device=query.device) if visible is None else visible
    outputs = []
    for some in blocks(0, length, chunk):
        q, k, v, ticking = *(tensor[:, :, some] for tensor in (query, key, value)), ticks[:, some]
        scores = (q @ k.transpose(-1, -2)).tril(-int(strict))
        if log_decay is None:
            outputs.append(scores @ v + q @ state)
            state = state + k.transpose(-1, -2) @ v
            continue
        # (batch, 1, tokens): time within the chunk, after each token.
        time = ticking.cumsum(-1)[:, None]
        lag = (time[..., :, None] - time[..., None, :]).clamp(min=0)
        scores = scores * torch.exp(log_decay[..., None] * lag)
        outputs.append(scores @ v + (q * torch.exp(log_decay * time)[..., None]) @ state)
        remaining = torch.exp(log_decay * (time[..., -1:] - time))[..., None]
        whole = torch.exp(log_decay * time[..., -1:])[..., None]
        state = whole * state + (k * remaining).transpose(-1, -2) @ v
    return torch.cat(outputs, 2)
