"""``zoo.info``: everything that is known about one entry, in one configuration."""

from __future__ import annotations

import ast
import dataclasses
import importlib.util
import inspect
import typing
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo import catalogue, configuration
from zoo.errors import PluginError
from zoo.facts import MODULE_KINDS, Claim, Weights
from zoo.targets import resolve

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from zoo.counting import Flops


@dataclass(frozen=True)
class Info:
    """Everything known about one entry and preset; renders in a terminal and a notebook."""

    target: catalogue.Target
    config: DictConfig
    instance: Any

    @cached_property
    def parameters(self) -> int | None:
        """Number of parameters of this configuration, counted on the meta device."""
        if self.target.offer.entry.kind in ("benchmark", "taxonomy"):
            return None
        from zoo.building import count_parameters

        return count_parameters(self.target.offer.entry, self.instance)

    @cached_property
    def flops(self) -> Flops | None:
        """Floating-point operations of one call at the paper's input size; None for what is no module."""
        if self.target.offer.entry.kind not in MODULE_KINDS:
            return None
        from zoo.counting import count_flops

        return count_flops(self.target.offer.entry, self.instance)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        from omegaconf import OmegaConf

        offer = self.target.offer
        paper, entry = offer.paper, offer.entry
        return {
            "id": entry.id,
            "aliases": list(entry.aliases),
            "preset": self.target.preset,
            "plugin": offer.plugin,
            "kind": entry.kind,
            "summary": entry.summary,
            "tags": list(entry.tags),
            "fidelity": paper.fidelity,
            "paper": {
                "id": paper.id,
                "title": paper.title,
                "year": paper.year,
                "arxiv": paper.arxiv,
                "repo": paper.repo,
                "commit": paper.commit,
                "license": paper.license,
                "differences": list(paper.differences),
                "ours": list(paper.ours),
            },
            "differences": list(entry.differences),
            "ours": list(entry.ours),
            "parameters": self.parameters,
            "flops": self.flops and self.flops.total,
            "flops_input": self.flops and self.flops.inputs,
            "config": OmegaConf.to_container(self.config, resolve=True, enum_to_str=True),
            "presets": {name: dict(preset) for name, preset in entry.presets.items()},
            "weights": {tag: _weights(weights) for tag, weights in entry.weights.items()},
            "claims": [_claim(claim) for claim in entry.claims],
            "functional": entry.functional is not None,
            "traits": asdict(entry.traits) if entry.traits else None,
            "code": file_below(entry.build, Path()),
            "fields": {name: dict(facts) for name, facts in self._fields()},
        }

    def _fields(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        schema = configuration.schema_of(self.target.offer.entry)
        for name, annotation, default, metadata in described(schema):
            yield name, {"type": annotation, "default": default, **metadata}

    def __str__(self) -> str:
        facts = self.to_dict()
        paper = self.target.offer.paper
        count = self.parameters
        traits = facts["traits"] or {}
        named = {
            "also": ", ".join(facts["aliases"]),
            "kind": facts["kind"],
            "paper": f"{paper.title} ({paper.year})" + (f", {paper.url}" if paper.url else ""),
            "fidelity": facts["fidelity"],
            "code": facts["code"],
            "parameters": "none" if count is None else f"{count:,}",
            "flops": self._flops_line(),
            "extra": traits and f"{traits['parameters']} (parameters beyond four projections)",
            "causal": traits.get("causal"),
            "time": traits.get("time"),
            "memory": traits.get("memory"),
            "decoding": traits.get("decoding"),
            "presets": ", ".join(facts["presets"]) or "none",
            "weights": ", ".join(facts["weights"]) or "none",
            "tags": ", ".join(facts["tags"]) or "none",
        }
        return "\n".join(
            (
                f"{facts['plugin']}:{facts['id']}" + (f"/{facts['preset']}" if facts["preset"] else ""),
                f"  {facts['summary']}",
                *(f"  {name:<12}{value}" for name, value in named.items() if value),
                "  config",
                *self._config_lines(),
            )
        )

    def _config_lines(self) -> Iterator[str]:
        from omegaconf import OmegaConf

        shown = {}
        for name, facts in self._fields():
            value = OmegaConf.select(self.config, name)
            shown[f"    {name} = {_plain(value)!r}"] = meaning(facts)
        width = min(max(map(len, shown), default=0), 40)
        yield from (f"{setting:<{width}}  {meaning}".rstrip() for setting, meaning in shown.items())

    def _flops_line(self) -> str:
        if self.flops is None:
            return ""
        if self.flops.total is None:
            return f"not counted: {self.flops.problem}"
        sizes = ", ".join(f"{name} {' x '.join(map(str, shape))}" for name, shape in self.flops.inputs.items())
        return f"{self.flops.total:,} for {sizes} (two per multiply-add)"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        import html

        return f"<pre>{html.escape(str(self))}</pre>"


def _plain(value: Any) -> Any:
    """A value of a config as plain Python: lists and mappings, enumerations by name."""
    from omegaconf import OmegaConf

    if OmegaConf.is_config(value):
        return OmegaConf.to_container(value, resolve=True, enum_to_str=True)
    return getattr(value, "name", value)


def _weights(weights: Weights) -> dict[str, Any]:
    return {
        key: getattr(weights, key)
        for key in ("uri", "sha256", "size", "packages", "preset", "default", "license", "metric", "command", "note")
    }


def _claim(claim: Claim) -> dict[str, Any]:
    return {
        "statement": claim.statement,
        "figure": claim.figure,
        "checked": claim.check is not None,
        "needs": claim.needs,
    }


def file_of(target: str) -> Path:
    """The file that holds what ``target`` names; its module is not imported.

    Raises:
        PluginError: there is no such module, or it has no file.
    """
    module = target.partition(":")[0]
    try:
        found = importlib.util.find_spec(module)
    except ImportError:
        found = None
    if found is None or found.origin is None:
        raise PluginError(f"{target}: there is no module {module!r}")
    return Path(found.origin)


def file_below(target: str, root: Path) -> str:
    """The same file as people write it: below ``root`` where it lies there, else from its top package on."""
    path = file_of(target)
    if path.resolve().is_relative_to(root.resolve()):
        return path.resolve().relative_to(root.resolve()).as_posix()
    depth = target.partition(":")[0].count(".") + (path.name == "__init__.py")
    return "/".join(path.parts[-depth - 1 :])


def docstring_of(target: str) -> str:
    """The docstring of a module, or of what "module:name" names in one, dedented; empty without one.

    It is read from the source: nothing is imported but the packages above the module. What the module itself does not
    define (an imported name) is resolved.

    Raises:
        PluginError: there is no such module or name.
    """
    name = target.partition(":")[2]
    node: ast.AST | None = _parsed(file_of(target))
    for part in filter(None, name.split(".")):
        node = next((each for each in getattr(node, "body", ()) if getattr(each, "name", None) == part), None)
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
        return ast.get_docstring(node) or ""
    return inspect.cleandoc(resolve(target).__doc__ or "")


@cache
def _parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def info(name: str, config: Mapping[str, Any] | DictConfig | str | Path | None = None, **overrides: Any) -> Info:
    """What is known about an entry, for one preset and any config overrides."""
    target = catalogue.current().find(name)
    merged = configuration.merge(target.offer.entry, target.preset, config, overrides)
    return Info(target, merged.config, merged.instance)


def described(schema: type, prefix: str = "") -> Iterator[tuple[str, str, Any, Mapping[str, Any]]]:
    """(dotted name, type, default, metadata) of every field of a schema, nested ones included."""
    hints = typing.get_type_hints(schema)
    for item in dataclasses.fields(schema):
        annotation = hints[item.name]
        if dataclasses.is_dataclass(annotation) and isinstance(annotation, type):
            yield from described(annotation, f"{prefix}{item.name}.")
            continue
        default = item.default
        if item.default_factory is not dataclasses.MISSING:
            default = item.default_factory()
        yield f"{prefix}{item.name}", configuration.type_name(annotation), default, item.metadata


def meaning(metadata: Mapping[str, Any], quote: str = "") -> str:
    """What a field's metadata says, in words: its meaning, unit, choices (each in quotes) and range."""
    notes = [metadata.get("help", "")]
    if metadata.get("unit"):
        notes.append(f"unit: {metadata['unit']}")
    if metadata.get("choices"):
        notes.append("one of " + ", ".join(f"{quote}{choice}{quote}" for choice in metadata["choices"]))
    lowest, highest = metadata.get("minimum"), metadata.get("maximum")
    if lowest is not None and highest is not None:
        notes.append(f"from {lowest} to {highest}")
    elif lowest is not None:
        notes.append(f"at least {lowest}")
    elif highest is not None:
        notes.append(f"at most {highest}")
    return "; ".join(note for note in notes if note)
