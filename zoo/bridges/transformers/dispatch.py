"""Which modules of a transformers model ask for an attention implementation, and which have one hard-coded.

transformers takes ``attn_implementation=`` for any model. Modules that follow its attention interface look the name
up in ``ALL_ATTENTION_FUNCTIONS``; others run code of their own and never ask. Such a model would not run the
mechanism at all, and would misread the masks that were made for it.
"""

from __future__ import annotations

import inspect
import re
import warnings
from collections.abc import Iterator
from functools import lru_cache
from types import CodeType, FunctionType
from typing import Any

from torch import nn

from zoo.errors import InputError

_INTERFACE = "ALL_ATTENTION_FUNCTIONS"
_ATTENTION = re.compile(r"Att(?!rib)|MultiHead|Multihead|MHA")


@lru_cache(maxsize=None)
def dispatches(kind: type) -> bool:
    """Whether a module class looks its attention up in transformers' interface."""
    functions = (member for base in kind.__mro__ for member in vars(base).values())
    return any(_INTERFACE in _names(function) for function in functions if callable(function))


def _names(function: Any) -> Iterator[str]:
    """The names that a function's code uses, seen through decorators."""
    function = inspect.unwrap(function)
    if not isinstance(function, FunctionType):
        return
    codes: list[CodeType] = [function.__code__]
    while codes:
        code = codes.pop()
        yield from code.co_names
        codes += [constant for constant in code.co_consts if isinstance(constant, CodeType)]


def attention_modules(model: nn.Module) -> dict[str, nn.Module]:
    """The modules of a model that ask for an attention implementation, by name, in order."""
    return {name: module for name, module in model.named_modules() if dispatches(type(module))}


def hard_coded(model: nn.Module) -> dict[str, nn.Module]:
    """The outermost attention modules that neither ask for an implementation nor contain one that does."""
    asking = attention_modules(model)
    found: dict[str, nn.Module] = {}
    for name, module in model.named_modules():
        named = _ATTENTION.search(type(module).__name__) and any(True for _ in module.parameters())
        within = any(name.startswith(f"{other}.") for other in (*asking, *found))
        around = any(other == name or other.startswith(f"{name}.") or not name for other in asking)
        if named and not within and not around:
            found[name] = module
    return found


def check(model: nn.Module, implementation: str) -> None:
    """Refuse a model in which an attention implementation would not do what its name says.

    A model without any attention (a convolutional backbone inside another model, say) is let through with a warning.

    Raises:
        InputError: naming the model, where none of its attention asks for an implementation, or where some has its
            own code and takes masks, which would be made for the mechanism and not for it.
    """
    asking, own = attention_modules(model), hard_coded(model)
    if not asking and not own:
        warnings.warn(f"{type(model).__name__} has no attention: {implementation} runs nowhere in it", stacklevel=3)
        return
    masked = {name: module for name, module in own.items() if _takes_mask(module)}
    if not asking:
        raise InputError(_refusal(model, implementation, "the mechanism would never run", own))
    if masked:
        raise InputError(_refusal(model, implementation, "it would misread the masks made for the mechanism", masked))


def _takes_mask(module: nn.Module) -> bool:
    return any("mask" in name for name in inspect.signature(module.forward).parameters)


def _refusal(model: nn.Module, implementation: str, consequence: str, own: dict[str, nn.Module]) -> str:
    kinds = ", ".join(dict.fromkeys(type(module).__name__ for module in own.values()))
    return (
        f'{type(model).__name__} cannot take attn_implementation="{implementation}": attention of it is hard-coded '
        f"({kinds}), so {consequence}. Expected a model whose attention follows transformers' attention interface; "
        f'for a part of a composed model give a dict, attn_implementation={{"text_config": "{implementation}"}}'
    )
