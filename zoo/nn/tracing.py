"""Whether the values of a tensor may be looked at.

Apart from ``zoo.nn.exporting``, which wakes torch's compiler where it is imported; masks are everywhere.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def readable(value: Any) -> bool:
    """Whether values may be looked at: not while a program is being traced or compiled, nor on the meta device."""
    if not isinstance(value, Tensor):
        return isinstance(value, int)
    from torch._subclasses import FakeTensor

    tracing = torch.compiler.is_compiling() or torch.jit.is_tracing()
    return not (tracing or value.is_meta or isinstance(value, FakeTensor))
