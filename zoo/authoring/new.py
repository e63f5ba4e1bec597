"""``zoo new NAME``: a plugin that installs and passes its conformance tests as generated."""

from __future__ import annotations

import re
from pathlib import Path

from zoo import catalogue
from zoo.errors import InputError

PYPROJECT = """\
[build-system]
requires = ["setuptools>=69"]
build-backend = "setuptools.build_meta"

[project]
name = "zoo-{name}"
version = "0.1.0"
description = "Attention mechanisms of {name} for the attention zoo."
requires-python = ">=3.11"
dependencies = ["attention-zoo"]

[project.entry-points."zoo.plugins"]
{name} = "zoo_{module}.catalogue"

[tool.setuptools.packages.find]
where = ["src"]

[tool.setuptools.package-data]
"*" = ["*.safetensors"]
"""

CATALOGUE = '''\
"""What this plugin offers: facts only, light to import."""

from collections.abc import Iterator

from zoo import Claim, Entry, Paper, hookimpl


@hookimpl
def zoo_papers() -> Iterator[Paper]:
    """The papers of this plugin."""
    yield Paper(
        id="{name}",
        title="{title}: replace this by the paper's title",
        year=2017,
        fidelity="paper",
        entries=(
            Entry(
                id="{name}",
                kind="attention",
                summary="multi-head attention with one learned temperature per head",
                tags=("self", "single-level", "soft", "single", "scaled-dot", "softmax", "transformer"),
                build="zoo_{module}.{module}:{title}Attention",
                config="zoo_{module}.{module}:{title}Config",
                example="zoo_{module}.{module}:example",
                presets={{"tiny": {{"dim": 16, "num_heads": 2}}}},
                claims=(
                    Claim(
                        "at temperature 1 it is scaled dot-product attention",
                        figure="difference < 1e-5",
                        check="zoo_{module}.{module}:check_temperature_one",
                    ),
                ),
            ),
        ),
    )
'''

MODULE = '''\
"""Attention with a temperature per head: softmax(Q K' / (tau sqrt(d))) V.

Replace this by your mechanism: what it computes, in equations, with shapes, and its source.
"""

from dataclasses import dataclass

import torch
import zoo
from torch import Tensor, nn
from torch.nn import functional
from zoo import Measurement
from zoo.nn.masks import expand_mask, masked_softmax


@dataclass
class {title}Config:
    """Config of the layer."""

    dim: int = zoo.field(64, "model width", unit="features", minimum=1)
    num_heads: int = zoo.field(4, "heads", minimum=1)
    causal: bool = zoo.field(False, "whether a token sees only those before it")

    def __post_init__(self) -> None:
        if self.dim % self.num_heads:
            raise zoo.ConfigError(f"dim={{self.dim}} is not divisible by num_heads={{self.num_heads}}", field="dim")


class {title}Attention(nn.Module):
    """A drop-in layer: (batch, length, dim) to the same shape."""

    def __init__(self, config: {title}Config) -> None:
        super().__init__()
        self.config = config
        self.qkv = nn.Linear(config.dim, 3 * config.dim, bias=False)
        self.out = nn.Linear(config.dim, config.dim, bias=False)
        self.temperature = nn.Parameter(torch.empty(config.num_heads, 1, 1))
        nn.init.ones_(self.temperature)

    def forward(self, x: Tensor, attn_mask: Tensor | None = None) -> Tensor:
        """Attend.

        Args:
            x: (batch, length, dim).
            attn_mask: boolean, True = visible; see ``zoo.nn.masks``.
        """
        batch, length, dim = x.shape
        heads = self.config.num_heads
        query, key, value = self.qkv(x).view(batch, length, 3, heads, dim // heads).permute(2, 0, 3, 1, 4)
        scores = query @ key.transpose(-1, -2) / (self.temperature * (dim // heads) ** 0.5)
        mask = expand_mask(
            attn_mask,
            batch=batch,
            heads=heads,
            queries=length,
            keys=length,
            causal=self.config.causal,
            device=x.device,
        )
        output = masked_softmax(scores, mask) @ value
        return self.out(output.transpose(1, 2).reshape(batch, length, dim))


def example(config: {title}Config, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random tokens."""
    return {{"x": torch.randn(batch_size, 7, config.dim, generator=torch.Generator().manual_seed(seed))}}


def check_temperature_one() -> Measurement:
    """Compare with torch's own attention."""
    layer = {title}Attention({title}Config(16, 2)).eval()
    x = example(layer.config)["x"]
    query, key, value = layer.qkv(x).view(2, 7, 3, 2, 8).permute(2, 0, 3, 1, 4)
    dense = functional.scaled_dot_product_attention(query, key, value).transpose(1, 2).reshape(2, 7, 16)
    difference = float((layer.out(dense) - layer(x)).abs().max().detach())
    return Measurement(f"difference {{difference:.1e}}", difference < 1e-5)
'''

TESTS = '''\
"""The conformance suite of the zoo, run on this plugin."""

from zoo.testing import suite

Test{title} = suite("{name}")
'''

README = """\
# zoo-{name}

A plugin of the attention zoo.

```sh
pip install -e .
pytest
zoo info {name}
zoo verify {name}
```
"""


def scaffold(name: str, folder: Path | None = None) -> Path:
    """Write the plugin ``zoo-NAME``.

    Args:
        name: lower-case letters, digits and dashes.
        folder: where; ``zoo-NAME`` in the working directory by default.

    Raises:
        InputError: the name does not fit or is taken, or the folder is not empty.
    """
    if re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name) is None:
        raise InputError(f"{name!r} is not a plugin name: lower-case letters, digits and single dashes, like 'my-lab'")
    path = Path(folder or f"zoo-{name}")
    if path.exists() and not (path.is_dir() and not any(path.iterdir())):
        raise InputError(f"{path} exists and is no empty folder; choose another one by --folder")
    current = catalogue.current()
    taken = ["catalogue", *(plugin.name for plugin in current.plugins), *(offer.entry.id for offer in current.offers)]
    if name in taken:
        raise InputError(f"a plugin, an entry or a module of every plugin is called {name!r} already; choose another")
    words = {"name": name, "module": name.replace("-", "_"), "title": "".join(part.title() for part in name.split("-"))}
    package = path / "src" / f"zoo_{words['module']}"
    for target, text in (
        (path / "pyproject.toml", PYPROJECT),
        (path / "README.md", README),
        (package / "__init__.py", '"""Attention mechanisms of {name}."""\n'),
        (package / "catalogue.py", CATALOGUE),
        (package / f"{words['module']}.py", MODULE),
        (path / "tests" / f"test_{words['module']}.py", TESTS),
    ):
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text.format(**words), encoding="utf-8")
    return path
