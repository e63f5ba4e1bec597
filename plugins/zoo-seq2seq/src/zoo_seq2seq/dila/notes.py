"""Embeddings of notes that are longer than a language model reads at once (PLM-ICD)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.errors import InputError

CHUNK = 128


def encode_note(
    language_model: nn.Module, input_ids: Tensor, mask: Tensor | None = None, *, chunk: int = CHUNK
) -> Tensor:
    """Cut notes into chunks, read each alone, and put their states together: (batch, tokens, dim).

    Args:
        language_model: an encoder of transformers.
        input_ids: (batch, tokens), of any length.
        mask: (batch, tokens), 1 or True for real tokens.
        chunk: tokens that are read together.

    Raises:
        InputError: ids of another shape, or no chunk.
    """
    if input_ids.ndim != 2 or chunk < 1:
        raise InputError(f"ids of shape {tuple(input_ids.shape)} in chunks of {chunk}; expected (batch, tokens)")
    length = input_ids.shape[1]
    real = torch.ones_like(input_ids) if mask is None else mask.to(input_ids.dtype)
    padded, kept = (functional.pad(each, (0, -length % chunk)).unflatten(1, (-1, chunk)) for each in (input_ids, real))
    # A chunk of padding alone would see nothing: its first token counts, and is never read.
    visible = kept.clone()
    visible[..., 0] = 1
    states: Any = language_model(input_ids=padded.flatten(0, 1), attention_mask=visible.flatten(0, 1)).last_hidden_state
    together: Tensor = states.unflatten(0, padded.shape[:2]).flatten(1, 2)
    return together[:, :length]
