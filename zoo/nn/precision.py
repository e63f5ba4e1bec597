"""What mixed precision must not round."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor


def unrounded(x: Tensor, exact: bool = True) -> AbstractContextManager[object]:
    """A context out of autocast's reach, for what a hard choice or a quotient by nearly nothing hangs on.

    Rounded to half precision, scores that are close change places: another key is chosen, another gate opens, and the
    output is another one, not the same within half precision. Inside, operations keep the dtype they are given, so
    bring tensors to that of the weights.

    Args:
        x: on whose device.
        exact: whether; otherwise autocast goes on as it is.
    """
    device = x.device.type
    if exact and torch.is_autocast_enabled(device):
        return torch.autocast(device, enabled=False)
    # No context where there is nothing to keep out: it would be a stranger in programs that are exported.
    return nullcontext()
