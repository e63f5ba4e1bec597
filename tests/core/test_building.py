from __future__ import annotations

import subprocess
import sys
import time

import pytest
import torch
from torch import nn

import zoo
from zoo import building, catalogue, configuration
from zoo.filling import fill, tied_names


def _make(dim: int = 8):
    entry = catalogue.current().find("layered").offer.entry
    instance = configuration.merge(entry, overrides={"dim": dim}).instance
    return lambda: building.build(entry, instance)


def test_parameters_are_on_meta_and_buffers_are_real(acme):
    module = building.build_on_meta(_make())
    assert all(parameter.is_meta for parameter in module.parameters())
    assert torch.equal(module.table, torch.arange(8) * 0.5)
    assert torch.equal(module.scratch, torch.full((8,), 7.0)), "computed in place on torch.empty"
    assert not module.norm.running_var.is_meta


def test_the_meta_context_leaves_no_trace(acme):
    with building.on_meta():
        pass
    layer = nn.Linear(3, 3)
    assert not layer.weight.is_meta
    assert not torch.empty(2).is_meta


def test_fill_assigns_without_copy_and_keeps_ties(acme):
    state = {name: tensor.clone() for name, tensor in _make()().state_dict().items() if name != "second.weight"}
    module = fill(building.build_on_meta(_make()), state)
    assert module.first.weight.data_ptr() == state["first.weight"].data_ptr()
    assert module.second.weight is module.first.weight
    assert sorted(map(len, tied_names(module)))[-1] == 2
    module.first.weight.data.add_(1)
    assert torch.equal(module.second.weight, state["first.weight"])


def test_a_tied_tensor_may_stand_under_either_name(acme):
    state = {name: tensor.clone() for name, tensor in _make()().state_dict().items() if name != "first.weight"}
    module = fill(building.build_on_meta(_make()), state)
    assert module.first.weight is module.second.weight
    assert torch.equal(module.first.weight, state["second.weight"])


def test_fill_converts_parameters_but_not_buffers_outside_the_state_dict(acme):
    state = _make()().state_dict()
    module = fill(building.build_on_meta(_make()), state, dtype=torch.bfloat16)
    assert module.first.weight.dtype == torch.bfloat16
    assert module.norm.running_var.dtype == torch.bfloat16
    assert module.norm.num_batches_tracked.dtype == torch.int64
    assert module.table.dtype == torch.float32


def test_a_foreign_checkpoint_gets_a_readable_diff_and_changes_nothing(acme):
    module = _make()()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    state = {**before, "first.bias": torch.zeros(3), "third.weight": torch.zeros(1)}
    del state["norm.running_mean"]
    with pytest.raises(zoo.CheckpointMismatch) as caught:
        fill(module, state)
    text = str(caught.value)
    assert "missing (1):\n    norm.running_mean" in text
    assert "unexpected (1):\n    third.weight" in text
    assert "first.bias: [3] in the file, [8] in the module" in text
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())


def test_a_missing_package_is_named_with_its_pip_command(install):
    install(
        "lacking",
        catalogue="""
            from zoo import Entry, Paper, hookimpl
            @hookimpl
            def zoo_papers():
                yield Paper(id="lacking", title="L", year=2020, entries=(
                    Entry(id="lacking", kind="method", summary="s", build="PKG.code:build", config="PKG.conf:C"),
                    Entry(id="lacking-too", kind="method", summary="s", build="PKG.conf:C", config="PKG.conf:C",
                          requires=("sklearn_of_the_future",)),
                    Entry(id="lacking-name", kind="method", summary="s", build="PKG.conf:D", config="PKG.conf:C"),
                    Entry(id="lacking-module", kind="method", summary="s", build="PKG.nothing:D", config="PKG.conf:C")))
        """,
        code="import package_of_nobody\n",
        conf="from dataclasses import dataclass\n@dataclass\nclass C:\n    pass\n",
    )
    with pytest.raises(zoo.MissingDependency, match="pip install package_of_nobody"):
        zoo.load("lacking")
    with pytest.raises(zoo.MissingDependency, match="pip install sklearn_of_the_future"):
        zoo.load("lacking-too")
    with pytest.raises(zoo.PluginError, match="has no 'D'"):
        zoo.load("lacking-name")
    with pytest.raises(zoo.PluginError, match=r"there is no module '.*\.nothing'"):
        zoo.load("lacking-module")


