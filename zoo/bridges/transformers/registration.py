"""Attention mechanisms of the zoo as attention implementations of ``transformers``.

Every entry that is a function of (query, key, value) becomes ``attn_implementation="zoo-<id>"``, together with a mask
function (see ``zoo.bridges.transformers.masks``). The mechanism and its options belong to the model: they are written
into its config as ``zoo_attention``, are saved by ``save_pretrained``, and are in use again after ``from_pretrained``,
where transformers by itself stores no implementation. A model whose attention is hard-coded is refused by name.

transformers has no hook for either, so three methods of its ``PreTrainedModel`` are wrapped; they act as before on
every model that has nothing to do with the zoo.
"""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping
from functools import partial, wraps
from typing import Any

from torch import Tensor, nn

from zoo.bridges.choice import ATTRIBUTE, Choice, find_functional, functional_offers, see
from zoo.bridges.sight import packed_as_told, sight
from zoo.bridges.transformers import demands, dispatch
from zoo.bridges.transformers.masks import mask_function
from zoo.catalogue import Offer
from zoo.errors import InputError, ZooError, shown
from zoo.nn.masks import expand_mask
from zoo.targets import require

__all__ = ["mask_function", "register_transformers"]

PREFIX = "zoo-"

# ``zoo.transformers_bridge``: this module, under the name it had before.
transformers_bridge = sys.modules[__name__]

# Number of an attention module among those of one config, and the arguments that it hands over besides.
_NUMBER, _OPTIONS = "_zoo_layer", "_zoo_options"

# What models get that are built from now on and say nothing themselves, by implementation.
_defaults: dict[str, Choice] = {}


def register_transformers(options: Mapping[str, Mapping[str, Any]] | None = None) -> tuple[str, ...]:
    """Register every functional attention entry with transformers.

    A model remembers its mechanism and options in ``config.zoo_attention``, which may also be given to the config
    beforehand: ``LlamaConfig(..., zoo_attention={"entry": "moba", "config": {"block_size": 64}})``.

    MoBA chooses blocks in calls that start a sequence; a call whose cache already holds keys (a generated token, or a
    further chunk of a prompt) reads everything, as in its authors' code. With the option ``decode="moba"`` those calls
    choose blocks too, and a prompt in chunks gives what the whole prompt gives, assisted generation what plain
    generation gives.

    Args:
        options: entry id -> config overrides, for instance ``{"moba": {"block_size": 64, "topk": 4}}``, for models
            that are built from now on; those that exist keep theirs.

    Returns:
        The names for ``attn_implementation``. Where several plugins offer an id, the plugin is part of the name.

    Raises:
        MissingDependency: transformers is not installed.
        UnknownName: ``options`` names something that is not a functional attention entry.
        ConfigError: options that the entry does not have.
        InputError: ``options`` is no mapping.
    """
    options = {} if options is None else options
    if not (isinstance(options, Mapping) and all(isinstance(chosen, Mapping) for chosen in options.values())):
        raise InputError(f"options={shown(options)} must map an entry's id to a mapping of its config fields")
    given = {implementation_of(find_functional(name).offer): chosen for name, chosen in options.items()}
    offers = {implementation_of(offer): offer for offer in functional_offers()}
    choices = {name: Choice.of(offer, given.get(name, {}), given=name in given) for name, offer in offers.items()}
    for name, choice in choices.items():
        _register(name, choice)
    install()
    return tuple(offers)


def implementation_of(offer: Offer) -> str:
    """What an entry is called as an implementation."""
    shared = [other.entry.id for other in functional_offers()].count(offer.entry.id) > 1
    return PREFIX + (offer.qualified if shared else offer.entry.id)


def register(choice: Choice) -> None:
    """Make the implementation of a mechanism known to transformers; what models get by default stays as it is."""
    name = implementation_of(choice.offer)
    install()
    _register(name, _defaults.get(name) or Choice.of(choice.offer, {}, given=False))


def _register(name: str, default: Choice) -> None:
    utils = require("transformers.modeling_utils", needed_by="zoo.register_transformers")
    masking = require("transformers.masking_utils", needed_by="zoo.register_transformers")
    utils.AttentionInterface.register(name, _adapter(name))
    masking.AttentionMaskInterface.register(name, mask_function)
    _defaults[name] = default


def install() -> None:
    """Let transformers models keep a zoo attention in their configs, and refuse those that cannot take one."""
    base = require("transformers.modeling_utils", needed_by="zoo.register_transformers").PreTrainedModel
    choose, finish, change = base.get_correct_attn_implementation, base.post_init, base.set_attn_implementation
    if getattr(choose, "keeps_zoo_attention", False):
        return

    @wraps(choose)
    def get_correct_attn_implementation(self: Any, requested: str | None, *args: Any, **kwargs: Any) -> Any:
        requested = _settle(self.config, requested)
        if is_ours(requested) and self._modules:
            admit(self, str(requested))
        elif is_ours(requested):
            dispatch.check_kind(self, str(requested))
        return choose(self, requested, *args, **kwargs)

    @wraps(finish)
    def post_init(self: Any) -> None:
        finish(self)
        if is_ours(self.config._attn_implementation):
            admit(self, self.config._attn_implementation)

    @wraps(change)
    def set_attn_implementation(self: Any, *args: Any, **kwargs: Any) -> None:
        configs = {id(part.config): part.config for part in self.modules() if isinstance(part, base)}.values()
        before = [(config, config._attn_implementation, getattr(config, ATTRIBUTE, None)) for config in configs]
        try:
            change(self, *args, **kwargs)
        except ZooError:
            # A part may refuse after others were told: all of them are what they were, also where they are saved.
            for config, implementation, kept in before:
                config._attn_implementation_internal = implementation
                _put(config, kept)
            raise

    get_correct_attn_implementation.keeps_zoo_attention = True  # type: ignore[attr-defined]
    base.get_correct_attn_implementation = get_correct_attn_implementation
    base.post_init = post_init
    base.set_attn_implementation = set_attn_implementation


