"""What a model is given, pass by pass."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn


@contextmanager
def at_passes(model: nn.Module, see: Callable[[dict[str, Any]], object]) -> Iterator[None]:
    """Let a function see the arguments of every forward pass, by name, before it runs; those of ``generate`` too."""
    signature = inspect.signature(model.forward)

    def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        bound = signature.bind_partial(*args, **kwargs).arguments
        see({**bound.pop("kwargs", {}), **bound})

    handle = model.register_forward_pre_hook(hook, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()
