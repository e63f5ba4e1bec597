"""``zoo.save``: whole, or not at all; the same object again, or a refusal that says why."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import warnings
from functools import partial

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, prune

import zoo
from zoo import origin

SWITCHED = """
    import enum
    from dataclasses import dataclass
    from functools import cached_property
    import torch
    from torch import nn
    import zoo

    class Shape(enum.Enum):
        FLAT = 1
        ROUND = 2

    @dataclass
    class Gate:
        slope: float = zoo.field(1.0, "steepness")

    @dataclass
    class Config:
        dim: int = zoo.field(8, "width", minimum=1)
        mode: str = zoo.field("soft", "kind", choices=("soft", "hard"))
        modes: list[str] = zoo.field([], "instead: one per block")
        shape: Shape = zoo.field(Shape.FLAT, "shape")
        dropout: float = zoo.field(0.0, "dropout", minimum=0.0, maximum=1.0)
        sizes: list[int] = zoo.field([1, 2], "sizes")
        scale: float | None = zoo.field(None, "scale; by the width without")
        gate: Gate = zoo.field(Gate(), "gate")

    class Block(nn.Module):
        def __init__(self, config, mode):
            super().__init__()
            self.linear = nn.Linear(config.dim, config.dim)
            self.mode = mode
            self.activation = torch.tanh
            self.last = None

        @cached_property
        def doubled(self):
            return 2 * self.linear.in_features

        def forward(self, x):
            self.last = self.activation(self.linear(x)) * self.doubled
            return self.last.round() if self.mode == "hard" else self.last

    class Layer(nn.Module):
        calls = 0

        def __init__(self, config):
            super().__init__()
            self.blocks = nn.ModuleList(Block(config, mode) for mode in config.modes or [config.mode] * 2)
            self.dropout = nn.Dropout(config.dropout)
            self.sizes, self.shape, self.gate = list(config.sizes), config.shape, config.gate
            self.scale = config.dim**-0.5 if config.scale is None else config.scale
            self.temperature = 1.0
            self.embed = nn.Embedding(5, config.dim)
            self.register_buffer("table", torch.arange(config.dim) * 0.5, persistent=False)
            self.register_buffer("steps", torch.zeros(()))

        @property
        def modes(self):
            return [block.mode for block in self.blocks]

        def forward(self, x):
            for block in self.blocks:
                x = block(x)
            return self.dropout(x) * self.scale * self.gate.slope * sum(self.sizes) + self.table

    def convert(state, config):
        return {name.replace("embed.", "embeddings."): tensor for name, tensor in state.items()}

    class Method:
        def __init__(self, config):
            self.mode, self.scale, self.seen = config.mode, 1.0, None
"""

CATALOGUE = """
    from zoo import Entry, Paper, Weights, hookimpl

    @hookimpl
    def zoo_papers():
        yield Paper(
            id="switched", title="Switches", year=2020, license="MIT",
            entries=(
                Entry(id="switched", kind="model", summary="a layer with switches", presets={"wide": {"dim": 16}},
                      build="PKG.layers:Layer", config="PKG.layers:Config",
                      weights={"mine": Weights("package://PKG/mine.safetensors", preset="wide", license="CC-BY-4.0")}),
                Entry(id="switched-renamed", kind="model", summary="its conversion mistakes its own names",
                      build="PKG.layers:Layer", config="PKG.layers:Config", convert="PKG.layers:convert"),
                Entry(id="switched-method", kind="method", summary="a method with switches",
                      build="PKG.layers:Method", config="PKG.layers:Config"),
            ),
        )
