"""Attention layers for host networks: the host's own kinds, and any drop-in entry of the catalogue, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from zoo import building, catalogue, configuration
from zoo.configuration import field
from zoo.errors import ConfigError, PluginError
from zoo.nn.heads import require_equal_slices


@dataclass
class HostConfig:
    """What every host network lets one choose about its attention."""

    dim: int = field(512, "model width", unit="features", minimum=1)
    num_layers: int = field(6, "blocks", minimum=1)
    num_heads: int = field(8, "query heads", minimum=1)
    attention: str = field("full", "attention of every block: a kind of the model's own, or a drop-in layer by name")
    attention_pattern: list[str] = field([], "instead: one name per block")
    attention_options: dict[str, Any] = field({}, "further config of the drop-in layers")

    def __post_init__(self) -> None:
        require_equal_slices(self.dim, self.num_heads)
        named = len(self.attention_pattern)
        if named not in (0, self.num_layers):
            raise ConfigError(f"{named} names for num_layers={self.num_layers} blocks", field="attention_pattern")

    def attention_names(self) -> list[str]:
        """One name per block."""
        return list(self.attention_pattern) or [self.attention] * self.num_layers


def layers_by_name(
    config: HostConfig, *, own: Mapping[str, Callable[[], nn.Module]], causal: bool, max_length: int
) -> list[nn.Module]:
    """One attention layer per block, as ``config.attention_names()`` says.

    Args:
        config: names, ``dim`` and ``num_heads``; the options go to the drop-in layers.
        own: makers of the layers that the host brings along; their settings are the host's.
        causal, max_length: what the host needs; passed where a layer has the field.

    Raises:
        ConfigError: a mechanism does not fit the host (no causal form, for instance), or there are options
            and no drop-in layer to take them.
    """
    names = config.attention_names()
    if config.attention_options and all(name in own for name in names):
        raise ConfigError(
            f"attention_options are for drop-in layers; {', '.join(sorted(set(names)))} obeys the model's own fields",
            field="attention_options",
        )
    host: dict[str, Any] = {
        "dim": config.dim,
        "num_heads": config.num_heads,
        "causal": causal,
        "max_length": max_length,
    }
    return [own[name]() if name in own else attention_layer(name, **host, **config.attention_options) for name in names]


def attention_layer(
    name: str, *, dim: int, num_heads: int, causal: bool, max_length: int | None = None, **options: Any
) -> nn.Module:
    """Any drop-in attention layer by name, for a host network.

    Args:
        name: ``[plugin:]entry[/preset]`` of kind ``attention``.
        dim, num_heads, causal, max_length: the host's; passed where the layer's schema has the field.
        options: further config overrides of the layer.

    Raises:
        ConfigError: the entry is not a drop-in layer, or it cannot be what the host needs (for example
            causal).
    """
    target = catalogue.current().find(name)
    entry = target.offer.entry
    if entry.kind != "attention":
        raise ConfigError(f"{name!r} is a {entry.kind}, not a drop-in attention layer", field="attention")
    known = configuration.schema_of(entry).__dataclass_fields__  # type: ignore[attr-defined]
    absent = [field for field in ("dim", "causal") if field not in known]
    if absent:
        raise ConfigError(
            f"{name!r} cannot be placed in a sequence model: no {' and '.join(absent)}", field="attention"
        )
    host = {"dim": dim, "num_heads": num_heads, "causal": causal}
    if max_length is not None:
        host["max_length"] = max_length
    overrides = {key: value for key, value in host.items() if key in known} | options
    layer = building.build(entry, configuration.merge(entry, target.preset, None, overrides).instance)
    if not isinstance(layer, nn.Module):
        raise PluginError(f"{name!r} built a {type(layer).__name__}, expected an nn.Module")
    return layer
