"""Step into the attention of a model while it runs: see and change queries, keys, values and attention weights.

``attending`` is the ground on which maps, patches and path patching stand. Within it, every call of a chosen
attention layer passes through two functions of yours, which return None to look only, or what is to be used instead::

    def look(site, weights):                       # (batch, heads, queries, keys), rows sum to 1
        entropies[site.name] = -torch.xlogy(weights, weights).sum(-1).mean()

    with attending(model, weights=look), torch.no_grad():
        model(**inputs)

Weights of a layer are formed only where they are asked for, and let go when the layer is done, so that memory does not
grow with the number of layers. Any additive bias b on the scores is a change of the weights too: they become
w exp(b) / sum(w exp(b)); ``only_where`` does it for masks.

How it works. A model of transformers calls an attention function by name, with queries and keys that have their
positions, the cache and the mask; within the context that name is ours. A layer whose weights are wanted is computed
by the eager function of its own architecture, the others by what the model uses otherwise. Where the model's attention
is a mechanism of the zoo (``zoo-moba``), and in the zoo's own networks, weights are what the mechanism answers to
values that are the identity matrix: exact for every mechanism that mixes values linearly, and checked in place, by
mixing the real values with them. A layer whose heads say more than a mean of values has ``weigh(query, key, mask)``
beside ``attend``, which takes other ``weights`` in their place. Afterwards the model is as before, also when the body
raised.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from zoo.bridges.transformers.dispatch import dispatches
from zoo.bridges.transformers.sites import Site, find_sites
from zoo.errors import InputError
from zoo.nn.heads import repeat_heads
from zoo.targets import require

Projections = Callable[[Site, Tensor, Tensor, Tensor], "tuple[Tensor, Tensor, Tensor] | None"]
"""(site, query (batch, heads, queries, head_dim), key and value (batch, kv heads, keys, head_dim)), after positions."""

Weights = Callable[[Site, Tensor], "Tensor | None"]
"""(site, weights (batch, heads, queries, keys))."""

Mixing = Callable[[Site, Tensor, Tensor, Tensor, "Tensor | None"], "Tensor | None"]
"""(site, query, key, value, mask) to the output (batch, heads, queries, head_dim); the mask is the model's own, of any
kind, or None."""


@dataclass(frozen=True)
class _Watch:
    site: Site
    projections: Projections | None
    weights: Weights | None
    mixing: Mixing | None = None


# Who looks at an attention module, the first to come first.
_WATCHES: WeakKeyDictionary[nn.Module, list[_Watch]] = WeakKeyDictionary()


@contextmanager
def attending(
    model: nn.Module,
    *,
    sites: Iterable[Site] | None = None,
    projections: Projections | None = None,
    weights: Weights | None = None,
    mixing: Mixing | None = None,
) -> Iterator[None]:
    """Let functions see, and replace, what flows through attention layers within the context.

    Contexts may be nested; those entered first act first.

    Args:
        model: of transformers, of an architecture that dispatches its attention; or a network of the zoo.
        sites: the layers; all by default.
        projections: sees (site, query, key, value) of every call, with rotary positions and cached keys; what it
            returns is used instead. On its own it leaves the model's fast attention in place.
        weights: sees (site, weights) of every call; what it returns mixes the values instead.
        mixing: computes (site, query, key, value, mask) in place of the model's attention, unless it returns None; not
            where somebody looks at the layer's weights.

    Raises:
        InputError: an attention layer that cannot be stepped into, or whose mixing cannot be replaced; the message
            names the architecture.
    """
    chosen = find_sites(model) if sites is None else list(sites)
    with ExitStack() as stack:
        for site in chosen:
            stack.enter_context(_watching(site, projections, weights, mixing))
        if any(_dispatches(site.module) for site in chosen):
            stack.enter_context(_implementation(model))
        yield


def can_be_attended(site: Site) -> bool:
    """Whether ``attending`` can step into a layer: one of the zoo with ``attend``, or one that dispatches."""
    return _attends(site.module) or _dispatches(site.module)


def _attends(module: nn.Module) -> bool:
    return callable(getattr(module, "attend", None))


@contextmanager
def _watching(
    site: Site, projections: Projections | None, weights: Weights | None, mixing: Mixing | None
) -> Iterator[None]:
    module = site.module
    own = _attends(module)
    if not can_be_attended(site):
        raise InputError(
            f"{site.name} ({type(module).__name__}) computes its attention inside itself, where nothing can step in; "
            "take a model whose architecture dispatches its attention, or a zoo layer that has attend()"
        )
    if mixing is not None and hasattr(module, "weigh"):
        raise InputError(
            f"{site.name} ({type(module).__name__}): its heads say more than a mean of values, so that nothing else "
            "can mix in their place; choose other layers"
        )
    watches = _WATCHES.setdefault(module, [])
    watch = _Watch(site, projections, weights, mixing)
    before = vars(module).get("attend")
    hook = None
    if own and not watches:
        entered: list[bool] = []
        module.attend = partial(_attend_in_zoo, module, module.attend, entered)
        hook = module.register_forward_hook(partial(_require_entered, site, entered))
    watches.append(watch)
    try:
        yield
    finally:
        if hook is not None:
            hook.remove()
        watches.remove(watch)
        if own and not watches:
            del module.attend
            if before is not None:
                module.attend = before


def _require_entered(site: Site, entered: list[bool], module: nn.Module, args: Any, output: Any) -> None:
    """Refuse a call of a layer that went past its ``attend``: nobody has seen or changed anything in it."""
    if not entered:
        raise InputError(
            f"{site.name} ({type(module).__name__}) attended from a state, where nothing can step in; call the model "
            "without a cache (use_cache=False)"
        )
    entered.clear()


def _attend_in_zoo(
    module: nn.Module,
    attend: Callable[..., Tensor],
    entered: list[bool],
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None,
    **decisions: Any,
) -> Tensor:
    """``attend`` of a layer with those who look on; ``decisions`` are what else the layer gives to itself."""
    entered.append(True)
    watches = _WATCHES[module]
    query, key, value = _projections(watches, query, key, value)
    mixed = _mixed(watches, query, key, value, attn_mask)
    if mixed is not None:
        return mixed

    def mechanism(value: Tensor) -> Tensor:
        return attend(query, key, value, attn_mask, **decisions)

    if not any(watch.weights for watch in watches):
        return mechanism(value)
    weigh: Callable[..., Tensor] | None = getattr(module, "weigh", None)
    if weigh is None:
        return _with_weights(watches, mechanism, key, value)
    weights = weigh(query, key, attn_mask)
    changed = _changed(watches, weights)
    if changed is not weights:
        decisions["weights"] = changed
    return mechanism(value)


def _projections(watches: list[_Watch], query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    found = query, key, value
    for watch in watches:
        changed = watch.projections(watch.site, *found) if watch.projections else None
        found = found if changed is None else changed
    return found


def _mixed(watches: list[_Watch], query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None) -> Tensor | None:
    """The output of who computes it in the layer's place; None where nobody does, or weights are looked at too."""
    if any(watch.weights for watch in watches):
        return None
    for watch in watches:
        found = watch.mixing(watch.site, query, key, value, attn_mask) if watch.mixing else None
        if found is not None:
            return found
    return None


