"""Loading, counting and building are invisible to every other thread of the process."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.modules import module as module_hooks

import zoo
from zoo import building


def in_another_thread(action: Callable[[], Any]) -> Any:
    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(action).result(timeout=60)


def world() -> dict[str, Any]:
    """What every thread of the process shares and a build could have changed."""
    hooks = {name: dict(value) for name, value in vars(module_hooks).items() if name.endswith("_hooks")}
    return {
        "nn.Module": dict(vars(nn.Module)),
        "nn.Parameter": nn.Parameter.__new__,
        "hooks": hooks,
        "default device": torch.get_default_device(),
        "default dtype": torch.get_default_dtype(),
        "gradients": torch.is_grad_enabled(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "warnings": list(warnings.filters),
        "plain layer": (nn.Linear(2, 2).weight.device, torch.empty(1).device, torch.zeros(1).device),
    }


@pytest.fixture
def witness(install) -> list[Any]:
    """The entry ``watched``: while it is built, another thread looks at the world."""
    install(
        "watched",
        catalogue="""
            from zoo import Entry, Paper, hookimpl
            @hookimpl
            def zoo_papers():
                yield Paper(id="watched", title="W", year=2020, entries=(
                    Entry(id="watched", kind="model", summary="s", build="PKG.code:Watched", config="PKG.code:C",
                          example="PKG.code:example"),))
        """,
        code="""
            from dataclasses import dataclass
            import torch
            from torch import nn
            import zoo
            witnesses = []
            @dataclass
            class C:
                dim: int = zoo.field(3, "width")
                rate: float = zoo.field(0.5, "rate")
            class Watched(nn.Module):
                def __init__(self, config):
                    super().__init__()
                    self.inner = nn.Linear(config.dim, config.dim)
                    self.given = nn.Parameter(torch.ones(config.dim))
                    for look in witnesses:
                        look()
                def forward(self, x):
                    for look in witnesses:
                        look()
                    return self.inner(x)
            def example(config, batch_size=2, seed=0):
                return {"x": torch.randn(batch_size, config.dim)}
        """,
    )
    from importlib import import_module

    from zoo import catalogue

    package = catalogue.current().find("watched").offer.entry.build.partition(":")[0]
    witnesses: list[Any] = import_module(package).witnesses
    return witnesses


@pytest.mark.parametrize(
    "action",
    [
        lambda folder: zoo.load("watched", rate=1),
        lambda folder: zoo.load("watched", device="meta"),
        lambda folder: zoo.load(folder),
        lambda folder: zoo.info("watched").parameters,
        lambda folder: zoo.info("watched").flops,
    ],
    ids=["fresh", "on a device", "with weights", "counting", "counting operations"],
)
def test_another_thread_sees_the_same_world_during_a_build_and_after_it(witness, tmp_path, action):
    folder = zoo.save(zoo.load("watched"), tmp_path / "saved")
    before, seen = world(), []
    witness.append(lambda: seen.append(in_another_thread(world)))
    action(folder)
    assert seen
    for during in seen:
        assert during == before
    assert world() == before


def test_builds_of_many_threads_never_meet(acme, tmp_path):
    folder = zoo.save(zoo.load("layered/wide"), tmp_path / "saved")
    expected = zoo.load(folder).first.weight
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)

    def load(index: int) -> None:
        if index % 4 == 0:
            assert torch.equal(zoo.load(folder).first.weight, expected)
        elif index % 4 == 1:
            assert not any(tensor.is_meta for tensor in zoo.load("layered").state_dict().values())
        elif index % 4 == 2:
            assert zoo.info("layered/wide").parameters == 16 * 16 + 4 * 16
        else:
            assert not nn.Linear(3, 3).weight.is_meta

    try:
        with ThreadPoolExecutor(max_workers=8) as pool:
            list(pool.map(load, range(64)))
    finally:
        sys.setswitchinterval(interval)


def test_a_parameter_made_of_numbers_is_on_meta_as_soon_as_its_module_has_it():
    class Given(nn.Module):
        def __init__(self):
            super().__init__()
            given = nn.Parameter(torch.randn(4), requires_grad=False)
            self.first, self.second = given, given
            assert self.first.is_meta, "nothing is kept until the end of the build"
            nn.init.normal_(self.first)
            self.legacy = nn.Parameter(torch.Tensor(2, 3))
            self.listed = nn.ParameterList([torch.ones(2)])
            self.register_buffer("table", torch.ones(2))

    module = building.build_on_meta(Given)
    assert all(parameter.is_meta for parameter in module.parameters())
    assert module.first is module.second
    assert not module.first.requires_grad
    assert module.legacy.shape == (2, 3)
    assert module.table.tolist() == [1.0, 1.0]


def test_a_default_device_of_the_user_does_not_reach_a_fresh_layer(acme):
    with torch.device("meta"):
        assert not zoo.load("layered").first.weight.is_meta
    assert zoo.load("layered", device="meta").first.weight.is_meta
