"""Which modules of a transformers model ask for an attention implementation, and which have one hard-coded.

transformers takes ``attn_implementation=`` for any model. Modules that follow its attention interface look the name
up in ``ALL_ATTENTION_FUNCTIONS``; others run code of their own and never ask. Such a model would not run the
mechanism at all, and would misread the masks that were made for it.
"""

from __future__ import annotations

import inspect
import re
import sys
import warnings
from collections.abc import Iterable, Iterator
from functools import cache
from types import CodeType, FunctionType
from typing import Any

from torch import nn

from zoo.errors import InputError

INTERFACE = "ALL_ATTENTION_FUNCTIONS"
# Where the base class of all models speaks of the interface, but asks it for nothing.
_BASE = "transformers.modeling_utils"
_ATTENTION = re.compile(r"Att(?!rib)|MHA")


@cache
def dispatches(kind: type[nn.Module]) -> bool:
    """Whether a module class looks its attention up in transformers' interface."""
    return any(True for _ in asking_functions(kind))


def asking_functions(kind: type[Any]) -> Iterator[FunctionType]:
    """The methods of a module class, its bases' too, that look its attention up in transformers' interface."""
    bases = (base for base in kind.__mro__ if base.__module__ != _BASE)
    members = (member for base in bases for member in vars(base).values())
    return (inspect.unwrap(member) for member in members if INTERFACE in _names(member))


def _names(function: Any) -> Iterator[str]:
    """The names that a function's code uses, seen through decorators."""
    function = inspect.unwrap(function) if callable(function) else function
    if not isinstance(function, FunctionType):
        return
    codes: list[CodeType] = [function.__code__]
    while codes:
        code = codes.pop()
        yield from code.co_names
        codes += [constant for constant in code.co_consts if isinstance(constant, CodeType)]


def attention_modules(model: nn.Module) -> dict[str, nn.Module]:
    """The modules of a model that ask for an attention implementation, by name, in order."""
    modules = dict(model.named_modules())
    return {name: module for name, module in modules.items() if dispatches(type(module))}  # type: ignore[arg-type]


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


def check_kind(model: nn.Module, implementation: str) -> None:
    """Refuse, before it is built, a model that chooses classes by the name of the implementation.

    Raises:
        InputError: one of the classes that it is made of looks its attention up in a table of its own.
    """
    reached, queue = set[type](), [type(model)]
    while queue:
        kind = queue.pop()
        reached.add(kind)
        space = vars(sys.modules[kind.__module__])
        used = [space[name] for member in vars(kind).values() for name in _names(member) if name in space]
        for table in (each for each in used if isinstance(each, dict) and "eager" in each):
            raise InputError(_refusal(model, implementation, table.values()))
        queue += [
            each for each in used if isinstance(each, type) and issubclass(each, nn.Module) and each not in reached
        ]


def check(model: nn.Module, implementation: str) -> str | None:
    """Refuse a model in which an attention implementation would never run.

    A model of which only a part would run it is let through with a warning, and so is one without any attention (a
    convolutional backbone inside another model, say).

    Returns:
        What masks the model must get: ``"additive"`` where some of its attention is hard-coded and takes masks, as
        that code expects them; ``"full"`` where transformers never leaves one to ``is_causal`` (without sdpa), so that
        nobody has noticed whether its modules say the truth in it: those of several decoders say False. None: any.

    Raises:
        InputError: naming the model.
    """
    asking, own = attention_modules(model), hard_coded(model)
    # What a model within the model keeps was told when that was built.
    inner = [f"{name}." for name, module in model.named_modules() if name and isinstance(module, _base_class())]
    told = {name: module for name, module in own.items() if name.startswith(tuple(inner))}
    if not asking and own:
        raise InputError(_refusal(model, implementation, map(type, own.values())))
    kind = type(model).__name__
    if not asking:
        warnings.warn(f"{kind} has no attention: {implementation} runs nowhere in it", stacklevel=3)
    elif own != told:
        kept = _listed(type(module) for name, module in own.items() if name not in told)
        warnings.warn(f"{implementation} does not run everywhere in {kind}: {kept} stays as it is", stacklevel=3)
    if any("mask" in name for module in own.values() for name in inspect.signature(module.forward).parameters):
        return "additive"
    return None if getattr(model, "_supports_sdpa", False) else "full"


def _base_class() -> type[nn.Module]:
    base: type[nn.Module] = sys.modules[_BASE].PreTrainedModel
    return base


def _listed(kinds: Iterable[type]) -> str:
    return ", ".join(dict.fromkeys(kind.__name__ for kind in kinds))


def _refusal(model: nn.Module, implementation: str, kinds: Iterable[type]) -> str:
    return (
        f'{type(model).__name__} cannot take attn_implementation="{implementation}": its attention is hard-coded '
        f"({_listed(kinds)}) and would never run the mechanism. Expected a model whose attention follows "
        "transformers' attention interface; for a part of a composed model give a dict, "
        f'attn_implementation={{"text_config": "{implementation}"}}'
    )