def _changed(watches: list[_Watch], weights: Tensor) -> Tensor:
    for watch in watches:
        changed = watch.weights(watch.site, weights) if watch.weights else None
        weights = weights if changed is None else changed
    return weights


def _with_weights(watches: list[_Watch], mechanism: Callable[[Tensor], Tensor], key: Tensor, value: Tensor) -> Tensor:
    """Output (batch, heads, queries, head_dim) of any linear mixing of values, with those who look at its weights."""
    output = mechanism(value)
    # As many columns of the identity at a time as values have features: some mechanisms take no other width.
    width, keys = value.shape[-1], key.shape[2]
    identity = torch.eye(keys, keys + -keys % width, dtype=value.dtype, device=value.device)
    columns = [mechanism(part.expand(*value.shape[:2], -1, -1)) for part in identity.split(width, -1)]
    weights = torch.cat(columns, -1)[..., :keys]
    mixed = weights @ repeat_heads(value, weights.shape[1])
    scale = float(output.detach().abs().max()) if output.numel() else 0.0
    tolerance = scale * torch.finfo(output.dtype).eps ** 0.5 + torch.finfo(output.dtype).tiny
    if output.numel() and float((mixed - output).detach().abs().max()) > tolerance:
        raise InputError(
            f"{watches[0].site.name} ({type(watches[0].site.module).__name__}) is no weighted mean of values: it has "
            "no attention map"
        )
    changed = _changed(watches, weights)
    return output if changed is weights else changed @ repeat_heads(value, weights.shape[1])


def _dispatches(module: nn.Module) -> bool:
    """Whether a module of transformers asks for its attention function by name, and has an eager one."""
    return dispatches(type(module)) and _eager(module) is not None  # type: ignore[arg-type]


