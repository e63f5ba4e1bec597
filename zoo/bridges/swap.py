"""``zoo.swap``: another attention mechanism in a model that is already built, with the parameters that it has.

A mechanism that is a function of (query, key, value) takes the place of the function between a model's projections:
in transformers models through their config, in torch's ``nn.MultiheadAttention`` by a module with the same parameters,
in diffusers' ``Attention`` by a processor. No parameter is made, copied or renamed.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, NoReturn

from torch import nn

from zoo.bridges import diffusers
from zoo.bridges.choice import ATTRIBUTE, Choice, find_functional
from zoo.bridges.multihead import SwappedMultiheadAttention
from zoo.errors import InputError


@dataclass(frozen=True)
class Change:
    """One change of a model.

    Args:
        stands: whether it is still there.
        take_back: undoes it.
    """

    stands: Callable[[], bool]
    take_back: Callable[[], None]


class Swap:
    """What was swapped; leave it, or call ``undo()``, to have the model as it was.

    Args:
        mechanism: ``plugin:entry``.
        swapped, left: names of the model's attention modules that use the mechanism now, and of those that do not.
    """

    def __init__(
        self, model: nn.Module, choice: Choice, swapped: Iterable[str], left: Iterable[str], changes: list[Change]
    ) -> None:
        self.mechanism = choice.qualified
        self.config = dict(choice.config)
        self.swapped, self.left = tuple(swapped), tuple(left)
        self._model = type(model).__name__
        self._changes = changes

    def undo(self) -> None:
        """Give the model its own attention back; a second time does nothing.

        Raises:
            InputError: the model's attention was changed again since.
        """
        if not all(change.stands() for change in self._changes):
            raise InputError(f"the attention of this {self._model} was changed since this swap; undo that first")
        for change in reversed(self._changes):
            change.take_back()
        self._changes = []

    def __enter__(self) -> Swap:
        return self

    def __exit__(self, *raised: object) -> None:
        self.undo()

    def __repr__(self) -> str:
        count = f"{len(self.swapped)} of {len(self.swapped) + len(self.left)}"
        return f"{self.mechanism} in {count} attention modules of {self._model}: {', '.join(self.swapped)}"


def swap(model: nn.Module, name: str, *, layers: Iterable[int] | None = None, **options: Any) -> Swap:
    """Put an attention mechanism into a built model.

    Args:
        model: a transformers model, or any module that holds transformers models, ``nn.MultiheadAttention`` or
            diffusers' ``Attention``.
        name: ``[plugin:]entry[/preset]`` of a functional attention entry: see ``zoo.register_transformers()``.
        layers: numbers of the attention modules to swap, in the order in which the model holds them; by default all.
            Negative ones count from the end.
        options: config fields of the mechanism.

    Returns:
        What was swapped: prints as a sentence, and undoes itself as a context manager::

            with zoo.swap(model, "moba", layers=range(2, 12), block_size=64) as swapped:
                print(swapped)

    Raises:
        UnknownName: no such functional attention entry.
        ConfigError: options that it does not have.
        InputError: the model has no attention that can be swapped, or hides some of it, or has no such layer.
    """
    if not isinstance(model, nn.Module):
        raise InputError(f"model={type(model).__name__} is no torch module; expected a model that is built")
    target = find_functional(name)
    choice = Choice.of(target.offer, options, preset=target.preset).prepared()
    places = dict(_places(model))
    if not places:
        _refuse(model, choice)
    names = list(places)
    chosen = _chosen(names, layers)
    changes: list[Change] = []
    try:
        for put in (_in_transformers, _in_torch, _in_diffusers):
            for change in put(model, choice, places, chosen):
                changes.append(change)
    except BaseException:
        for change in reversed(changes):
            change.take_back()
        raise
    return Swap(model, choice, chosen, (name for name in names if name not in chosen), changes)


def _refuse(model: nn.Module, choice: Choice) -> NoReturn:
    utils = sys.modules.get("transformers.modeling_utils")
    if utils is not None and any(isinstance(module, utils.PreTrainedModel) for module in model.modules()):
        from zoo.bridges.transformers import dispatch, registration

        dispatch.check(model, registration.implementation_of(choice.offer))
    raise InputError(
        f"{type(model).__name__} has no attention that can be swapped; expected a transformers model, "
        "nn.MultiheadAttention or diffusers' Attention, or a module with some of these in it"
    )


def _chosen(names: list[str], layers: Iterable[int] | None) -> list[str]:
    if layers is None:
        return names
    numbers = list(layers) if isinstance(layers, Iterable) else [layers]
    wrong = [number for number in numbers if not (isinstance(number, int) and -len(names) <= number < len(names))]
    if wrong or not numbers:
        raise InputError(
            f"layers={numbers}; expected numbers from 0 to {len(names) - 1} of the attention modules {', '.join(names)}"
        )
    picked = {names[number] for number in numbers}
    return [name for name in names if name in picked]


def _places(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """The attention modules that can be swapped, by name, in order."""
    utils = sys.modules.get("transformers.modeling_utils")
    inside: list[str] = []
    for name, module in model.named_modules():
        if any(name.startswith(prefix) for prefix in inside):
            continue
        if utils is not None and isinstance(module, utils.PreTrainedModel):
            from zoo.bridges.transformers.dispatch import attention_modules

            prefix = f"{name}." if name else ""
            inside.append(prefix)
            for part, attention in attention_modules(module).items():
                if hasattr(attention, "config"):
                    yield f"{prefix}{part}", attention
        elif isinstance(module, nn.MultiheadAttention) or diffusers.is_attention(module):
            yield name, module


def _in_transformers(
    model: nn.Module, choice: Choice, places: dict[str, nn.Module], chosen: list[str]
) -> Iterator[Change]:
    if all(_config(places[name]) is None for name in chosen):
        return
    from zoo.bridges.transformers import registration

    registration.register(choice)
    implementation = registration.implementation_of(choice.offer)
    # transformers lets models that are built from one config share it: this one gets copies of its own.
    yield _put_configs(model)
    configs = {id(config): config for name in chosen if (config := _config(places[name])) is not None}
    for config in configs.values():
        group = [name for name, module in places.items() if _config(module) is config]
        numbers = [number for number, name in enumerate(group) if name in chosen]
        kept = getattr(config, ATTRIBUTE, None)
        if kept is not None and len(numbers) < len(group):
            raise InputError(
                f"this {type(model).__name__} already uses {kept.get('entry')}; undo that before some of its layers "
                "get another mechanism"
            )
        setattr(config, ATTRIBUTE, choice.only(numbers if len(numbers) < len(group) else None).to_dict())
        config._attn_implementation_internal = implementation
    base = sys.modules["transformers.modeling_utils"].PreTrainedModel
    for module in model.modules():
        if isinstance(module, base) and id(module.config) in configs:
            registration.admit(module, implementation)
    registration.number(module for module in places.values() if _config(module) is not None)


def _put_configs(model: nn.Module) -> Change:
    from transformers import PretrainedConfig

    copies: dict[int, Any] = {}
    replaced = [
        (vars(module), name, config, copy.deepcopy(config, copies))
        for module in model.modules()
        for name, config in vars(module).items()
        if isinstance(config, PretrainedConfig)
    ]

    def put(which: int) -> None:
        for owner, name, *configs in replaced:
            owner[name] = configs[which]

    put(1)
    return Change(lambda: all(owner.get(name) is new for owner, name, _, new in replaced), partial(put, 0))


def _config(module: nn.Module) -> Any:
    """The config of an attention module of transformers; others have none."""
    if isinstance(module, nn.MultiheadAttention) or diffusers.is_attention(module):
        return None
    return module.config


def _in_torch(model: nn.Module, choice: Choice, places: dict[str, nn.Module], chosen: list[str]) -> Iterator[Change]:
    for name in chosen:
        module = places[name]
        if isinstance(module, nn.MultiheadAttention):
            yield _put_module(model, module, SwappedMultiheadAttention(module, choice))
    for module in model.modules():
        # Encoders go past their layers' attention where they may pack padded sequences into nested tensors.
        swapped = any(isinstance(part, SwappedMultiheadAttention) for part in module.modules())
        if isinstance(module, nn.TransformerEncoder) and swapped:
            yield _keep_padding(module)


def _keep_padding(encoder: Any) -> Change:
    before, encoder.use_nested_tensor = encoder.use_nested_tensor, False
    return Change(lambda: True, partial(setattr, encoder, "use_nested_tensor", before))


def _put_module(model: nn.Module, old: nn.Module, new: nn.Module) -> Change:
    if old is model:
        raise InputError(
            f"the model is itself an {type(old).__name__}, which cannot be replaced in place; swap what holds it"
        )
    holders = [(parent, leaf) for parent in model.modules() for leaf, child in parent._modules.items() if child is old]
    for parent, leaf in holders:
        parent._modules[leaf] = new

    def take_back() -> None:
        old.training = new.training
        for parent, leaf in holders:
            parent._modules[leaf] = old

    return Change(lambda: all(parent._modules.get(leaf) is new for parent, leaf in holders), take_back)


def _in_diffusers(
    model: nn.Module, choice: Choice, places: dict[str, nn.Module], chosen: list[str]
) -> Iterator[Change]:
    for name in chosen:
        module: Any = places[name]
        if not diffusers.is_attention(module):
            continue
        before = module.processor
        if not isinstance(before, diffusers.MechanismProcessor) and type(before).__name__ not in diffusers.PLAIN:
            raise InputError(
                f"{name} has the processor {type(before).__name__}, which does more than plain attention (expected one "
                f"of {', '.join(diffusers.PLAIN)}); leave it out with layers="
            )
        yield _put_processor(module, diffusers.MechanismProcessor(choice))


def _put_processor(module: Any, new: diffusers.MechanismProcessor) -> Change:
    before = module.processor
    module.set_processor(new)
    return Change(lambda: module.processor is new, partial(module.set_processor, before))
