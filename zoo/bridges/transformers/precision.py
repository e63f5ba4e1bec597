"""Build in float32 where the process's default is another type, unseen by other threads.

transformers reads a half-precision checkpoint with torch's default type switched. A table of rotary angles, made in
half precision, is wrong for good, so networks are built in float32 and cast afterwards; and ``set_default_dtype`` would
switch every thread.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

# What makes numbers of the default type, whatever it is given.
_FLOATING = frozenset(
    {
        *(torch.empty, torch.zeros, torch.ones, torch.rand, torch.randn, torch.eye, torch.linspace, torch.logspace),
        *(torch.bartlett_window, torch.blackman_window, torch.hamming_window, torch.hann_window, torch.kaiser_window),
        *(torch.fft.fftfreq, torch.fft.rfftfreq),
    }
)
# What makes them of floating numbers only.
_BY_ARGUMENTS = frozenset({torch.arange, torch.full, torch.range, torch.scalar_tensor, torch.tensor, torch.as_tensor})
# What gives integers the type that was asked for.
_CASTS = frozenset({Tensor.to, Tensor.type, Tensor.type_as, Tensor.half, Tensor.bfloat16, Tensor.double, Tensor.view})


class InFloat32(TorchFunctionMode):
    """Within it, what would get the default type because nobody asked for another is float32.

    That is tensors made without a ``dtype``, and quotients, roots and the like of integers.
    """

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = dict(kwargs or {})
        default = torch.get_default_dtype()
        if kwargs.get("dtype") is not None or default == torch.float32:
            return function(*args, **kwargs)
        if function in _FLOATING:
            return function(*args, **{**kwargs, "dtype": torch.float32})
        found = function(*args, **kwargs)
        if not isinstance(found, Tensor) or found.dtype != default:
            return found
        given = [value for value in (*args, *kwargs.values()) if isinstance(value, Tensor)]
        if function in _BY_ARGUMENTS and not given:
            return function(*args, **{**kwargs, "dtype": torch.float32})
        if function in _CASTS or not given or any(value.is_floating_point() for value in given):
            return found
        return function(*(value.float() if isinstance(value, Tensor) else value for value in args), **kwargs)
