"""What a module asks while it is turned into a program that must stand alone."""

from __future__ import annotations

import torch


@torch.compiler.assume_constant_result
def on_the_way_to_onnx() -> bool:
    """Whether ``torch.onnx.export`` is tracing, so that what ONNX lacks can be refused with a reason.

    Asked for anew by every tracer: the compiler would take the question itself for answered with no.
    """
    return torch.onnx.is_in_onnx_export()
