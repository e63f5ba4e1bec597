"""What a module asks while it is turned into a program that must stand alone."""

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


@torch.compiler.assume_constant_result
def on_the_way_to_onnx() -> bool:
    """Whether ``torch.onnx.export`` is tracing, so that what ONNX lacks can be refused with a reason.

    Asked for anew by every tracer: the compiler would take the question itself for answered with no.
    """
    return torch.onnx.is_in_onnx_export()