def test_load_gives_an_eval_module_and_refuses_what_makes_no_sense(acme):
    module = zoo.load("layered/wide", dtype="bfloat16")
    assert not module.training
    assert module.first.weight.dtype == module.norm.running_var.dtype == torch.bfloat16
    assert module.table.dtype == torch.float32, "as when it is filled from a file"
    assert module.second.weight is module.first.weight
    with pytest.raises(zoo.InputError, match="takes no device, dtype or mesh"):
        zoo.load("layered-method", dtype="bfloat16")
    with pytest.raises(zoo.InputError, match="is not a torch dtype"):
        zoo.load("layered", dtype="float7")
    for dtype in ("float8_e4m3fn", "float4_e2m1fn_x2"):
        with pytest.raises(zoo.InputError, match="that anything computes in"):
            zoo.load("layered", dtype=dtype)
    for dtype in ("int8", 8):
        with pytest.raises(zoo.InputError, match=r"is not a (torch|floating-point) dtype"):
            zoo.load("layered", dtype=dtype)
    for device in ("toaster", "cpu:x", "privateuseone", {}, *([] if torch.cuda.is_available() else ["cuda"])):
        with pytest.raises(zoo.InputError, match="is not a device"):
            zoo.load("layered", device=device)
    for nothing in ("", None, 3):
        with pytest.raises(zoo.InputError, match="is not a name"):
            zoo.load(nothing)
    for nothing in ("", 3):
        with pytest.raises(zoo.InputError, match="a tag, a URI or a path"):
            zoo.load("layered", weights=nothing)
    with pytest.raises(zoo.WeightsError, match="has no weights 'imagenet'"):
        zoo.load("layered", weights="imagenet")
    with pytest.raises(zoo.UnknownName, match="No installed plugin offers"):
        zoo.load("never-heard-of-it")


def test_a_meta_build_does_not_wake_the_compiler():
    code = "import sys, zoo; zoo.info('moba-lm/545m').parameters; print('torch._dynamo' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("dim", [10**12, 10**30])
def test_a_width_that_no_machine_can_hold_is_named(acme, dim):
    for action in (lambda: zoo.load("layered", dim=dim), lambda: zoo.info("layered", dim=dim).parameters):
        with pytest.raises(
            zoo.ConfigError, match=rf"larger than the memory \(dim={dim}\)|dim={dim} .* any machine"
        ) as caught:
            action()
        assert caught.value.field == "dim"


def test_a_fresh_build_ends_at_the_memory_of_the_machine_and_not_beyond(acme, monkeypatch):
    monkeypatch.setattr(building, "_memory", lambda: 1000)
    with pytest.raises(zoo.ConfigError, match=r"take more than the .* of memory that this machine has \(dim=64\)"):
        zoo.load("layered", dim=64)
    assert zoo.load("layered").first.weight.shape == (8, 8)
    assert zoo.info("layered", dim=64).parameters == 64 * 64 + 4 * 64, "counting takes no memory"


def test_a_network_of_more_tensors_than_anybody_has_is_given_up(acme, monkeypatch):
    monkeypatch.setattr(building, "MOST_TENSORS", 3)
    with pytest.raises(zoo.PluginError, match=r"cannot be built from its own defaults: MemoryError: .* 3 parameter"):
        zoo.load("layered")


STACKS = {
    "catalogue": """
        from zoo import Entry, Paper, hookimpl
        @hookimpl
        def zoo_papers():
            yield Paper(id="stacked", title="S", year=2020, entries=(
                Entry(id="stacked", kind="model", summary="s", build="PKG.code:Stack", config="PKG.code:C"),))
    """,
    "code": """
        from dataclasses import dataclass
        import torch
        from torch import nn
        import zoo

        @dataclass
        class Inner:
            repeats: int = zoo.field(1, "parts of a block", minimum=1)

        @dataclass
        class C:
            dim: int = zoo.field(4, "width", minimum=1)
            num_layers: int = zoo.field(2, "blocks", minimum=1)
            depths: list[int] = zoo.field([1, 1], "blocks of the stages", minimum=1)
            max_length: int = zoo.field(16, "longest", minimum=1)
            seed: int = zoo.field(0, "seed")
            inner: Inner = zoo.field(Inner(), "inner")

        class Stack(nn.Module):
            def __init__(self, config):
                super().__init__()
                # All names first, as a host does: a billion of them are eight gigabytes.
                names = ["block"] * (config.num_layers + sum(config.depths) + config.inner.repeats)
                self.blocks = nn.ModuleList(nn.Linear(config.dim, config.dim) for name in names)
                self.norm = nn.BatchNorm1d(config.dim)
                self.max_length = config.max_length
    """,
}


