"""Typed configs: schema defaults, then preset (or saved config), then ``config=``, then keyword overrides.

A schema is a dataclass. OmegaConf checks names and types while the layers are merged one value at a time,
so that an error can say which value is wrong and which layer it came from. Ranges and choices stated with
``field`` are checked next, and ``__post_init__`` has the last word.
"""

from __future__ import annotations

import dataclasses
import math
import os
import re
import typing
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo import names
from zoo.errors import ConfigError, PluginError, ZooError, message_of, one_line, shown
from zoo.foreign import failing_as
from zoo.targets import resolve

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from zoo.facts import Entry

# Arguments of ``zoo.load``: a schema with a field of such a name could not be overridden by keyword.
RESERVED = ("name", "weights", "device", "dtype", "mesh", "config")

# What OmegaConf would read as the path to another field.
_IN_KEY_PATHS = re.compile(r"([\\.\[\]=])")

# Far beyond any config, and within what Python and OmegaConf walk through.
DEEPEST, MOST_VALUES = 50, 100_000
LARGEST_INTEGER = 2**63 - 1


def field(
    default: Any = dataclasses.MISSING,
    help: str = "",
    *,
    unit: str = "",
    choices: tuple[Any, ...] | None = None,
    minimum: float | None = None,
    maximum: float | None = None,
) -> Any:
    """A documented field of a config schema.

    Args:
        default: the default; lists, dicts and dataclass instances are copied for every config. Left out,
            the field must be given.
        help: what it means, one line.
        unit: its unit, where it has one ("tokens", "pixels").
        choices: the allowed values.
        minimum, maximum: inclusive range of a number, or of every number in a list.
    """
    metadata = {"help": help, "unit": unit, "choices": choices, "minimum": minimum, "maximum": maximum}
    if default is dataclasses.MISSING:
        from omegaconf import MISSING

        return dataclasses.field(default=MISSING, metadata=metadata)
    if isinstance(default, list | dict) or dataclasses.is_dataclass(default):
        return dataclasses.field(default_factory=lambda: deepcopy(default), metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


# Names of fields and places in lists that lead to a value.
Place = tuple[str | int, ...]


@dataclass(frozen=True)
class Merged:
    """A finished config.

    Args:
        config: the OmegaConf view.
        instance: the schema's dataclass, checked; what ``build`` receives.
        sources: dotted field name -> where its value came from, for fields that are not defaults.
    """

    config: DictConfig
    instance: Any
    sources: Mapping[str, str]


def schema_of(entry: Entry) -> type:
    """The dataclass that an entry's ``config`` names."""
    schema = resolve(entry.config)
    if not (isinstance(schema, type) and dataclasses.is_dataclass(schema)):
        raise ConfigError(f"{entry.id}: config {entry.config!r} is not a dataclass")
    return schema


def merge(
    entry: Entry,
    preset: str | None = None,
    config: Mapping[str, Any] | DictConfig | str | Path | None = None,
    overrides: Mapping[str, Any] | None = None,
    *,
    saved: Mapping[str, Any] | None = None,
) -> Merged:
    """Merge the layers of a config and check the result.

    Args:
        entry: whose schema.
        preset: one of the entry's.
        config: a mapping, a DictConfig or the path of a YAML file.
        overrides: single fields; they win.
        saved: the complete config of a saved object, which stands in the preset's place.

    Raises:
        ConfigError: naming the field, the value, what was expected and the layer it came from.
        PluginError: the entry's schema is none.
    """
    from omegaconf import OmegaConf

    schema = schema_of(entry)
    try:
        merged = OmegaConf.structured(schema)
    except Exception as error:
        # Of a default that is not of its field's type, or of a type that is none of OmegaConf's.
        raise PluginError(f"{entry.id}: {entry.config!r} cannot be used as a schema: {one_line(error)}") from error
    OmegaConf.set_struct(merged, True)
    sources: dict[str, str] = {}
    layers: list[tuple[str, Any]] = []
    if preset is not None:
        layers.append((f"preset {preset!r}", entry.presets[preset]))
    if saved is not None:
        layers.append(("saved config", saved))
    if config is not None:
        layers.append(_read(config))
    if overrides:
        layers.append(("override", overrides))
    for source, layer in layers:
        for key, value in _leaves(layer, merged):
            _assign(entry, merged, key, value, source)
            sources[key] = source
    _resolve(entry, merged, sources)
    return Merged(merged, _instantiate(entry, merged, sources), sources)


def _read(config: Mapping[str, Any] | DictConfig | str | Path) -> tuple[str, Any]:
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    if isinstance(config, Mapping):
        return "config", config
    if not isinstance(config, str | os.PathLike):
        raise ConfigError(f"config={shown(config)} is neither a mapping, a DictConfig nor the path of a YAML file")
    path = Path(config)
    if not os.path.isfile(path):
        wrong = "is no file" if os.path.exists(path) else "does not exist"
        raise ConfigError(f"config file {str(path)!r} {wrong}; expected the path of a YAML file")
    import yaml

    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(MOST_VALUES + 1)
        # Before anything is made of it: a name that stands for another may stand for very much.
        _check_yaml(text, f"config file {str(path)!r}")
        loaded = OmegaConf.to_container(OmegaConf.create(text), resolve=True)
    except (yaml.YAMLError, OmegaConfBaseException, ValueError, RecursionError, OSError) as error:
        raise ConfigError(f"config file {str(path)!r} is not valid YAML: {one_line(error)}") from error
    return f"file {str(path)!r}", loaded


def _check_extent(value: Any, what: str, field: str | None = None) -> None:
    """Refuse what is too deep or too large for anything to be made of it, as a list that holds itself is."""
    waiting, count = [(value, 0)], 0
    while waiting:
        item, depth = waiting.pop()
        inside = _inside(item)
        count += 1 + len(inside)
        _require_extent(depth, count, what, field)
        waiting += [(part, depth + 1) for part in inside]


def _check_yaml(text: str, what: str) -> None:
    """The same for a text, from its events: an alias counts as much as what it stands for. It must be a mapping."""
    import yaml

    sizes: dict[str | None, int] = {}
    open_nodes: list[tuple[str | None, int]] = []
    count = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            open_nodes.append((event.anchor, count))
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = open_nodes.pop()
            sizes[anchor] = count - before
        elif isinstance(event, yaml.AliasEvent):
            holds_itself = any(anchor == event.anchor for anchor, _ in open_nodes)
            count += MOST_VALUES if holds_itself else sizes.get(event.anchor, 1)
        if not count and isinstance(event, yaml.NodeEvent) and not isinstance(event, yaml.MappingStartEvent):
            raise ConfigError(f"{what} must hold a mapping of field names to values")
        count += isinstance(event, yaml.NodeEvent)
        _require_extent(len(open_nodes), count, what)


def _require_extent(depth: int, count: int, what: str, field: str | None = None) -> None:
    if depth > DEEPEST:
        raise ConfigError(f"{what} is nested deeper than {DEEPEST} levels, which no schema is", field=field)
    if count > MOST_VALUES:
        raise ConfigError(f"{what} holds more than {MOST_VALUES:,} values, which no schema does", field=field)


def _inside(value: Any) -> Sequence[Any]:
    """What a mapping or a list holds."""
    if isinstance(value, Mapping):
        return list(value.values())
    return value if isinstance(value, Sequence) and not isinstance(value, str | bytes) else ()


def _plain(value: Any, what: str) -> Any:
    """The value, as mappings and lists of Python where it is one of OmegaConf."""
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    if not OmegaConf.is_config(value):
        return value
    try:
        return OmegaConf.to_container(value, resolve=True)
    except (OmegaConfBaseException, RecursionError) as error:
        raise ConfigError(f"{what}={shown(value)} cannot be resolved: {one_line(error)}") from error


def _leaves(layer: Mapping[str, Any], node: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted (name, value) pairs; mappings are descended into only where the schema is nested."""
    from omegaconf import OmegaConf

    for key, value in _plain(layer, "config").items():
        name = f"{prefix}{key}"
        head, _, _ = str(key).partition(".")
        child = OmegaConf.select(node, head, throw_on_missing=False) if OmegaConf.is_dict(node) else None
        nested = OmegaConf.is_dict(child) and OmegaConf.get_type(child) is not dict
        if isinstance(value, Mapping) and nested and "." not in str(key):
            yield from _leaves(value, child, f"{name}.")
        else:
            yield name, value


def _assign(entry: Entry, config: DictConfig, key: str, value: Any, source: str) -> None:
    from omegaconf import OmegaConf
    from omegaconf.errors import ConfigAttributeError, ConfigKeyError

    _check_extent(value, f"{entry.id}: {key} (from {source})", key)
    owner, _, leaf = key.rpartition(".")
    value = _plain(list(value) if isinstance(value, tuple) else value, key)
    try:
        node = OmegaConf.select(config, owner, throw_on_resolution_failure=True) if owner else config
        if not OmegaConf.is_dict(node):
            raise ConfigKeyError(owner)
        if leaf not in node.keys() and not _is_free_dict(node):  # noqa: SIM118 ("in" skips fields without a value)
            raise ConfigAttributeError(key)
        # Replacing, not merging: a shorter list in a later layer must not keep the tail of an earlier one.
        # An int for a float is meant: update converts it without the warning of an assignment.
        OmegaConf.update(node, _IN_KEY_PATHS.sub(r"\\\1", leaf), value, merge=False)
    except (ConfigAttributeError, ConfigKeyError) as error:
        known = [field_name for field_name, _ in _fields(config)]
        raise ConfigError(
            f"{entry.id}: unknown config field {key!r} (from {source}).{names.suggestion(key, known)}"
            f" Known fields: {', '.join(known)}",
            field=key,
        ) from error
    except Exception as error:
        # Of OmegaConf, an integer that no float holds, or a value that cannot even be shown.
        expected = _expected(schema_of(entry), key)
        raise ConfigError(
            f"{entry.id}: {key}={shown(value)} (from {source}) is of the wrong type; expected {expected}", field=key
        ) from error


def _resolve(entry: Entry, config: DictConfig, sources: Mapping[str, str]) -> None:
    """Replace interpolations ("${dim}") by their values."""
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    try:
        OmegaConf.resolve(config)
    except RecursionError as error:
        raise ConfigError(f"{entry.id}: the config refers to itself and cannot be resolved") from error
    except OmegaConfBaseException as error:
        key = str(error.full_key)
        raise ConfigError(
            f"{entry.id}: {key} (from {sources.get(key, 'schema default')}) cannot be resolved: "
            f"{str(error.msg).splitlines()[0]}; expected {_expected(schema_of(entry), key)}",
            field=key,
        ) from error


def _is_free_dict(node: Any) -> bool:
    from omegaconf import OmegaConf

    return OmegaConf.get_type(node) is dict


def _fields(config: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    from omegaconf import OmegaConf

    for key in config:
        child = None if OmegaConf.is_missing(config, key) else config[key]
        yield f"{prefix}{key}", child
        if OmegaConf.is_dict(child) and not _is_free_dict(child):
            yield from _fields(child, f"{prefix}{key}.")


def _field_info(schema: Any, key: str) -> tuple[Any, Mapping[str, Any]]:
    """Type and metadata of a dotted field."""
    annotation: Any = schema
    metadata: Mapping[str, Any] = {}
    for part in key.split("."):
        if not dataclasses.is_dataclass(annotation):
            return Any, {}
        fields = {item.name: item for item in dataclasses.fields(annotation)}
        if part not in fields:
            return Any, {}
        metadata = fields[part].metadata
        hints = typing.get_type_hints(annotation if isinstance(annotation, type) else type(annotation))
        annotation = hints[part]
    return annotation, metadata


def type_name(annotation: Any) -> str:
    """A type as a reader of an error or a card wants it."""
    plain = isinstance(annotation, type) and not typing.get_args(annotation)
    return annotation.__name__ if plain else str(annotation).replace("typing.", "")


def changes(instance: Any, prefix: str = "") -> dict[str, Any]:
    """The fields of a schema's instance that are not at their defaults, by dotted name."""
    found: dict[str, Any] = {}
    for item in dataclasses.fields(instance):
        value = getattr(instance, item.name)
        if dataclasses.is_dataclass(value):
            found |= changes(value, f"{prefix}{item.name}.")
            continue
        default = item.default if item.default_factory is dataclasses.MISSING else item.default_factory()
        if value != default:
            found[f"{prefix}{item.name}"] = value
    return found


def integers(value: Any, path: Place = ()) -> Iterator[tuple[Place, int]]:
    """Every integer of a schema's instance, by the names and places that lead to it."""
    if isinstance(value, int) and not isinstance(value, bool):
        yield path, value
    elif dataclasses.is_dataclass(value):
        for item in dataclasses.fields(value):
            yield from integers(getattr(value, item.name), (*path, item.name))
    elif isinstance(value, list):
        for place, item in enumerate(value):
            yield from integers(item, (*path, place))


def replaced(instance: Any, values: Mapping[Place, int]) -> Any:
    """A copy of a schema's instance with other integers; nothing checks them."""
    copy = deepcopy(instance)
    for path, value in values.items():
        owner = copy
        for part in path[:-1]:
            owner = owner[part] if isinstance(part, int) else getattr(owner, part)
        last = path[-1]
        owner.__setitem__(last, value) if isinstance(last, int) else object.__setattr__(owner, last, value)
    return copy


def _expected(schema: type, key: str) -> str:
    annotation, metadata = _field_info(schema, key)
    name = type_name(annotation)
    unit = f" ({metadata['unit']})" if metadata.get("unit") else ""
    choices = f", one of {', '.join(map(repr, metadata['choices']))}" if metadata.get("choices") else ""
    return f"{name}{unit}{choices}"


def _instantiate(entry: Entry, config: DictConfig, sources: Mapping[str, str]) -> Any:
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    missing = sorted(OmegaConf.missing_keys(config))
    if missing:
        wanted = "; ".join(f"{key}: {_expected(schema_of(entry), key)}" for key in missing)
        raise ConfigError(f"{entry.id}: config fields without a value: {wanted}", field=missing[0])
    schema = schema_of(entry)
    for key, value in _fields(config):
        _check_range(entry, schema, key, value, sources)
    # A __post_init__ may raise anything; OmegaConf wraps some of it.
    with failing_as(lambda error: _located(entry, config, sources, error)):
        try:
            return OmegaConf.to_object(config)
        except (OmegaConfBaseException, ConfigError) as error:
            cause = error.__cause__ if isinstance(error, OmegaConfBaseException) and error.__cause__ else error
            if isinstance(cause, ZooError) and not isinstance(cause, ConfigError):
                raise cause from error
            raise _located(entry, config, sources, cause) from error


def _located(entry: Entry, config: DictConfig, sources: Mapping[str, str], error: BaseException) -> ConfigError:
    """The error of a ``__post_init__``, with the value and the layer of the field it names, or of all that were set."""
    values = dict(_fields(config))
    named = getattr(error, "field", None)
    # A nested schema names its own field, without the path that leads to it.
    found = [key for key in values if key == named or key.endswith(f".{named}")] if named else []
    field_name = found[0] if len(found) == 1 else named
    at_fault = [field_name] if field_name in values else [key for key in sources if key in values]
    where = ", ".join(f"{key}={shown(values[key])}, from {sources.get(key, 'schema default')}" for key in at_fault)
    message = message_of(error) if isinstance(error, ZooError | ValueError) else one_line(error)
    return ConfigError(f"{entry.id}: {message} ({where or 'all fields at their defaults'})", field=field_name)


def _check_range(entry: Entry, schema: type, key: str, value: Any, sources: Mapping[str, str]) -> None:
    from omegaconf import OmegaConf

    if OmegaConf.is_dict(value) and not _is_free_dict(value):
        return
    source = sources.get(key, "schema default")
    _, metadata = _field_info(schema, key)
    # A field that states its own maximum may count what no machine holds, such as all addresses of a space.
    largest = max((metadata or {}).get("maximum") or 0, LARGEST_INTEGER)
    for item in _numbers(value):
        wrong = "is not a number" if item != item else ""
        if isinstance(item, int) and abs(item) > largest:
            wrong = "is more than any machine counts to"
        elif abs(item) == math.inf and not _may_be_infinite(schema, key, item > 0):
            wrong = "is infinite; expected a finite number"
        if wrong:
            raise ConfigError(f"{entry.id}: {key}={shown(item)} (from {source}) {wrong}", field=key)
    if not metadata or value is None:
        return
    values = list(value) if OmegaConf.is_list(value) else [value]
    choices, low, high = metadata.get("choices"), metadata.get("minimum"), metadata.get("maximum")
    for item in values:
        if item is None:
            continue
        if choices is not None and item not in choices:
            raise ConfigError(
                f"{entry.id}: {key}={shown(item)} (from {source}) is not one of {', '.join(map(repr, choices))}."
                f"{names.suggestion(shown(item), [str(choice) for choice in choices])}",
                field=key,
            )
        if isinstance(item, int | float) and not isinstance(item, bool):
            below, above = low is not None and not item >= low, high is not None and not item <= high
            if below or above:
                bound = " and ".join(
                    f"{word} {limit}" for word, limit in (("at least", low), ("at most", high)) if limit is not None
                )
                unit = f" {metadata['unit']}" if metadata.get("unit") else ""
                raise ConfigError(f"{entry.id}: {key}={item!r} (from {source}) must be {bound}{unit}", field=key)


def _may_be_infinite(schema: type, key: str, above: bool) -> bool:
    """Whether a field has its own limit on that side, which speaks for itself, or is infinite by default."""
    from omegaconf import OmegaConf

    stated = (_field_info(schema, key)[1] or {}).get("maximum" if above else "minimum")
    default = OmegaConf.select(OmegaConf.structured(schema), key, throw_on_missing=False)
    return stated is not None or math.inf in map(abs, _numbers(default))


def _numbers(value: Any) -> Iterator[int | float]:
    """Every number in a value."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        yield value
    for item in _inside(value):
        yield from _numbers(item)
