"""What every entry must do: the floor of the zoo's conformance suite.

``zoo.testing.suite`` makes tests of the checks, which ``zoo.testing.checks`` lists by kind of entry; ``pytest
--zoo-plugin my-plugin`` runs them without a test module. Every check is a function of an ``Offer``: it raises
AssertionError with the reason, and skips with the reason what an entry gives it no way to check.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import pytest

from zoo import about, building, catalogue, configuration
from zoo.catalogue import Offer
from zoo.errors import ConfigError, ZooError
from zoo.facts import MODULE_KINDS, Entry
from zoo.targets import resolve
from zoo.testing.specimens import build_small, call, example_of, small_instance, tensors

# Plugin authors who write checks of their own find here what these run on.
__all__ = ["build_small", "call", "example_of", "small_instance", "tensors"]

HEAVY = ("torch", "transformers", "diffusers", "huggingface_hub", "numpy", "omegaconf", "rich")


def check_light_discovery(plugin: str) -> None:
    """Importing the plugin's catalogue imports nothing heavy."""
    module = catalogue.current().plugin(plugin).point.module
    code = (
        f"import sys, {module}; list((getattr({module}, 'zoo_papers', None) or tuple)());"
        f"print(','.join(sorted(set({HEAVY!r}) & set(sys.modules))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "", f"the catalogue of {plugin} imports {done.stdout.strip()}"


def check_facts_resolve(offer: Offer) -> None:
    """Every "module:name" leads somewhere."""
    entry = offer.entry
    targets = [entry.build, entry.config, entry.example, entry.functional, entry.preprocess, entry.predict, entry.train]
    targets += [claim.check for claim in entry.claims] + [weights.convert for weights in entry.weights.values()]
    targets += [weights.read for weights in entry.weights.values()]
    targets += [entry.convert, entry.paper_input, offer.paper.replay]
    for target in targets:
        assert target is None or callable(resolve(target)), f"{target} is not callable"


def check_schema(offer: Offer) -> None:
    """Presets are valid; unknown fields, wrong types and numbers that cannot be built are refused by name."""
    entry = offer.entry
    for preset in (None, *entry.presets):
        configuration.merge(entry, preset)
    with pytest.raises(ConfigError, match="no_such_field"):
        configuration.merge(entry, None, None, {"no_such_field": 1})
    for name, annotation, _, _ in about.described(configuration.schema_of(entry)):
        assert annotation != "Any", f"{name} has no type"
        assert name not in configuration.RESERVED, f"{name} is an argument of zoo.load: it cannot be overridden"
        if annotation in ("int", "float"):
            with pytest.raises(ConfigError, match=name):
                configuration.merge(entry, None, None, {name: "not a number"})
            for number in (-1, 0):
                _check_refused_or_buildable(entry, {name: number})


def _check_refused_or_buildable(entry: Entry, overrides: Mapping[str, Any]) -> None:
    with contextlib.suppress(ZooError):
        instance = small_instance(entry, **overrides)
        if entry.kind in MODULE_KINDS:
            # Directly: building.build makes an error of ours of whatever a schema should have refused.
            with building.on_meta():
                resolve(entry.build)(instance)


def check_parameters_on_meta(offer: Offer) -> None:
    """The count on the meta device is the real one, and builds leave no real parameter behind."""
    entry = offer.entry
    instance = small_instance(entry)
    built = building.build_on_meta(lambda: building.build(entry, instance))
    assert all(parameter.is_meta for parameter in built.parameters())
    assert not any(buffer.is_meta for _, buffer in building.transient_buffers(built))
    real = building.build(entry, instance)
    assert building.count_parameters(entry, instance) == sum(p.numel() for p in real.parameters())