"""


@pytest.fixture
def switched(install):
    torch.manual_seed(0)
    return install("switch", catalogue=CATALOGUE, layers=SWITCHED)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "saved"


def load(**options):
    """The layer, freshly initialised."""
    return zoo.load("switched", weights=None, **options)


X = torch.linspace(-1, 1, 24).view(3, 8)


def assert_same(again, layer, x=X):
    assert again.state_dict().keys() == layer.state_dict().keys()
    assert all(torch.equal(tensor, layer.state_dict()[name]) for name, tensor in again.state_dict().items())
    with torch.no_grad():
        assert torch.equal(again(x), layer(x))


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


# --- whole -----------------------------------------------------------------------------------------------------------


CHANGES = {"open", "os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.link", "os.truncate"}


def dies_at(step, folder, change) -> bool:
    """Run a change in a process that is killed (-9) at its step-th change of something in a folder."""
    pid = os.fork()
    if pid:
        return os.WIFSIGNALED(os.waitpid(pid, 0)[1])
    touched = 0

    def watch(event, arguments):
        nonlocal touched
        reads = event == "open" and not (arguments[2] & (os.O_WRONLY | os.O_RDWR))
        if event in CHANGES and not reads and any(str(folder) in str(each) for each in arguments):
            touched += 1
            if touched == step:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)
    try:
        change()
    finally:
        os._exit(0)


@pytest.mark.parametrize(("old_size", "new_size"), [("5GB", 300), (300, 400)])
def test_a_save_that_is_killed_at_any_step_leaves_the_old_one_or_the_new_one(switched, tmp_path, old_size, new_size):
    old, new = load(), load(mode="hard")
    found, folder = set(), tmp_path / "model"
    for step in range(1, 200):
        zoo.save(old, folder, max_shard_size=old_size)
        (folder / "notes.txt").write_text("mine")
        killed = dies_at(step, folder, partial(zoo.save, new, folder, max_shard_size=new_size))
        again = zoo.load(folder)
        kept = old if again.modes == ["soft", "soft"] else new
        assert_same(again, kept)
        found.add(kept)
        assert_same(zoo.load("switched", weights=folder, modes=kept.modes), kept)
        zoo.save(kept, folder)
        assert contents(folder).keys() == {"config.json", "model.safetensors", "README.md", "notes.txt"}
        if not killed:
            break
    assert not killed
    assert step > 15, "the save was watched"
    assert found == {old, new}


def test_a_first_save_that_is_killed_is_no_hindrance(switched, tmp_path):
    layer, killed, step = load(), True, 0
    while killed:
        step += 1
        folder = tmp_path / str(step)
        killed = dies_at(step, folder, partial(zoo.save, layer, folder))
        assert_same(zoo.load(zoo.save(layer, folder)), layer)
        assert contents(folder).keys() == {"config.json", "model.safetensors", "README.md"}
    assert step > 8


@pytest.mark.parametrize("options", [{}, {"dim": 16}])
@pytest.mark.parametrize("committed", [False, True])
def test_a_folder_that_is_saved_over_while_it_is_read_gives_the_new_save(
    switched, folder, monkeypatch, options, committed
):
    new = load(mode="hard", **options)
    zoo.save(load(), folder)
    if committed:
        # As an interrupted save leaves it: who reads is sent to a folder that the next save removes.
        shutil.copytree(folder, folder / ".zoo-saved")
    read, saved = origin.read, []

    def interrupted(place):
        found = read(place)
        if not saved and place == str(folder):
            saved.append(place)
            zoo.save(new, folder)
        return found

    monkeypatch.setattr(origin, "read", interrupted)
    again = zoo.load(folder)
    assert saved
    assert again.modes == ["hard", "hard"]
    assert again.state_dict().keys() == new.state_dict().keys()
    assert all(torch.equal(tensor, new.state_dict()[name]) for name, tensor in again.state_dict().items())


def test_saving_gives_no_other_thread_random_numbers_twice(switched, folder):
    layer = load()
    torch.manual_seed(0)
    expected = [torch.rand(1) for _ in range(2_000)]
    torch.manual_seed(0)

    def saves():
        for _ in range(5):
            zoo.save(layer, folder)

    thread = threading.Thread(target=saves)
    thread.start()
    drawn = []
    while thread.is_alive() and len(drawn) < len(expected):
        drawn.append(torch.rand(1))
        time.sleep(0.001)
    thread.join()
    assert len(drawn) > 5
    assert drawn == expected[: len(drawn)]


def test_where_files_cannot_be_linked_they_are_copied(switched, folder, monkeypatch):
    monkeypatch.setattr(os, "link", lambda *args: (_ for _ in ()).throw(OSError("no links here")))
    layer = load()
    zoo.save(load(), folder)
    assert_same(zoo.load(zoo.save(layer, folder)), layer)
    assert contents(folder).keys() == {"config.json", "model.safetensors", "README.md"}


def test_an_error_while_writing_leaves_the_earlier_save(switched, folder, monkeypatch):
    zoo.save(load(), folder)
    (folder / "model_of_mine.safetensors").write_text("precious")
    before = contents(folder)

    def full(state, path, **options):
        path.write_text("half")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("safetensors.torch.save_file", full)
        with pytest.raises(zoo.WeightsError, match=r"cannot be saved.*No space left"):
            zoo.save(load(mode="hard"), folder)
    assert contents(folder) == before


def test_only_what_an_earlier_save_wrote_is_replaced(switched, tmp_path):
    folder = zoo.save(load(), tmp_path / "saved", max_shard_size=300)
    assert (folder / "model.safetensors.index.json").is_file()
    (folder / "model_of_mine.safetensors").write_text("precious")
    zoo.save(zoo.load("switched-method"), folder)
    assert contents(folder).keys() == {"README.md", "config.json", "model_of_mine.safetensors"}
    project = tmp_path / "project"
    project.mkdir()
    (project / "README.md").write_text("precious")
    with pytest.raises(zoo.InputError, match=r"README.md, which zoo.save did not write"):
        zoo.save(load(), project)
    with pytest.raises(zoo.InputError, match="is a file"):
        zoo.save(load(), project / "README.md")
    assert contents(project) == {"README.md": b"precious"}


def test_places_that_are_no_folder_here(switched, folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder.parent))
    layer = load()
    assert zoo.save(layer, "~/saved") == folder
    assert_same(zoo.load("~/saved"), layer)
    assert zoo.save(layer, folder.as_uri()) == folder
    for place, message in (
        ("hf://you/layer", "zoo.push uploads"),
        ("", "not the name of a folder"),
        (3, "not the name"),
    ):
        with pytest.raises(zoo.InputError, match=message):
            zoo.save(layer, place)
    for place in ("a\0b", "~nobody-here/x", folder / "config.json" / "inside"):
        with pytest.raises(zoo.ZooError):
            zoo.save(layer, place)


def test_numbered_files_and_their_index_past_a_size(switched, folder):
    layer = load()
    zoo.save(layer, folder, max_shard_size="0.5KB")
    sizes = [path.stat().st_size for path in folder.glob("model-*-of-*.safetensors")]
    assert len(sizes) > 1
    assert max(sizes) < 500 + 300, "the limit, and a header"
    assert_same(zoo.load(folder), layer)
    assert_same(zoo.load(zoo.save(zoo.load(folder), folder)), layer)
    assert not list(folder.glob("model-*"))
    for size in ("much", -1, 0, True, None):
        with pytest.raises(zoo.InputError, match="max_shard_size="):
            zoo.save(layer, folder, max_shard_size=size)


# --- the same object again -------------------------------------------------------------------------------------------


def test_save_and_load_are_bit_identical_and_ties_survive(tmp_path, acme):
    layer = zoo.load("layered/wide", rate=0.5)
    layer.norm.running_mean += torch.randn(16)
    folder = zoo.save(layer, tmp_path / "saved")
    again = zoo.load(folder)
    assert again.zoo_origin.config["rate"] == 0.5
    assert again.second.weight is again.first.weight
    assert_same(again, layer, torch.ones(2, 16))
    zoo.save(again, folder)
    assert zoo.load(str(folder), weights=None).zoo_origin.preset == "wide"
    method = zoo.save(zoo.load("layered-method", dim=4), tmp_path / "method")
    assert zoo.load(method).config.dim == 4
    with pytest.raises(zoo.InputError, match="was not made by"):
        zoo.save(torch.nn.Linear(2, 2), tmp_path / "foreign")
    with pytest.raises(zoo.InputError, match="meta device and has no values"):
        zoo.save(zoo.load("layered", device="meta"), tmp_path / "meta")
    (tmp_path / "plain").mkdir()
    with pytest.raises(zoo.WeightsError, match=r"has no config\.json"):
        zoo.load(tmp_path / "plain")
    for foreign in ('{"model_type": "bert"}', "[]", "{", '{"zoo": {"plugin": 3}, "config": {}}'):
        (tmp_path / "plain" / "config.json").write_text(foreign)
        with pytest.raises(zoo.WeightsError, match=r"not written by zoo\.save"):
            zoo.load(tmp_path / "plain")


def test_a_trained_layer_and_its_traces_are_saved_quietly(switched, folder):
    layer = load().train()
    layer(X).sum().backward()
    layer.steps += 1
    layer.calls += 0
    layer.note = "new, and read by nobody"
    state = torch.get_rng_state()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        zoo.save(layer, folder)
    assert torch.equal(torch.get_rng_state(), state), "saving draws no random numbers"
    assert_same(zoo.load(folder), layer.eval())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_a_converted_layer_keeps_its_precision(switched, folder, dtype):
    again = zoo.load(zoo.save(load().to(dtype), folder))
    assert again.embed.weight.dtype is dtype
    assert again.table.dtype is torch.float32, "values that the config gives are built, not saved"


SWITCHES = {
    "both blocks": lambda layer: [setattr(block, "mode", "hard") for block in layer.blocks],
    "one block": lambda layer: setattr(layer.blocks[1], "mode", "hard"),
    "a dropout": lambda layer: setattr(layer.dropout, "p", 0.5),
    "a list in place": lambda layer: layer.sizes.append(7),
    "an enum": lambda layer: setattr(layer, "shape", type(layer.shape).ROUND),
    "a nested dataclass": lambda layer: setattr(layer.gate, "slope", 3.0),
    "an int for a float": lambda layer: setattr(layer, "scale", 2),
    "a block less": lambda layer: layer.blocks.__delitem__(1),
    "several": lambda layer: (setattr(layer, "scale", 0.1), setattr(layer.blocks[0], "mode", "hard")),
}


@pytest.mark.parametrize("switch", SWITCHES)
def test_switches_that_a_config_can_say_are_saved(switched, folder, switch):
    layer = load()
    before = layer.zoo_origin.config
    SWITCHES[switch](layer)
    again = zoo.load(zoo.save(layer, folder))
    assert_same(again, layer)
    assert again.zoo_origin.config != before
    assert (again.modes, again.sizes, again.gate, again.scale) == (layer.modes, layer.sizes, layer.gate, layer.scale)
    assert (again.shape, again.dropout.p) == (layer.shape, layer.dropout.p)


def shared_memory(layer):
    flat = torch.randn(128)
    layer.blocks[0].linear.weight = nn.Parameter(flat[:64].view(8, 8))
    layer.blocks[1].linear.weight = nn.Parameter(flat[32:96].view(8, 8))


REFUSED = {
    "a switch outside the config": (lambda layer: setattr(layer, "temperature", 2.0), "temperature is 2.0, and was"),
    "a value that the config forbids": (lambda layer: setattr(layer.blocks[0], "mode", "odd"), "mode is 'odd'"),
    "a bool for a number": (lambda layer: setattr(layer, "temperature", True), "temperature is True"),
    "a function": (
        lambda layer: setattr(layer.blocks[0], "activation", torch.relu),
        "activation is now .*relu",
    ),
    "its forward": (lambda layer: setattr(layer, "forward", lambda x: x), "forward is now <lambda>"),
    "a default of its class": (lambda layer: setattr(layer, "calls", 3), "calls is 3, and was built as 0"),
    "an attribute less": (lambda layer: delattr(layer, "temperature"), "temperature was taken away"),
    "a table": (lambda layer: layer.table.add_(1), "table is a buffer outside the state dict, and its values"),
    "a new head": (lambda layer: layer.add_module("head", nn.Linear(8, 2)), "head is a part that was added"),
    "a part less": (lambda layer: delattr(layer, "dropout"), "dropout was taken away"),
    "another part": (lambda layer: setattr(layer, "dropout", nn.Identity()), "dropout is a torch.nn.*Identity, and"),
    "a new parameter": (
        lambda layer: layer.register_parameter("b", nn.Parameter(X)),
        "b is a parameter that was added",
    ),
    "a new buffer": (lambda layer: layer.register_buffer("b", X), "b is a buffer that was added"),
    "no bias": (lambda layer: setattr(layer.blocks[0].linear, "bias", None), "bias is a parameter that was taken away"),
    "resized": (
        lambda layer: setattr(layer, "embed", nn.Embedding(9, 8)),
        r"shape \[9, 8\], and was built with \[5, 8\]",
    ),
    "resized in place": (lambda layer: setattr(layer.embed, "weight", nn.Parameter(X)), r"shape \[3, 8\], and was"),
    "tied by hand": (
        lambda layer: setattr(layer.blocks[0].linear, "weight", layer.blocks[1].linear.weight),
        "blocks.0.linear.weight and blocks.1.linear.weight are one tensor",
    ),
    "tied by its memory": (
        lambda layer: setattr(layer.blocks[0].linear.weight, "data", layer.blocks[1].linear.weight.data),
        "memory in common",
    ),
    "overlapping views": (shared_memory, "blocks.1.linear.weight has memory in common"),
    "parametrised": (lambda layer: parametrizations.weight_norm(layer.blocks[0].linear), "remove_parametrizations"),
    "normed as before": (lambda layer: nn.utils.weight_norm(layer.blocks[0].linear), "remove_weight_norm"),
    "spectral as before": (lambda layer: nn.utils.spectral_norm(layer.blocks[0].linear), "remove_spectral_norm"),
    "inside itself": (lambda layer: layer.add_module("me", layer), "me is a part that was added"),
    "pruned": (lambda layer: prune.l1_unstructured(layer.embed, "weight", 0.3), r"prune\.remove\(module, name\) first"),
    "integers": (lambda layer: setattr(layer.embed, "weight", nn.Parameter(torch.ones(5, 8).char(), False)), "is int8"),
    "sparse": (
        lambda layer: setattr(layer.embed, "weight", nn.Parameter(torch.eye(5, 8).to_sparse())),
        "sparse_coo.*which no safetensors file holds",
    ),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("change", REFUSED)
def test_what_no_config_builds_is_refused_and_nothing_written(switched, folder, change):
    layer = load()
    apply, message = REFUSED[change]
    apply(layer)
    with pytest.raises(zoo.InputError, match=f"not what its config builds.*{message}"):
        zoo.save(layer, folder)
    assert not (folder).exists()


def test_quantised_layers_are_refused_with_the_way_out(switched, folder):
    class Int8Linear(nn.Linear):
        __module__ = "torchao.quantization"

    layer = load()
    layer.blocks[0].linear = Int8Linear(8, 8)
    with pytest.raises(zoo.InputError, match=r"torchao\.quantization\..*Int8Linear.*quantise what zoo\.load"):
        zoo.save(layer, folder)


def test_adapters_are_refused_with_the_way_out_and_saved_once_merged(switched, folder):
    peft = pytest.importorskip("peft")
    layer = load()
    adapted = peft.get_peft_model(layer, peft.LoraConfig(target_modules=["linear"], init_lora_weights=False))
    for adapter in (adapted, layer):
        with pytest.raises(zoo.InputError, match="merge_and_unload"):
            zoo.save(adapter, folder)
    with torch.no_grad():
        expected = adapted.eval()(X)
    merged = zoo.load(zoo.save(adapted.merge_and_unload(), folder))
    torch.testing.assert_close(merged(X), expected, atol=1e-4, rtol=1e-4)


def flattened(layer):
    """All parameters as views of one vector, as ``vector_to_parameters`` leaves them."""
    vector = nn.utils.parameters_to_vector(layer.parameters()).detach().clone()
    nn.utils.vector_to_parameters(vector, layer.parameters())
    return layer


def interleaved(layer):
    """Two weights in the columns of one matrix: neither contiguous, and nothing in common."""
    both = torch.randn(8, 16)
    layer.blocks[0].linear.weight = nn.Parameter(both[:, ::2])
    layer.blocks[1].linear.weight = nn.Parameter(both[:, 1::2])
    return layer


def expanded(layer):
    layer.embed.weight = nn.Parameter(torch.randn(1, 8).expand(5, 8))
    return layer


def unpruned(layer):
    prune.l1_unstructured(layer.embed, "weight", 0.3)
    prune.remove(layer.embed, "weight")
    return layer


def in_place_compiled(layer):
    layer.compile(backend="eager")
    layer.blocks[0] = torch.compile(layer.blocks[0], backend="eager")
    return layer


WRAPPED = {
    "compiled": lambda layer: torch.compile(layer, backend="eager"),
    "compiled in place and in parts": in_place_compiled,
    "data parallel": nn.DataParallel,
    "averaged": torch.optim.swa_utils.AveragedModel,
    "averaged and compiled": lambda layer: torch.compile(torch.optim.swa_utils.AveragedModel(layer), backend="eager"),
    "views of one vector": flattened,
    "interleaved views": interleaved,
    "an expanded view": expanded,
    "pruned for good": unpruned,
    "frozen": lambda layer: layer.requires_grad_(False),
}


@pytest.mark.parametrize("wrap", WRAPPED)
def test_wrappers_and_views_are_saved_under_the_names_of_the_layer(switched, folder, wrap):
    layer = load()
    names = layer.state_dict().keys()
    wrapped = WRAPPED[wrap](layer)
    again = zoo.load(zoo.save(wrapped, folder))
    assert again.state_dict().keys() == names
    known = dict(layer.named_parameters())
    for name, parameter in again.named_parameters():
        assert torch.equal(parameter, known.get(name, known.get(name.replace("0.linear", "0._orig_mod.linear"))))
    with torch.no_grad():
        # Where a view is not contiguous, sums run in another order.
        torch.testing.assert_close(again(X), wrapped.eval()(X), atol=1e-4, rtol=1e-4)


def test_checkpointed_activations_are_saved_under_the_names_of_the_layer(switched, folder):
    from torch.distributed.algorithms._checkpoint.checkpoint_wrapper import checkpoint_wrapper

    layer = load()
    expected = layer(X)
    layer.blocks[0] = checkpoint_wrapper(layer.blocks[0])
    assert torch.equal(zoo.load(zoo.save(layer, folder))(X), expected)


def test_a_forward_wrapped_for_autocast_is_the_same_forward(switched, folder):
    layer = load()
    layer.forward = torch.autocast("cpu", dtype=torch.bfloat16)(layer.forward)
    zoo.save(layer, folder)


def test_hooks_are_not_saved_and_said_so(switched, folder):
    layer = load()
    layer.blocks[1].register_forward_hook(lambda module, inputs, output: 2 * output)
    with pytest.warns(UserWarning, match=r"hooks are not saved, whatever they do: blocks\.1: .*<lambda>"):
        zoo.save(layer, folder)


def test_methods_have_switches_too(switched, folder):
    method = zoo.load("switched-method")
    method.mode, method.seen = "hard", torch.ones(3)
    assert zoo.load(zoo.save(method, folder)).mode == "hard"
    method.scale = 2.0
    with pytest.raises(zoo.InputError, match=r"this Method is not what its config builds.*scale is 2\.0"):
        zoo.save(method, folder)


def test_a_save_that_would_not_load_is_not_kept(switched, folder):
    kept = contents(zoo.save(load(), folder))
    with pytest.raises(zoo.InputError, match=r"could not be loaded again(.|\n)*unexpected(.|\n)*embeddings\.weight"):
        zoo.save(zoo.load("switched-renamed", weights=None), folder)
    assert contents(folder) == kept


# --- cards and the Hub ------------------------------------------------------------------------------------------------


def test_importing_what_saves_imports_no_evidence():
    code = "import sys, zoo.saving; print([name for name in sys.modules if 'evidence' in name])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


@pytest.fixture
def hub(zoo_hub, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", zoo_hub.token)
    return zoo_hub


def files_of(hub, repository):
    """The files of its main branch."""
    found = hub.repositories[repository]
    return found.commits[found.branches["main"]]


def card_of(content):
    from huggingface_hub import ModelCard

    return ModelCard(content.decode())


def test_a_pushed_card_names_its_repository_and_its_licence(switched, folder, hub):
    layer = load()
    zoo.save(zoo.load("switched/wide", weights=None), switched / "weights")
    (switched / "weights" / "model.safetensors").rename(switched / "mine.safetensors")
    zoo.push(zoo.load("switched/wide"), "you/wide")
    card = card_of(files_of(hub, "you/wide")["README.md"])
    assert card.data.license == "cc-by-4.0", "that of the weights, not of the paper's code"
    assert 'zoo.load("hf://you/wide")' in card.text
    # What was loaded from there keeps it, through a folder too, whose card learns its name when it is pushed.
    zoo.save(zoo.load("hf://you/wide"), folder)
    (folder / "README.md").write_text((folder / "README.md").read_text() + "\nTrained on my desk.\n")
    zoo.push(folder, "you/again")
    card = card_of(files_of(hub, "you/again")["README.md"])
    assert card.data.license == "cc-by-4.0"
    assert 'zoo.load("hf://you/again")' in card.text
    assert "OWNER" not in card.text
    assert "Trained on my desk." in card.text
    # Of fresh weights nothing is known; their owner says.
    zoo.push(layer, "you/fresh")
    card = card_of(files_of(hub, "you/fresh")["README.md"])
    assert card.data.license == "unknown"
    assert "licence of these weights was not stated" in card.text
    zoo.push(layer, "you/fresh", license="Apache-2.0")
    assert card_of(files_of(hub, "you/fresh")["README.md"]).data.license == "apache-2.0"
    assert zoo.load("hf://you/fresh").zoo_origin.license == "Apache-2.0"
    for license in ("", 3):
        with pytest.raises(zoo.InputError, match="names no licence"):
            zoo.push(layer, "you/fresh", license=license)
    with pytest.raises(zoo.InputError, match="is saved already"):
        zoo.push(folder, "you/again", license="MIT")


def test_a_push_is_one_commit_and_leaves_no_weights_of_the_one_before(switched, folder, hub):
    first, second = load(), load(mode="hard")
    for layer, size in ((first, 300), (second, "5GB"), (first, 400), (second, 300)):
        before = len(hub.repositories["you/layer"].commits) if "you/layer" in hub.repositories else None
        uri = zoo.push(layer, "you/layer", max_shard_size=size)
        assert before is None or len(hub.repositories["you/layer"].commits) == before + 1
        assert_same(zoo.load("hf://you/layer"), layer)
        assert_same(zoo.load(uri), layer)


def test_a_folder_whose_save_was_interrupted_is_pushed_whole(switched, folder, hub):
    old, new = load(), load(mode="hard")
    zoo.save(old, folder, max_shard_size=300)
    (folder / ".zoo-saved").mkdir()
    for path in zoo.save(new, switched / "other").iterdir():
        path.rename(folder / ".zoo-saved" / path.name)
    zoo.push(folder, "you/layer")
    assert files_of(hub, "you/layer").keys() - {".gitattributes"} == {"README.md", "config.json", "model.safetensors"}
    assert_same(zoo.load("hf://you/layer"), new)
    assert_same(zoo.load(folder), new)


def test_the_index_of_a_folder_whose_save_was_interrupted_means_the_new_save(switched, folder):
    old, new = load(), load()
    zoo.save(old, folder, max_shard_size=300)
    (folder / ".zoo-saved").mkdir()
    for path in zoo.save(new, switched / "other", max_shard_size=300).iterdir():
        path.rename(folder / ".zoo-saved" / path.name)
    assert_same(zoo.load("switched", weights=folder / "model.safetensors.index.json"), new)
