"""Where a model turns token ids into vectors, of transformers or of the zoo."""

from __future__ import annotations

from torch import nn

from zoo.errors import InputError


def token_embeddings(model: nn.Module) -> nn.Module:
    """The module that embeds token ids: what transformers' models name, else the first table that a network has.

    Raises:
        InputError: there is none; the message names the architecture.
    """
    find = getattr(model, "get_input_embeddings", None)
    if callable(find):
        named = find()
        if isinstance(named, nn.Module):
            return named
    found = next((part for part in model.modules() if isinstance(part, nn.Embedding)), None)
    if found is None:
        raise InputError(f"{type(model).__name__} has no table of token embeddings (nn.Embedding)")
    return found
