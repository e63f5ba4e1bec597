"""The residual stream: what every block of a model reads and what it leaves.

::

    streams = residual_streams(model, inputs)      # before block 0, before block 1, ..., after the last block

    def steer(index, stream):
        return stream + 4.0 * direction
    with at_streams(model, steer, before=[6]):     # added to what block 6 reads
        model(**inputs)

Place i of the stream lies before block i; place L, of L blocks, after the last. In models that normalise after adding
(BERT) the stream is what the blocks exchange, normalised.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from zoo.bridges.transformers.inputs import Inputs, as_inputs
from zoo.bridges.transformers.sites import Group, find_blocks
from zoo.errors import InputError

Act = Callable[[int, Tensor], "Tensor | None"]
"""(place, stream (batch, length, dim)): what it returns, if anything, is used instead."""

# What blocks call the stream where it is handed over by name.
_NAMES = ("hidden_states", "hidden_state", "x")


@contextmanager
def at_streams(
    model: nn.Module, act: Act, *, before: Collection[int] | None = None, group: Group | None = None
) -> Iterator[None]:
    """Let a function see, and replace, the residual stream within the context.

    Args:
        model: see ``sites.find_blocks``.
        act: called at every place in question; the model is as before afterwards.
        before: places 0 to L; all by default.
        group: the blocks of an encoder ("E") or a decoder ("D"), where there are both.

    Raises:
        InputError: there is no such place, or both kinds of blocks and no group.
    """
    blocks = find_blocks(model, group=group)
    if len({block.group for block in blocks}) > 1:
        raise InputError(f'{type(model).__name__} has two residual streams; choose group="E" or group="D"')
    places = range(len(blocks) + 1) if before is None else before
    wrong = [place for place in places if not 0 <= place <= len(blocks)]
    if wrong:
        raise InputError(f"places {wrong}: {len(blocks)} blocks have places 0 to {len(blocks)}")
    handles: list[Any] = []
    try:
        for place in places:
            if place < len(blocks):
                hook = _before(place, act)
                handles.append(blocks[place].module.register_forward_pre_hook(hook, with_kwargs=True))
            else:
                handles.append(blocks[-1].module.register_forward_hook(_after(place, act)))
        yield
    finally:
        for handle in handles:
            handle.remove()


def _before(place: int, act: Act) -> Callable[..., Any]:
    def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if args:
            changed = act(place, args[0])
            return None if changed is None else ((changed, *args[1:]), kwargs)
        name = next((name for name in _NAMES if name in kwargs), None)
        if name is None:
            raise InputError(f"{type(module).__name__} is handed its stream under none of {', '.join(_NAMES)}")
        changed = act(place, kwargs[name])
        return None if changed is None else (args, {**kwargs, name: changed})

    return hook


def _after(place: int, act: Act) -> Callable[..., Any]:
    def hook(module: nn.Module, args: tuple[Any, ...], output: Any) -> Any:
        changed = act(place, stream_of(output))
        if changed is None:
            return None
        return changed if isinstance(output, Tensor) else (changed, *output[1:])

    return hook


def stream_of(output: Any) -> Tensor:
    """The stream in what a block returns: itself, or the first of several."""
    stream: Tensor = output if isinstance(output, Tensor) else output[0]
    return stream


def residual_streams(
    model: nn.Module, inputs: Inputs, tokenizer: Any = None, *, group: Group | None = None
) -> list[Tensor]:
    """The stream (batch, length, dim) at places 0 to L of one forward pass.

    Args:
        model, group: see ``at_streams``.
        inputs, tokenizer: see ``inputs.as_inputs``.
    """
    found: dict[int, Tensor] = {}

    def keep(place: int, stream: Tensor) -> None:
        found[place] = stream

    with torch.no_grad(), at_streams(model, keep, group=group):
        model(**as_inputs(model, inputs, tokenizer))
    return [found[place] for place in sorted(found)]