@pytest.mark.parametrize(
    ("overrides", "field"),
    [
        ({"num_layers": 10**9}, "num_layers"),
        ({"num_layers": 10**6}, "num_layers"),
        ({"num_layers": 100_000}, "num_layers"),
        ({"depths": [1, 10**9]}, "depths"),
        ({"inner": {"repeats": 10**9}}, "inner"),
        ({"num_layers": 10**9, "depths": [10**9, 10**9], "max_length": 10**9}, None),
    ],
)
def test_a_billion_parts_are_refused_before_they_are_built(install, tmp_path, overrides, field):
    install("stacks", **STACKS)
    folder = zoo.save(zoo.load("stacked"), tmp_path / "saved")
    for action in (
        lambda: zoo.load("stacked", **overrides),
        lambda: zoo.info("stacked", **overrides).parameters,
        lambda: zoo.load(folder, **overrides),
    ):
        start = time.monotonic()
        with pytest.raises(zoo.ConfigError, match=r"=1[,0]+ would make 2[,0]+ parameter tensors") as caught:
            action()
        assert field in (None, caught.value.field)
        assert time.monotonic() - start < 10


def test_a_large_number_of_another_kind_is_just_a_number(install):
    install("stacks", **STACKS)
    assert zoo.load("stacked", seed=2**40, max_length=10**9).max_length == 10**9
    assert zoo.info("stacked", dim=10**9).parameters == 5 * (10**18 + 10**9) + 2 * 10**9, "and none of it is made"


@pytest.mark.parametrize(
    "table", ["arange(n)", "arange(0, n)", "linspace(0, 1, n)", "linspace(0, 1, steps=n)", "zeros(1, n)"]
)
def test_a_table_that_no_machine_can_hold_is_not_made(install, tmp_path, table):
    text = """
        from dataclasses import dataclass
        import torch
        from torch import nn
        import zoo

        @dataclass
        class C:
            max_length: int = zoo.field(16, "longest", minimum=1)

        class Stack(nn.Linear):
            def __init__(self, config):
                super().__init__(2, 2)
                n = config.max_length
                self.register_buffer("table", torch.TABLE.mul(torch.ones(1).expand(3).sum()), persistent=False)
    """
    install("stacks", **{**STACKS, "code": text.replace("TABLE", table)})
    folder = zoo.save(zoo.load("stacked"), tmp_path / "saved")
    assert zoo.info("stacked", max_length=10**9).parameters == 6
    for action in (lambda: zoo.load("stacked", max_length=2**45), lambda: zoo.load(folder, max_length=2**45)):
        start = time.monotonic()
        with pytest.raises(zoo.ConfigError, match=r"cannot be built from this config: .*max_length=35184372088832"):
            action()
        assert time.monotonic() - start < 10


def test_a_config_that_asks_for_more_than_its_file_holds_is_refused_while_it_is_built(install, tmp_path):
    install("stacks", **STACKS)
    folder = zoo.save(zoo.load("stacked"), tmp_path / "saved")
    with pytest.raises(zoo.CheckpointMismatch, match="far more than the 117 numbers in 15 tensors"):
        zoo.load(folder, num_layers=4_000)
    with pytest.raises(zoo.CheckpointMismatch, match="far more than the 117 numbers in 15 tensors"):
        zoo.load(folder, dim=2_000)
    with pytest.raises(zoo.CheckpointMismatch, match=r"missing \(20\)"):
        zoo.load(folder, num_layers=12)


def test_what_goes_wrong_in_a_build_is_told_with_the_values_it_got(acme, monkeypatch):
    from importlib import import_module

    def fail(config):
        raise RuntimeError("no such luck")

    entry = catalogue.current().find("layered").offer.entry
    monkeypatch.setattr(import_module(entry.build.partition(":")[0]), "Layer", fail)
    with pytest.raises(zoo.ConfigError, match=r"RuntimeError: no such luck \(num_heads=4, inner\.width=5\)"):
        zoo.load("layered", num_heads=4, inner={"width": 5})
    with pytest.raises(zoo.PluginError, match="layered cannot be built from its own defaults: RuntimeError"):
        zoo.load("layered")
