"""Floating-point operations: right by hand, at the size that the paper counts at, without computing anything."""

from __future__ import annotations

import json

import pytest
import torch
from click.testing import CliRunner
from torch import nn
from torch.nn import functional as F

import zoo
from zoo.counting import flops

FACTS = {
    "catalogue": """
        from zoo import Entry, Paper, hookimpl
        @hookimpl
        def zoo_papers():
            yield Paper(id="counted", title="C", year=2020, entries=(
                Entry(id="counted", kind="model", summary="s", build="PKG.code:Square", config="PKG.code:C",
                      example="PKG.code:example", paper_input="PKG.code:paper_input"),
                Entry(id="counted-small", kind="model", summary="s", build="PKG.code:Square", config="PKG.code:C",
                      example="PKG.code:example"),
                Entry(id="counted-value", kind="model", summary="s", build="PKG.code:Reads", config="PKG.code:C",
                      example="PKG.code:example"),
                Entry(id="counted-silent", kind="model", summary="s", build="PKG.code:Square", config="PKG.code:C"),
                Entry(id="counted-method", kind="method", summary="s", build="PKG.code:C", config="PKG.code:C",
                      example="PKG.code:example")))
    """,
    "code": """
        from dataclasses import dataclass
        import torch
        from torch import nn
        import zoo
        @dataclass
        class C:
            dim: int = zoo.field(4, "width", minimum=1)
        class Square(nn.Linear):
            def __init__(self, config):
                super().__init__(config.dim, config.dim)
        class Reads(Square):
            def forward(self, input):
                return super().forward(input) if float(input.sum()) > 0 else input
        def example(config, batch_size=2, seed=0):
            return {"input": torch.randn(batch_size, 3, config.dim)}
        def paper_input(config):
            return {"input": torch.empty(1, 100, config.dim)}
    """,
}


class Attention(nn.Module):
    def forward(self, query, key, value):
        return F.scaled_dot_product_attention(query, key, value)


def test_by_hand():
    assert flops(nn.Linear(4, 6), torch.randn(2, 7, 4)) == 2 * (2 * 7) * 4 * 6
    assert flops(nn.Conv2d(4, 6, 3, padding=1, groups=2), torch.randn(1, 4, 7, 5)) == 2 * (6 * 7 * 5) * (2 * 9)
    query, key = torch.randn(1, 2, 5, 8), torch.randn(1, 2, 7, 8)
    assert flops(Attention(), query, key, key) == 2 * 2 * (2 * 5 * 7 * 8), "scores, and their sum of values"


def test_nothing_is_computed_and_the_module_stays_as_it_was():
    module = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4)).train()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    assert flops(module, torch.randn(2, 4)) == 2 * 2 * 16
    assert module.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())
    with torch.device("meta"):
        vast = nn.Linear(10**7, 10**7)
    assert flops(vast, torch.empty(1, 10**7, device="meta")) == 2 * 10**14


def test_a_module_that_switches_autocast_off_on_its_device_is_counted():
    class Exact(nn.Linear):
        def forward(self, input):
            with torch.autocast(input.device.type, enabled=False):
                return super().forward(input)

    assert flops(Exact(4, 6), torch.randn(2, 4)) == 2 * 2 * 24


@pytest.mark.parametrize(
    ("name", "total", "shape"),
    [("counted", 2 * 100 * 16, [1, 100, 4]), ("counted-small", 2 * 3 * 16, [1, 3, 4])],
)
def test_info_counts_at_the_papers_input_size_or_with_the_example(install, name, total, shape):
    from zoo.cli import cli

    install("counted", **FACTS)
    info = zoo.info(name)
    assert (info.flops.total, info.flops.inputs) == (total, {"input": shape})
    assert f"{total:,} for input {' x '.join(map(str, shape))}" in str(info)
    assert zoo.info(name, dim=8).flops.total == 4 * total, "any configuration"
    shown = json.loads(CliRunner().invoke(cli, ["info", name, "--json"]).stdout)
    assert (shown["flops"], shown["flops_input"]) == (total, {"input": shape})


def test_what_cannot_be_counted_says_why_and_what_is_no_module_says_nothing(install):
    install("counted", **FACTS)
    info = zoo.info("counted-value")
    assert info.flops.total is None
    assert "not counted: DataDependentOutputException" in str(info)
    assert info.to_dict()["flops"] is None
    for name in ("counted-silent", "counted-method"):
        assert zoo.info(name).flops is None
        assert "flops " not in str(zoo.info(name))
