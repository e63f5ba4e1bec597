"""What is probed: blocks of the residual stream, or outputs of heads, at the last token."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from zoo.bridges.transformers.heads import head_outputs
from zoo.bridges.transformers.inputs import Inputs, batches, real_tokens
from zoo.bridges.transformers.progress import Log
from zoo.bridges.transformers.sites import find_sites, require_equal_heads
from zoo.errors import InputError
from zoo_interpret.multimodal import last_real
from zoo_interpret.states import hidden_states


def block_features(
    model: nn.Module,
    inputs: Inputs | Iterable[Mapping[str, Any]],
    tokenizer: Any = None,
    *,
    features: str = "residual_blocks",
    batch_size: int = 8,
    log: Log | None = None,
) -> Tensor:
    """(samples, layers, heads, features), batch after batch.

    Args:
        model: of transformers, with a decoder.
        inputs, tokenizer, batch_size, log: see ``inputs.batches``.
        features: "residual_blocks": the stream after every layer, the last after the final norm, cut into as many
            equal blocks as there are heads, as the authors' code does; "head_outputs": what heads give to the output
            projection, as the paper says.

    Raises:
        InputError: no samples, or a width that heads do not divide.
    """
    heads = require_equal_heads(find_sites(model, group="D"))
    found = []
    for arguments in batches(model, inputs, tokenizer, batch_size=batch_size, log=log):
        if features == "head_outputs":
            layers = [outputs.flatten(-2) for outputs in head_outputs(model, arguments, group="D")]
        else:
            layers = hidden_states(model, arguments, group="D")[1:]
        if layers[0].shape[-1] % heads:
            raise InputError(f"{type(model).__name__}: {heads} heads do not divide a width of {layers[0].shape[-1]}")
        rows = torch.arange(len(layers[0]), device=layers[0].device)
        real = real_tokens(arguments)
        last = torch.full_like(rows, layers[0].shape[1] - 1) if real is None else last_real(real)
        found.append(torch.stack([layer[rows, last].unflatten(-1, (heads, -1)) for layer in layers], 1).cpu())
    return torch.cat(found)
