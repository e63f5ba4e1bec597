"""A mechanism that is a function of (query, key, value), chosen for a model with its options.

How it stands in the config of a transformers model, as ``config.zoo_attention``, and in its ``config.json``::

    {"plugin": "sequence", "entry": "moba", "distribution": "zoo-sequence", "version": "0.1.0",
     "config": {"block_size": 64, ...}, "layers": [0, 2]}

``layers`` is there where only some layers use the mechanism: numbers of the model's attention modules, in order.
``"masks": "additive"`` is there where the model also has attention of its own, which expects such masks, and
``"masks": "full"`` where the model cannot be relied on to say what is causal.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

from torch import Tensor

from zoo import catalogue, configuration, names
from zoo.bridges.sight import Sight
from zoo.catalogue import Offer, Target
from zoo.errors import ConfigError, UnknownName
from zoo.nn.masks import one_by_one
from zoo.targets import resolve

ATTRIBUTE = "zoo_attention"

# What the model itself says.
_HOST = ("dim", "num_heads", "num_kv_heads", "head_dim", "causal", "max_length")


@dataclass(frozen=True)
class Choice:
    """One mechanism with its options.

    Args:
        offer: the entry.
        config: its complete config, but for the fields that say what the model itself says.
        layers: numbers of the attention modules that use it; None for all.
        given: whether some option was given.
    """

    offer: Offer
    config: Mapping[str, Any]
    layers: tuple[int, ...] | None = None
    given: bool = True

    @classmethod
    def of(
        cls,
        offer: Offer,
        options: Mapping[str, Any],
        *,
        preset: str | None = None,
        layers: tuple[int, ...] | None = None,
        given: bool = True,
    ) -> Choice:
        """An entry with some options.

        Raises:
            ConfigError: the entry has no such option or it cannot have that value.
        """
        from omegaconf import OmegaConf

        merged = configuration.merge(offer.entry, preset, None, options)
        plain = OmegaConf.to_container(merged.config, resolve=True, enum_to_str=True)
        assert isinstance(plain, dict)
        return cls(offer, {str(key): value for key, value in plain.items() if key not in _HOST}, layers, given)

    @classmethod
    def read(cls, stored: Any) -> Choice:
        """The choice that a config holds.

        Raises:
            ConfigError: it is not one.
            PluginError: the plugin is not installed.
        """
        if not (isinstance(stored, Mapping) and isinstance(stored.get("entry"), str)):
            raise ConfigError(
                f'{ATTRIBUTE}={stored!r} in the model\'s config; expected {{"entry": name, "config": {{...}}}}'
            )
        plugin, entry = stored.get("plugin"), stored["entry"]
        wanted = stored.get("distribution", f"zoo-{plugin}")
        target = catalogue.current().find_stored(plugin, entry, wanted, "the model's attention is")
        layers = stored.get("layers")
        options = stored.get("config") or {}
        choice = cls.of(target.offer, options, preset=target.preset, layers=None if layers is None else tuple(layers))
        return choice.prepared()

    def prepared(self) -> Choice:
        """The same, with nothing left to be looked up in a call: programs that are compiled could not follow that."""
        _ = self.instance, self._function, self._trains
        return self

    def only(self, layers: Iterable[int] | None) -> Choice:
        """The same for some attention modules; None: for all."""
        return replace(self, layers=None if layers is None else tuple(layers))

    def __reduce__(self) -> tuple[Callable[..., Choice], tuple[dict[str, Any]]]:
        # A copied or pickled model finds the entry again by its name.
        return Choice.read, (self.to_dict(),)

    @property
    def qualified(self) -> str:
        """``plugin:entry``."""
        return self.offer.qualified

    @cached_property
    def instance(self) -> Any:
        """The checked config, as the mechanism takes it."""
        return configuration.merge(self.offer.entry, None, None, self.config).instance

    def to_dict(self) -> dict[str, Any]:
        """What is written into a model's config."""
        plugin = catalogue.current().plugin(self.offer.plugin)
        stored = {
            "plugin": self.offer.plugin,
            "entry": self.offer.entry.id,
            "distribution": plugin.distribution,
            "version": plugin.version,
            "config": dict(self.config),
        }
        return stored if self.layers is None else stored | {"layers": list(self.layers)}

    def attend(self, query: Tensor, key: Tensor, value: Tensor, seen: Sight, *, scale: float, training: bool) -> Tensor:
        """Run the mechanism.

        Args:
            query: (batch, heads, queries, head_dim).
            key, value: (batch, kv heads, keys in use, head_dim).
            seen: what the queries see.
            scale: factor on the scores.
            training: whether the model trains.

        Returns:
            (batch, heads, queries, value's head_dim).
        """
        told = {"training": training} if self._trains else {}
        return see(partial(self._function, scale=scale, config=self.instance, **told), query, key, value, seen)

    @cached_property
    def _function(self) -> Callable[..., Tensor]:
        function: Callable[..., Tensor] = resolve(self.offer.entry.functional or "")
        return function

    @cached_property
    def _trains(self) -> bool:
        return "training" in inspect.signature(self._function).parameters


def see(run: Callable[..., Tensor], query: Tensor, key: Tensor, value: Tensor, seen: Sight) -> Tensor:
    """Call ``run(query, key, value, attn_mask=, causal=)``, once for each sequence of a packed batch."""
    if seen.packed is not None:
        return one_by_one(partial(run, attn_mask=None, causal=True), query, key, value, seen.packed)
    return run(query, key, value, attn_mask=seen.mask, causal=seen.causal)


def functional_offers() -> list[Offer]:
    """The entries of the installed plugins that are functions of (query, key, value)."""
    return [offer for offer in catalogue.current().offers if offer.entry.functional is not None]


def find_functional(name: str) -> Target:
    """The functional entry, and the preset, that ``[plugin:]entry[/preset]`` means.

    Raises:
        UnknownName: there is no such entry, or it is no function of (query, key, value).
    """
    try:
        target = catalogue.current().find(name)
    except UnknownName as error:
        raise _unknown(name) from error
    if target.offer.entry.functional is None:
        raise _unknown(name)
    return target


def _unknown(name: str) -> UnknownName:
    known = sorted({offer.entry.id for offer in functional_offers()})
    return UnknownName(
        f"{name!r} is not a functional attention entry, which could take the queries, keys and values of another "
        f"model.{names.suggestion(name, known)} There are: {', '.join(known)}"
    )