def _put(config: Any, choice: Any) -> None:
    if choice is not None:
        setattr(config, ATTRIBUTE, choice)
    elif hasattr(config, ATTRIBUTE):
        delattr(config, ATTRIBUTE)


def is_ours(implementation: str | None) -> bool:
    """Whether a name for ``attn_implementation`` is one of the zoo's."""
    return implementation is not None and implementation.startswith(PREFIX)


def _settle(config: Any, requested: str | None) -> str | None:
    """Write the requested mechanism into a config; where nothing is requested, what the config holds is meant."""
    kept = getattr(config, ATTRIBUTE, None)
    if requested is not None and not is_ours(requested):
        _put(config, None)
        return requested
    if requested is None and kept is None:
        return None
    if kept is None:
        setattr(config, ATTRIBUTE, default_choice(str(requested)).to_dict())
        return requested
    choice = Choice.read(kept)
    name = implementation_of(choice.offer)
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
        _register(name, Choice.of(find_functional(name.removeprefix(PREFIX)).offer, {}, given=False))
    return _defaults[name]


def admit(model: nn.Module, implementation: str) -> None:
    """Check that a model can take an implementation, and number its layers for a choice that names some of them."""
    modules = dispatch.attention_modules(model)
    using = [module for module in modules.values() if getattr(getattr(module, "config", None), ATTRIBUTE, None)]
    for module in using:
        if demanded := demands.demanded(module):
            told = ", ".join(f"{name}={written}" for name, written in demanded.items())
            raise InputError(
                f'{type(model).__name__} cannot take attn_implementation="{implementation}": its '
                f"{type(module).__name__} also hands over {told}, which no mechanism of the zoo computes. Expected "
                "attention that is a function of queries, keys, values and a mask"
            )
    if masks := dispatch.check(model, implementation):
        model.config.__dict__[ATTRIBUTE]["masks"] = masks
    number(modules.values())
    for module in using:
        # Read now: a program that is compiled could not.
        _choice_of(module, implementation)
        module.__dict__[_OPTIONS] = demands.options(type(module))  # type: ignore[arg-type]


def number(modules: Iterable[nn.Module]) -> None:
    """Number attention modules among those of the same config, in order."""
    counts: dict[int, int] = {}
    for module in modules:
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


def _adapter(name: str) -> Callable[..., tuple[Tensor, None]]:
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
        handed_over = dict.fromkeys((*("softcap", "position_bias", "s_aux"), *module.__dict__.get(_OPTIONS, ())))
        unsupported = [option for option in handed_over if kwargs.get(option) is not None]
        if unsupported:
            raise InputError(f"{name} does not implement {', '.join(unsupported)} of {type(module).__name__}")
        batch, _, queries, width = query.shape
        if is_causal is None and not hasattr(module, "is_causal") and queries > 1 and not _is_full(attention_mask):
            raise InputError(
                f"{type(module).__name__} does not say whether its attention is causal, so that {name} cannot tell "
                "what a query may see; use the eager attention of this model"
            )
        causal = bool(getattr(module, "is_causal", True) if is_causal is None else is_causal)
        seen = sight(attention_mask, batch=batch, queries=queries, keys=key.shape[2], causal=causal)
        if kwargs.get("cu_seq_lens_q") is not None:
            seen = packed_as_told(seen, kwargs["cu_seq_lens_q"], batch, queries)
        key, value = key[:, :, : seen.keys], value[:, :, : seen.keys]
        if choice.layers is not None and module.__dict__.get(_NUMBER) not in choice.layers:
            standard = partial(_standard, module, scaling=scaling, dropout=dropout)
            output = see(standard, query, key, value, seen)
        elif dropout:
            raise InputError(
                f"{name} has no dropout on attention weights, but the model asks for {dropout}; "
                "set its attention dropout to 0"
            )
        else:
            scale = width**-0.5 if scaling is None else scaling
            output = choice.attend(query, key, value, seen, scale=scale, training=module.training)
        return output.transpose(1, 2).contiguous(), None

    attend.__name__ = f"{re.sub(r'[^a-z0-9]', '_', name)}_attention"
    return attend


def _is_full(mask: Tensor | None) -> bool:
    """Whether a mask says by itself what every query may see; those of ``masks`` may leave that to ``is_causal``."""
    return mask is not None and (mask.is_floating_point() or mask.shape[-2] > 1)


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