def _eager(module: nn.Module) -> Callable[..., tuple[Tensor, Tensor]] | None:
    """The eager attention of a module's architecture, where that has one."""
    for kind in type(module).__mro__:
        known = vars(sys.modules.get(kind.__module__, object))
        if "ALL_ATTENTION_FUNCTIONS" in known and "eager_attention_forward" in known:
            function: Callable[..., tuple[Tensor, Tensor]] = known["eager_attention_forward"]
            return function
    return None


@contextmanager
def _implementation(model: nn.Module) -> Iterator[None]:
    """Within the context, every part of a transformers model asks for our function instead of its own."""
    configs = {id(config): config for part in model.modules() if (config := getattr(part, "config", None)) is not None}
    before = {
        name: config._attn_implementation_internal
        for name, config in configs.items()
        if hasattr(config, "_attn_implementation_internal")
    }
    try:
        for name, original in before.items():
            if not str(original).startswith(_PREFIX):
                configs[name]._attn_implementation_internal = _looking(original or "eager")
        yield
    finally:
        for name, original in before.items():
            configs[name]._attn_implementation_internal = original


_PREFIX = "zoo-looking-at-"

# Names of attention functions that are softmax attention, which every architecture also has an eager function for.
_SOFTMAX = ("eager", "sdpa", "flash", "flex", "paged")


def _looking(original: str) -> str:
    """The name of our function in place of ``original``, registered together with its mask."""
    utils = require("transformers.modeling_utils", needed_by="looking into a model's attention")
    masking = require("transformers.masking_utils", needed_by="looking into a model's attention")
    if original.startswith(_SOFTMAX):
        # Modelling code asks whether names contain "flash" or "flex", and then makes other masks.
        name = _PREFIX + ("sdpa" if original == "sdpa" else "eager")
        fast = utils.ALL_ATTENTION_FUNCTIONS["sdpa"] if original == "sdpa" else None
        utils.AttentionInterface.register(name, partial(_softmax, fast))
        masking.AttentionMaskInterface.register(name, masking.eager_mask)
        return name
    name = _PREFIX + original
    utils.AttentionInterface.register(name, partial(_mechanism, utils.ALL_ATTENTION_FUNCTIONS[original]))
    if original in masking.ALL_MASK_ATTENTION_FUNCTIONS:
        masking.AttentionMaskInterface.register(name, masking.ALL_MASK_ATTENTION_FUNCTIONS[original])
    return name


def _softmax(
    fast: Callable[..., Any] | None,
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    **options: Any,
) -> tuple[Tensor, Tensor | None]:
    """Softmax attention with those who look on: eager where weights are wanted or nothing is faster."""
    watches = _WATCHES.get(module, [])
    query, key, value = _projections(watches, query, key, value)
    mixed = _mixed(watches, query, key, value, attention_mask)
    if mixed is not None:
        return mixed.transpose(1, 2).contiguous(), None
    function = fast if fast is not None and not any(watch.weights for watch in watches) else _eager(module)
    if function is None:
        raise InputError(f"{type(module).__name__} dispatches its attention, but has no eager function")
    output, weights = function(module, query, key, value, attention_mask, **options)
    if weights is None:
        return output, None
    changed = _changed(watches, weights)
    if changed is not weights:
        output = (changed @ repeat_heads(value, changed.shape[1])).transpose(1, 2).contiguous()
    return output, changed


def _mechanism(
    function: Callable[..., tuple[Tensor, Any]],
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    **options: Any,
) -> tuple[Tensor, None]:
    """A registered attention that is not softmax attention, with those who look on."""
    watches = _WATCHES.get(module, [])
    query, key, value = _projections(watches, query, key, value)
    mixed = _mixed(watches, query, key, value, attention_mask)
    if mixed is not None:
        return mixed.transpose(1, 2).contiguous(), None

    def mechanism(value: Tensor) -> Tensor:
        return function(module, query, key, value, attention_mask, **options)[0].transpose(1, 2)

    wanted = any(watch.weights for watch in watches)
    output = _with_weights(watches, mechanism, key, value) if wanted else mechanism(value)
    return output.transpose(1, 2).contiguous(), None


def only_where(weights: Tensor, visible: Tensor) -> Tensor:
    """Weights as they would be if only some keys could be seen: the rest set to zero, rows to their former sums.

    Args:
        weights: (batch, heads, queries, keys).
        visible: boolean, broadcastable to it. Rows that see nothing give zeros.
    """
    kept = weights.masked_fill(~visible, 0.0)
    total = kept.sum(-1, keepdim=True)
    return torch.where(total > 0, kept * (weights.sum(-1, keepdim=True) / total.clamp(min=1e-30)), 0.0)
