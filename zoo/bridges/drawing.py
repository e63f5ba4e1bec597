"""Random numbers that nobody else misses."""

from __future__ import annotations

from typing import Any

import torch
from torch.overrides import TorchFunctionMode

_INITIALISERS = {f"{how}_{what}_" for how in ("xavier", "kaiming") for what in ("uniform", "normal")}
_DRAWS = {
    *("rand", "randn", "randint", "randperm", "normal", "bernoulli", "multinomial", "poisson"),
    *("normal_", "uniform_", "bernoulli_", "exponential_", "log_normal_", "cauchy_", "geometric_", "random_"),
    *("trunc_normal_", "orthogonal_", "sparse_", *_INITIALISERS),
}


class OwnNumbers(TorchFunctionMode):
    """Within the context this thread draws random numbers from a generator of the context's own.

    To give torch's own generator its state back afterwards would give other threads numbers that they have had already.
    """

    def __init__(self) -> None:
        super().__init__()
        self._generator = torch.Generator()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if kwargs.get("generator") is None and getattr(func, "__name__", "") in _DRAWS:
            kwargs = {**kwargs, "generator": self._generator}
        return func(*args, **kwargs)
