"""Whether the values of a tensor may be looked at, and whether it carries a tangent.

Apart from ``zoo.nn.exporting``, which wakes torch's compiler where it is imported; masks are everywhere.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad


def readable(value: Any) -> bool:
    """Whether values may be looked at: not while a program is being traced or compiled, nor on the meta device."""
    if not isinstance(value, Tensor):
        return isinstance(value, int)
    from torch._subclasses import FakeTensor

    tracing = torch.compiler.is_compiling() or torch.jit.is_tracing()
    return not (tracing or value.is_meta or isinstance(value, FakeTensor))


def has_tangent(tensor: Tensor) -> bool:
    """Whether derivatives are taken forward (``torch.func.jvp``) with this tensor; a compiled program takes none."""
    return not torch.compiler.is_compiling() and forward_ad.unpack_dual(tensor).tangent is not None
