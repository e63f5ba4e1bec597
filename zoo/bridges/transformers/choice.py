"""The mechanism of a model and its options, as they stand in the model's config.

``config.zoo_attention`` of a transformers model, and in its ``config.json``::

    {"plugin": "sequence", "entry": "moba", "distribution": "zoo-sequence", "version": "0.1.0",
     "config": {"block_size": 64, ...}, "layers": [0, 2]}

``layers`` is there where only some layers use the mechanism: numbers of the model's attention modules, in order.
``"masks": "additive"`` is there where the model also has attention of its own, which expects such masks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from zoo import catalogue, configuration
from zoo.catalogue import Offer
from zoo.errors import ConfigError, PluginError, UnknownName

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
        try:
            target = catalogue.current().find(f"{plugin}:{entry}" if plugin else entry)
        except UnknownName as error:
            installed = [each.name for each in catalogue.current().plugins]
            if plugin is None or plugin in installed:
                raise
            wanted = stored.get("distribution", f"zoo-{plugin}")
            raise PluginError(
                f"the model's attention is {entry!r} of plugin {plugin!r}, which is not installed here. "
                f"Run: pip install {wanted}"
            ) from error
        layers = stored.get("layers")
        options = stored.get("config") or {}
        return cls.of(target.offer, options, preset=target.preset, layers=None if layers is None else tuple(layers))

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
