"""Plugins made on the spot: real distributions in a temporary folder, found through real entry points."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from zoo import catalogue

Install = Callable[..., Path]


@pytest.fixture
def install(tmp_path: Path) -> Iterator[Install]:
    """``install("acme", catalogue="...", layers="...")``: a distribution zoo-acme with those modules."""
    with installing(tmp_path / "site") as make:
        yield make


@contextmanager
def installing(site: Path) -> Iterator[Install]:
    """Within the context, what ``install`` makes in a folder is installed."""
    site.mkdir()
    monkeypatch = pytest.MonkeyPatch()
    monkeypatch.syspath_prepend(str(site))
    before = set(sys.modules)

    def make(name: str, *, distribution: str | None = None, **modules: str) -> Path:
        dist = distribution or f"zoo-{name}"
        info = site / f"{dist.replace('-', '_')}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {dist}\nVersion: 1.0\n")
        package = f"pkg_{dist.replace('-', '_')}"
        (info / "entry_points.txt").write_text(f"[zoo.plugins]\n{name} = {package}.catalogue\n")
        folder = site / package
        folder.mkdir()
        (folder / "__init__.py").touch()
        for module, text in modules.items():
            (folder / f"{module}.py").write_text(textwrap.dedent(text).replace("PKG", package))
        catalogue.refresh()
        return folder

    try:
        yield make
    finally:
        for module in set(sys.modules) - before:
            if module.startswith("pkg_zoo_"):
                del sys.modules[module]
        monkeypatch.undo()
        catalogue.refresh()


LAYERS = """
    from dataclasses import dataclass
    import torch
    from torch import nn
    import zoo

    @dataclass
    class Inner:
        width: int = zoo.field(3, "width of the inner part", minimum=1)

        def __post_init__(self):
            if self.width == 13:
                raise zoo.ConfigError("13 brings bad luck", field="width")

    @dataclass
    class Config:
        dim: int = zoo.field(8, "model width", unit="features", minimum=1)
        num_heads: int = zoo.field(2, "heads", minimum=1)
        mode: str = zoo.field("soft", "kind", choices=("soft", "hard"))
        sizes: list[int] = zoo.field([1, 2, 3], "sizes", minimum=1)
        rate: float = zoo.field(0.1, "rate", minimum=0.0, maximum=1.0)
        inner: Inner = zoo.field(Inner(), "inner part")

        def __post_init__(self):
            if self.num_heads == 7:
                self.num_heads / 0
            if self.dim % self.num_heads:
                raise zoo.ConfigError(
                    f"dim={self.dim} is not divisible by num_heads={self.num_heads}", field="dim")

    class Layer(nn.Module):
        def __init__(self, config):
            super().__init__()
            self.first = nn.Linear(config.dim, config.dim)
            self.second = nn.Linear(config.dim, config.dim)
            self.second.weight = self.first.weight
            self.norm = nn.BatchNorm1d(config.dim)
            self.register_buffer("table", torch.arange(config.dim) * 0.5, persistent=False)
            self.register_buffer("scratch", torch.empty(config.dim).fill_(7.0), persistent=False)

        def forward(self, x):
            return self.second(self.first(x)) + self.table + self.scratch

    class Method:
        def __init__(self, config):
            self.config = config

    def check_holds():
        return zoo.Measurement("2", True)

    def check_raises():
        raise RuntimeError("no such luck")

    def example(config, batch_size=2, seed=0):
        return {"x": torch.randn(batch_size, config.dim, generator=torch.Generator().manual_seed(seed))}
"""

CATALOGUE = """
    from zoo import Claim, Entry, Paper, Weights, hookimpl

    @hookimpl
    def zoo_papers():
        yield Paper(
            id="layered", title="Layers all the way", year=2020,
            entries=(
                Entry(id="layered", kind="model", summary="two tied layers", tags=("self",),
                      build="PKG.layers:Layer", config="PKG.layers:Config", example="PKG.layers:example",
                      presets={"wide": {"dim": 16}, "deep_one": {"sizes": [4]}, "XL/2": {"dim": 32}},
                      claims=(Claim("it fails", check="PKG.layers:check_raises"),
                              Claim("it holds", figure="2", check="PKG.layers:check_holds"))),
                Entry(id="layered-method", kind="method", summary="does nothing",
                      build="PKG.layers:Method", config="PKG.layers:Config"),
            ),
        )
"""


@pytest.fixture
def acme(install: Install) -> Path:
    """The plugin ``acme``: a small model with tied weights and buffers, and a method."""
    return install("acme", catalogue=CATALOGUE, layers=LAYERS)
