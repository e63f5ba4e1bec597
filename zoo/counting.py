"""Floating-point operations of one call, counted without computing it: the tensors have shapes and no numbers.

They are fake tensors of torch: on the meta device inside, while they say that they are on the CPU, so that a module
that asks for its device to switch autocast off, for instance, works. A multiply-add counts two, as it does in
``torch.utils.flop_counter``; what papers call FLOPs is often half of that. Counted are convolutions, products of
matrices and attention.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import flop_counter

from zoo import building
from zoo.facts import MODULE_KINDS, Entry
from zoo.foreign import Failure, attempt
from zoo.targets import call


@dataclass(frozen=True)
class Flops:
    """What was counted.

    Args:
        inputs: name -> shape of the tensors of the call.
        total: operations; None where they cannot be counted.
        problem: why they cannot, in one line.
    """

    inputs: dict[str, list[int]]
    total: int | None
    problem: str = ""


def count_flops(entry: Entry, instance: Any) -> Flops | None:
    """Operations of one call of a fresh module in eval mode, at the paper's input size.

    That is ``entry.paper_input``, or its example with a batch of one. None for what is no module, or has neither.
    """
    if entry.kind not in MODULE_KINDS or not (entry.paper_input or entry.example):
        return None
    if entry.paper_input:
        inputs = call(entry.paper_input, instance, gives=Mapping)
    else:
        inputs = call(str(entry.example), instance, batch_size=1, gives=Mapping)
    shapes = {name: list(value.shape) for name, value in inputs.items() if isinstance(value, Tensor)}
    with building.on_meta():
        module = building.build(entry, instance)
    # Whatever a forward pass does with numbers that are not there.
    total = attempt(lambda: flops(module.eval(), **inputs))
    return Flops(shapes, None, total.reason) if isinstance(total, Failure) else Flops(shapes, total)


def flops(module: nn.Module, *args: Any, **kwargs: Any) -> int:
    """Operations of one call of a module, which stays as it is.

    Args:
        module: on any device, meta included, and in either mode.
        args, kwargs: of the call; of tensors only shapes and dtypes matter.
    """
    from torch._subclasses.fake_tensor import FakeTensorMode
    from torch.func import functional_call

    counter = flop_counter.FlopCounterMode(display=False, custom_mapping={_ATTENTION_ON_CPU: _attention})
    # In place of a tracker that hooks the modules of every thread, to tell which module counts what.
    counter.mod_tracker = _Everything()  # type: ignore[assignment]
    with FakeTensorMode(allow_non_fake_inputs=True), torch.no_grad():
        named = {**dict(module.named_parameters()), **dict(module.named_buffers())}
        state = {name: _fake(tensor) for name, tensor in named.items()}
        call = tuple(_fake(value) for value in args), {name: _fake(value) for name, value in kwargs.items()}
        with counter:
            functional_call(module, state, *call)
    return counter.get_total_flops()


def _fake(value: Any) -> Any:
    return torch.empty(value.shape, dtype=value.dtype, device="cpu") if isinstance(value, Tensor) else value


class _Everything(nullcontext[None]):
    parents = ("Global",)


# torch's table has the fused attention of GPUs alone.
_ATTENTION_ON_CPU = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu


def _attention(query: Any, key: Any, value: Any, *rest: Any, **options: Any) -> int:
    count: int = flop_counter.sdpa_flop_count(query, key, value)
    return count
