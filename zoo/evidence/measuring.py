"""Time, memory, size and growth, as checks of claims measure them within one process."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from zoo.threads import one_thread


def quickest(run: Callable[[], object], repeat: int = 3) -> float:
    """CPU seconds of the quickest of some runs, on one thread."""
    times = []
    with one_thread():
        for _ in range(repeat):
            start = time.process_time()
            run()
            times.append(time.process_time() - start)
    return min(times)


def growth_exponent(sizes: Sequence[float], figures: Sequence[float]) -> float:
    """The x of figure ~ size^x: least-squares slope of the logarithms."""
    x, y = (torch.tensor(each, dtype=torch.float64).log() for each in (sizes, figures))
    x = x - x.mean()
    return float((x * y).sum() / x.square().sum())


def count_parameters(*modules: nn.Module) -> int:
    """Numbers in the parameters of modules, trainable or not; on the meta device too."""
    return sum(parameter.numel() for module in modules for parameter in module.parameters())


class PeakMemory(TorchDispatchMode):
    """Most bytes of tensors that were made within the context and alive at the same time: ``peak``.

    Backward passes within the context count on the CPU, whose autograd runs in the same thread. Memory that an
    operation uses inside itself does not.
    """

    def __init__(self) -> None:
        super().__init__()
        self.live: dict[int, int] = {}
        self.now = self.peak = 0

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Run an operation and count what it made."""
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor):
                self._count(tensor.untyped_storage())
        return result

    def _count(self, storage: torch.UntypedStorage) -> None:
        name = storage._cdata
        if name not in self.live:
            self.live[name] = storage.nbytes()
            self.now += storage.nbytes()
            self.peak = max(self.peak, self.now)
            weakref.finalize(storage, self._forget, name)

    def _forget(self, name: int) -> None:
        self.now -= self.live.pop(name)
