"""The conformance suite finds what it promises to find: entries that are bad in one way each."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

import zoo
from zoo import catalogue
from zoo.testing import conformance, suite

CODE = """
    import contextlib
    from dataclasses import dataclass, field
    from types import SimpleNamespace
    from typing import Any
    import torch
    from torch import nn
    import zoo
    from zoo.nn.masks import expand_mask, masked_softmax

    @dataclass
    class Config:
        dim: int = zoo.field(8, "width", minimum=1)
        causal: bool = zoo.field(True, "whether to look back only")

    @dataclass
    class Loose:
        dim: int = 8
        causal: bool = True

    @dataclass
    class Bidirectional(Config):
        causal: bool = zoo.field(False, "whether to look back only")

    @dataclass
    class Untyped:
        dim: Any = 8
        causal: bool = True

    @dataclass
    class Reserved(Config):
        dtype: str = "float32"

    def example(config, batch_size=2, seed=0):
        return {"x": torch.randn(batch_size, 6, config.dim, generator=torch.Generator().manual_seed(seed))}

    def unbatched(config, batch_size=2, seed=0):
        return {"x": example(config, 1, seed)["x"]}

    class Good(nn.Module):
        def __init__(self, config):
            super().__init__()
            self.causal = config.causal
            self.out = nn.Linear(config.dim, config.dim)

        def forward(self, x, attn_mask=None):
            batch, length, dim = x.shape
            mask = expand_mask(attn_mask, batch=batch, heads=1, queries=length, keys=length, causal=self.causal)
            weights = masked_softmax((x @ x.transpose(1, 2) / dim**0.5)[:, None], mask)
            return self.out((weights @ x[:, None])[:, 0])

    class IgnoresMasks(Good):
        def forward(self, x, attn_mask=None):
            super().forward(x, attn_mask)
            return super().forward(x)

    class TakesAnyMask(Good):
        def forward(self, x, attn_mask=None):
            if attn_mask is not None and attn_mask.shape != x.shape[:2]:
                attn_mask = None
            return super().forward(x, attn_mask)

    class NotANumberWhereBlind(Good):
        def forward(self, x, attn_mask=None):
            blind = attn_mask is not None and not attn_mask.any()
            return super().forward(x, attn_mask) * (float("nan") if blind else 1.0)

    class LooksAhead(Good):
        def __init__(self, config):
            super().__init__(config)
            self.causal = False

    class MixesTheBatch(Good):
        def forward(self, x, attn_mask=None):
            return super().forward(x, attn_mask) + x.mean()

    class Rolls(Good):
        def forward(self, x, attn_mask=None):
            return super().forward(x, attn_mask) + torch.rand(())

    class Forgets(Good):
        def __init__(self, config):
            super().__init__(config)
            self.register_buffer("secret", torch.rand(()), persistent=False)

        def forward(self, x, attn_mask=None):
            return super().forward(x, attn_mask) + self.secret

    class Infinite(Good):
        def forward(self, x, attn_mask=None):
            return super().forward(x, attn_mask) / 0.0

    class SinglePrecision(Good):
        def forward(self, x, attn_mask=None):
            return super().forward(x, attn_mask).float()

    class KeepsParametersOffMeta(Good):
        def __init__(self, config):
            super().__init__(config)
            self._parameters["extra"] = nn.Parameter(torch.zeros(()))

    class Stays:
        def __init__(self, config):
            pass

        @contextlib.contextmanager
        def attach(self, model):
            model.weight.data.add_(1)
            yield

    class Leaves(Stays):
        @contextlib.contextmanager
        def attach(self, model):
            model.weight.data.add_(1)
            yield
            model.weight.data.sub_(1)

    class Model(nn.Linear):
        def __init__(self):
            super().__init__(2, 2)
            nn.init.ones_(self.weight)

        def forward(self, x):
            return {"y": super().forward(x)}

    def with_model(config, batch_size=2, seed=0):
        return {"model": Model(), "inputs": {"x": torch.ones(2, 2)}}

    class Looks(Stays):
        def __call__(self, model, inputs):
            return SimpleNamespace(to_dict=lambda: {"mean": 1.0}, plot=print)

    class Touches(Looks):
        def __call__(self, model, inputs):
            model.weight.data.add_(1)
            return super().__call__(model, inputs)

    class GivesTensors(Looks):
        def __call__(self, model, inputs):
            return SimpleNamespace(to_dict=lambda: {"mean": torch.ones(1)}, plot=print)

    class Asks(Stays):
        def cases(self):
            yield "case"

        def run(self, system):
            return {"score": 1.0}

    class AsksNothing(Asks):
        def cases(self):
            return []

    class ScoresNaN(Asks):
        def run(self, system):
            return {"score": float("nan")}

    def with_system(config, batch_size=2, seed=0):
        return {"system": None}
