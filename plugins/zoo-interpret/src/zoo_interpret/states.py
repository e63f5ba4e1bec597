"""Hidden states as transformers returns them: before every block, and after the last one's final norm."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zoo.bridges.transformers.decomposition import final_norm
from zoo.bridges.transformers.inputs import Inputs
from zoo.bridges.transformers.sites import Group, find_blocks
from zoo.bridges.transformers.streams import residual_streams


@torch.no_grad()
def hidden_states(model: nn.Module, inputs: Inputs, *, group: Group | None = None) -> list[Tensor]:
    """States (batch, length, dim) at places 0 to L of one forward pass, the last after the final norm, if there is one.

    A forward with ``output_hidden_states=True`` returns the same, but in transformers of today it leaves hooks on the
    model that never come off.

    Args:
        model: of transformers or of the zoo.
        inputs: see ``inputs.as_inputs``.
        group: the blocks of an encoder ("E") or a decoder ("D"), where there are both.
    """
    states = residual_streams(model, inputs, group=group)
    norm = final_norm(find_blocks(model, group=group)[-1], model)
    return states if norm is None else [*states[:-1], norm(states[-1])]
