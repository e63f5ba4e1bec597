"""Attention mechanisms of the zoo as attention implementations of ``transformers``.

Every entry that is a function of (query, key, value) becomes ``attn_implementation="zoo-<id>"``, together with a mask
function (see ``zoo.bridges.transformers.masks``). The mechanism and its options belong to the model: they are written
into its config as ``zoo_attention``, are saved by ``save_pretrained``, and are in use again after ``from_pretrained``,
where transformers by itself stores no implementation. A model whose attention is hard-coded is refused by name.

transformers has no hook for either, so two methods of its ``PreTrainedModel`` are wrapped; they act as before on
every model that has nothing to do with the zoo.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Mapping
from functools import partial, wraps
from typing import Any

from torch import Tensor, nn

from zoo import catalogue, names
from zoo.bridges.transformers import dispatch
from zoo.bridges.transformers.choice import ATTRIBUTE, Choice
from zoo.bridges.transformers.masks import mask_function, sight
from zoo.catalogue import Offer
from zoo.errors import InputError, UnknownName
from zoo.nn.masks import expand_mask, one_by_one
from zoo.targets import require, resolve

__all__ = ["mask_function", "register_transformers"]

PREFIX = "zoo-"

# Number of an attention module among those of one config.
_NUMBER = "_zoo_layer"

# What models get that are built from now on and say nothing themselves, by implementation.
_defaults: dict[str, Choice] = {}


def register_transformers(options: Mapping[str, Mapping[str, Any]] | None = None) -> tuple[str, ...]:
    """Register every functional attention entry with transformers.

    A model remembers its mechanism and options in ``config.zoo_attention``, which may also be given to the config
    beforehand: ``LlamaConfig(..., zoo_attention={"entry": "moba", "config": {"block_size": 64}})``.

    MoBA chooses blocks in calls that start a sequence; a call whose cache already holds keys (a generated token, or a
    further chunk of a prompt) reads everything, as in its authors' code. With the option ``decode="moba"`` those calls
    choose blocks too, and a prompt in chunks gives what the whole prompt gives.

    Args:
        options: entry id -> config overrides, for instance ``{"moba": {"block_size": 64, "topk": 4}}``, for models
            that are built from now on; those that exist keep theirs.

    Returns:
        The names for ``attn_implementation``. Where several plugins offer an id, the plugin is part of the name.

    Raises:
        MissingDependency: transformers is not installed.
        UnknownName: ``options`` names something that is not a functional attention entry.
        ConfigError: options that the entry does not have.
    """
    offers = functional_offers()
    given = {find_functional(name, offers): values for name, values in (options or {}).items()}
    choices = {name: Choice.of(offer, given.get(name, {}), given=name in given) for name, offer in offers.items()}
    for name, choice in choices.items():
        _register(name, choice)
    install()
    return tuple(offers)


def _register(name: str, default: Choice) -> None:
    utils = require("transformers.modeling_utils", needed_by="zoo.register_transformers")
    masking = require("transformers.masking_utils", needed_by="zoo.register_transformers")
    utils.AttentionInterface.register(name, _adapter(name, default.offer))
    masking.AttentionMaskInterface.register(name, mask_function)
    _defaults[name] = default


def functional_offers() -> dict[str, Offer]:
    """Functional attention entries of the installed plugins, by the name of their implementation."""
    found = [offer for offer in catalogue.current().offers if offer.entry.functional is not None]
    ids = [offer.entry.id for offer in found]
    return {PREFIX + (offer.entry.id if ids.count(offer.entry.id) == 1 else offer.qualified): offer for offer in found}


def find_functional(name: str, offers: Mapping[str, Offer]) -> str:
    """The implementation that ``[plugin:]entry`` means.

    Raises:
        UnknownName: it is not a functional attention entry.
    """
    for implementation, offer in offers.items():
        if name in (implementation.removeprefix(PREFIX), offer.qualified, *offer.entry.aliases):
            return implementation
    known = [implementation.removeprefix(PREFIX) for implementation in offers]
    raise UnknownName(
        f"{name!r} is not a functional attention entry.{names.suggestion(name, known)} There are: {', '.join(known)}"
    )


def install() -> None:
    """Let transformers models keep a zoo attention in their configs, and refuse those that cannot take one."""
    base = require("transformers.modeling_utils", needed_by="zoo.register_transformers").PreTrainedModel
    choose, finish = base.get_correct_attn_implementation, base.post_init
    if getattr(choose, "keeps_zoo_attention", False):
        return

    @wraps(choose)
    def get_correct_attn_implementation(self: Any, requested: str | None, *args: Any, **kwargs: Any) -> Any:
        requested = _settle(self.config, requested)
        if is_ours(requested) and self._modules:
            _admit(self, str(requested))
        elif is_ours(requested):
            dispatch.check_kind(self, str(requested))
        return choose(self, requested, *args, **kwargs)

    @wraps(finish)
    def post_init(self: Any) -> None:
        finish(self)
        if is_ours(self.config._attn_implementation):
            _admit(self, self.config._attn_implementation)

    get_correct_attn_implementation.keeps_zoo_attention = True  # type: ignore[attr-defined]
    base.get_correct_attn_implementation = get_correct_attn_implementation
    base.post_init = post_init


def is_ours(implementation: str | None) -> bool:
    """Whether a name for ``attn_implementation`` is one of the zoo's."""
    return implementation is not None and implementation.startswith(PREFIX)