"""

# name of the class -> kind, further facts of the entry, and the checks it must fail
ENTRIES: dict[str, tuple[str, dict[str, str], set[str]]] = {
    "Good": ("attention", {}, set()),
    "IgnoresMasks": ("attention", {}, {"masks"}),
    "TakesAnyMask": ("attention", {}, {"masks"}),
    "NotANumberWhereBlind": ("attention", {}, {"masks"}),
    "LooksAhead": ("attention", {}, {"causality"}),
    "LooksAhead-unasked": ("attention", {"config": "Bidirectional"}, {"causality"}),
    "MixesTheBatch": ("attention", {}, {"masks", "causality", "batch_independence"}),
    "Rolls": ("attention", {}, {"determinism", "masks", "causality", "batch_independence", "save_and_load"}),
    "Forgets": ("attention", {}, {"save_and_load"}),
    "Infinite": ("attention", {}, {"forward_and_backward", "masks", "dtypes"}),
    "SinglePrecision": ("attention", {}, {"dtypes"}),
    "KeepsParametersOffMeta": ("attention", {}, {"parameters_on_meta"}),
    "Good-loose": ("attention", {"config": "Loose"}, {"schema"}),
    "Good-untyped": ("attention", {"config": "Untyped"}, {"schema"}),
    "Good-reserved": ("attention", {"config": "Reserved"}, {"schema"}),
    "Good-preset": ("attention", {"presets": "{'broken': {'dim': 0}}"}, {"schema"}),
    "Good-unbatched": ("attention", {"example": "unbatched"}, {"batch_independence", "masks"}),
    "Good-dangling": ("attention", {"predict": "nothing"}, {"facts_resolve"}),
    "Leaves": ("method", {"example": "with_model"}, set()),
    "Stays": ("method", {"example": "with_model"}, {"method"}),
    "Looks": ("probe", {"example": "with_model"}, set()),
    "Touches": ("probe", {"example": "with_model"}, {"probe"}),
    "GivesTensors": ("probe", {"example": "with_model"}, {"probe"}),
    "Asks": ("benchmark", {"example": "with_system"}, set()),
    "AsksNothing": ("benchmark", {"example": "with_system"}, {"benchmark"}),
    "ScoresNaN": ("benchmark", {"example": "with_system"}, {"benchmark"}),
}


def _entry(name: str, kind: str, facts: dict[str, str]) -> str:
    targets = {"build": name.partition("-")[0], "config": "Config", "example": "example", **facts}
    presets = targets.pop("presets", "{}")
    words = ", ".join(f"{key}='PKG.code:{target}'" for key, target in targets.items())
    return f"Entry(id='{name.lower()}', kind='{kind}', summary='s', presets={presets}, {words})"


@pytest.fixture
def wicked(install, monkeypatch):
    entries = ", ".join(_entry(name, kind, facts) for name, (kind, facts, _) in ENTRIES.items())
    install(
        "wicked",
        code=CODE,
        catalogue="from zoo import Entry, Paper, hookimpl\n@hookimpl\ndef zoo_papers():\n"
        f"    yield Paper(id='wicked', title='W', year=2020, entries=({entries},))",
    )
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))


def _passes(check, offer) -> bool:
    try:
        check(offer)
    except (Exception, pytest.fail.Exception):
        return False
    return True


@pytest.mark.parametrize("name", ENTRIES)
def test_each_defect_is_found_by_its_check_and_by_no_other(wicked, name):
    offer = catalogue.current().find(name).offer
    failed = {check.__name__.removeprefix("check_") for check in conformance.CHECKS if not _passes(check, offer)}
    assert failed == ENTRIES[name][2]


def test_a_catalogue_that_imports_something_heavy_is_found(install, monkeypatch):
    install("heavy", catalogue="import omegaconf\nzoo_papers = None")
    install("light", catalogue="zoo_papers = None")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    conformance.check_light_discovery("light")
    with pytest.raises(AssertionError, match="imports omegaconf"):
        conformance.check_light_discovery("heavy")


def test_a_suite_of_nothing_is_an_error_not_a_success(install):
    with pytest.raises(zoo.UnknownName, match=r"No plugin 'sequense'.*'sequence'"):
        suite("sequense")
    install("broken", catalogue="1 / 0")
    with pytest.raises(zoo.PluginError, match="ZeroDivisionError"):
        suite("broken")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--zoo-plugin", "sequense"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode != 0
    assert "No plugin 'sequense' is installed" in done.stdout