def _settle(config: Any, requested: str | None) -> str | None:
    """Write the requested mechanism into a config; where nothing is requested, what the config holds is meant."""
    kept = getattr(config, ATTRIBUTE, None)
    if requested is not None and not is_ours(requested):
        if kept is not None:
            delattr(config, ATTRIBUTE)
        return requested
    if requested is None and kept is None:
        return None
    if kept is None:
        setattr(config, ATTRIBUTE, default_choice(str(requested)).to_dict())
        return requested
    choice = Choice.read(kept)
    name = find_functional(choice.qualified, functional_offers())
    if requested not in (None, name):
        setattr(config, ATTRIBUTE, default_choice(str(requested)).to_dict())
        return requested
    default = default_choice(name)
    if default.given and default.config != choice.config:
        warnings.warn(
            f"this config already holds options of {name}, which are kept: {dict(choice.config)}. "
            f"To use the registered ones, take a config without the attribute {ATTRIBUTE!r}.",
            stacklevel=5,
        )
    setattr(config, ATTRIBUTE, choice.to_dict())
    return name


def default_choice(name: str) -> Choice:
    """What a model gets that asks for an implementation and says nothing else.

    Raises:
        UnknownName: no such implementation.
    """
    if name not in _defaults:
        offers = functional_offers()
        _register(name, Choice.of(offers[find_functional(name.removeprefix(PREFIX), offers)], {}, given=False))
    return _defaults[name]


def _admit(model: nn.Module, implementation: str) -> None:
    """Check that a model can take an implementation, and number its layers for a choice that names some of them."""
    if dispatch.check(model, implementation):
        getattr(model.config, ATTRIBUTE)["masks"] = "additive"
    counts: dict[int, int] = {}
    for module in dispatch.attention_modules(model).values():
        owner = id(getattr(module, "config", None))
        counts[owner] = counts.get(owner, -1) + 1
        module.__dict__[_NUMBER] = counts[owner]


def _choice_of(module: nn.Module, implementation: str) -> Choice:
    """What the config of an attention module says, read once."""
    config: Any = getattr(module, "config", None)
    kept = getattr(config, ATTRIBUTE, None)
    if kept is None:
        choice = default_choice(implementation)
        if config is not None:
            setattr(config, ATTRIBUTE, choice.to_dict())
        return choice
    read = module.__dict__.get("_zoo_choice")
    if read is None or read[0] is not kept:
        read = kept, Choice.read(kept)
        module.__dict__["_zoo_choice"] = read
    choice = read[1]
    return choice


def _adapter(name: str, offer: Offer) -> Callable[..., tuple[Tensor, None]]:
    function = resolve(offer.entry.functional or "")
    trains = "training" in inspect.signature(function).parameters

    def attend(
        module: nn.Module,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attention_mask: Tensor | None,
        dropout: float = 0.0,
        scaling: float | None = None,
        is_causal: bool | None = None,
        **kwargs: Any,
    ) -> tuple[Tensor, None]:
        choice = _choice_of(module, name)
        unsupported = [option for option in ("softcap", "position_bias", "s_aux") if kwargs.get(option) is not None]
        if unsupported:
            raise InputError(f"{name} does not implement this model's {', '.join(unsupported)}")
        causal = bool(getattr(module, "is_causal", True) if is_causal is None else is_causal)
        batch, _, queries, width = query.shape
        seen = sight(attention_mask, batch=batch, queries=queries, keys=key.shape[2], causal=causal)
        key, value = key[:, :, : seen.keys], value[:, :, : seen.keys]
        run: Callable[..., Tensor]
        if choice.layers is not None and module.__dict__.get(_NUMBER) not in choice.layers:
            run = partial(_standard, module, scaling=scaling, dropout=dropout)
        elif dropout:
            raise InputError(
                f"{name} has no dropout on attention weights, but the model asks for {dropout}; "
                "set its attention dropout to 0"
            )
        else:
            run = partial(function, scale=width**-0.5 if scaling is None else scaling, config=choice.instance)
            if trains:
                run = partial(run, training=module.training)
        if seen.packed is not None:
            output = one_by_one(partial(run, attn_mask=None, causal=True), query, key, value, seen.packed)
        else:
            output = run(query, key, value, attn_mask=seen.mask, causal=seen.causal)
        return output.transpose(1, 2).contiguous(), None

    attend.__name__ = f"zoo_{offer.entry.id.replace('-', '_')}_attention"
    return attend


def _standard(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None,
    *,
    causal: bool,
    **options: Any,
) -> Tensor:
    """transformers' own attention, for layers that a choice leaves out."""
    attend = require("transformers.modeling_utils", needed_by="zoo.swap").ALL_ATTENTION_FUNCTIONS["sdpa"]
    (batch, heads, queries, _), keys = query.shape, key.shape[2]
    if attn_mask is not None or (causal and queries != keys):
        shape = {"batch": batch, "heads": heads, "queries": queries, "keys": keys}
        attn_mask = expand_mask(attn_mask, **shape, causal=causal, device=query.device)
    output: Tensor = attend(module, query, key, value, attn_mask, is_causal=causal, **options)[0]
    return output.transpose(1, 2)
