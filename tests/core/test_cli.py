"""The command line, as a user types it."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch

import zoo
from zoo import catalogue
from zoo.cli import COMMANDS, main

from .conftest import CATALOGUE, LAYERS

GOLDEN = Path(__file__).parent.parent / "golden"


@pytest.fixture
def run(capsys):
    def call(*args: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main([str(arg) for arg in args])
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return call


OF_THE_CORE = {
    *COMMANDS,
    *("verify", "replay", "bench", "card"),
    *("new", "train", "doctor", "hub-server"),
}


@pytest.mark.parametrize("command", sorted(OF_THE_CORE))
def test_every_command_has_help(run, command):
    code, out, _ = run(command, "--help")
    assert code == 0
    assert "Usage: zoo " in out
    assert run("--help")[1].count(command) >= 1


def test_list_and_info(run, acme):
    code, out, _ = run("list", "--plugin", "acme")
    assert code == 0
    assert "layered-method" in out
    listed = json.loads(run("list", "--plugin", "acme", "--json")[1])
    assert listed[0]["presets"] == ["wide", "deep_one", "XL/2"]
    facts = json.loads(run("info", "layered/wide", "rate=0.25", "inner.width=7", "sizes=[5, 6]", "--json")[1])
    assert facts["config"]["inner"]["width"] == 7
    assert facts["config"]["sizes"] == [5, 6]
    assert facts["parameters"] == 16 * 16 + 4 * 16
    assert "two tied layers" in run("info", "layered")[1]


def test_errors_are_one_message_and_exit_code_one(run, acme):
    code, out, err = run("info", "layerd")
    assert (code, out) == (1, "")
    assert err.startswith("UnknownName: ")
    assert "Traceback" not in err
    code, _, err = run("info", "layered", "dim=many")
    assert code == 1
    assert "dim='many'" in err
    assert run("info", "layered", "dim")[0] == 1
    for arguments in (("info", "layered", "name=3"), ("load", "layered", "weights=none")):
        code, _, err = run(*arguments)
        assert (code, err.startswith(f"ConfigError: {arguments[-1]!r} is not about a config field")) == (1, True)
    for lengths in ("many", "0", "8,,"):
        code, _, err = run("bench", "moba", "--lengths", lengths)
        assert (code, "not a list of positive integers" in err) == (2, True)
    code, _, err = run("card", "layered", "--folder", "/dev/null/cards")
    assert (code, err) == (
        1,
        "InputError: '/dev/null/cards' cannot be written into: [Errno 20] Not a directory: '/dev/null/cards'\n",
    )


def test_the_shell_completes_commands_entries_and_presets(acme):
    def completed(words: str) -> list[str]:
        environment = {**os.environ, "_ZOO_COMPLETE": "bash_complete", "COMP_WORDS": words}
        environment["COMP_CWORD"] = str(len(words.split(" ")) - 1)
        environment["PYTHONPATH"] = os.pathsep.join(sys.path)
        done = subprocess.run([sys.executable, "-m", "zoo.cli"], env=environment, capture_output=True, text=True)
        return [line.removeprefix("plain,") for line in done.stdout.splitlines()]

    assert completed("zoo inf") == ["info"]
    assert completed("zoo info laye") == ["layered", "layered-method"]
    assert completed("zoo info layered/") == ["layered/wide", "layered/deep_one", "layered/XL/2"]
    assert completed("zoo pull --wei") == ["--weights"]


def test_a_terminal_shows_brackets_as_they_are(run, install, monkeypatch):
    install("markup", catalogue=CATALOGUE.replace("does nothing", "[bold]maps [batch, dim][/oops]"))
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    code, out, _ = run("list", "--plugin", "markup")
    assert (code, "[bold]maps [batch, dim][/oops]" in " ".join(out.split())) == (0, True)


def test_load_save_and_convert(run, acme, tmp_path):
    code, out, _ = run("load", "layered/wide", "--dtype", "bfloat16", "--save", tmp_path / "kept")
    assert code == 0
    assert "320 parameters" in out
    assert run("load", tmp_path / "kept")[0] == 0
    torch.save({"state_dict": {"a": torch.ones(2)}}, tmp_path / "old.pth")
    assert run("convert", tmp_path / "old.pth")[0] == 0
    assert (tmp_path / "old.safetensors").exists()


def test_empty_words_are_no_places_and_no_texts(run, acme, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    assert run("load", "layered", "--save", "")[2] == "InputError: folder='' is not the name of a folder\n"
    assert run("train", "layered", "--out", "")[0] == 1
    for text in ("", " \n"):
        code, out, err = run("predict", "layered", text)
        assert (code, out, err.count("\n")) == (1, "", 1)
        assert err.startswith("InputError: SOURCE is empty")
    assert sorted(tmp_path.iterdir()) == before


def test_push_and_pull(run, acme, zoo_hub, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_TOKEN", zoo_hub.token)
    code, out, _ = run("push", "layered/wide", "someone/wide")
    assert code == 0
    uri = out.strip()
    assert uri.startswith("hf://someone/wide@")
    run("load", "layered", "--save", tmp_path / "folder")
    assert run("push", tmp_path / "folder", "someone/folder", "--private")[0] == 0
    run("push", "layered/wide", "someone/cut", "--max-shard-size", "1KB", "--license", "MIT")
    cut = zoo_hub.repositories["someone/cut"].commits[zoo_hub.repositories["someone/cut"].branches["main"]]
    assert "model.safetensors.index.json" in cut
    assert b"license: mit\n" in cut["README.md"]
    code, _, err = run("push", tmp_path / "folder", "someone/folder", "--license", "MIT")
    assert (code, "is saved already" in err) == (1, True)
    assert zoo_hub.repositories["someone/folder"].private
    code, out, _ = run("pull", uri)
    assert code == 0
    assert "model.safetensors" in out
    assert "config.json" in out
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert run("load", uri)[0] == 0
    monkeypatch.delenv("HF_HUB_OFFLINE")
    zoo_hub.add("foreign/weights", {"deep/some.safetensors": b"", "model.safetensors": b""})
    assert run("pull", "hf://foreign/weights", "hf://foreign/weights/deep/some.safetensors")[0] == 0
    code, _, err = run("pull", "layered")
    assert (code, err) == (1, "WeightsError: layered has no weights of its own\n")
    assert run("pull", "layered", "--weights", "best")[0] == 1
    for name in ("shiftvit/digits", "shiftvit"):
        code, out, _ = run("pull", name)
        assert (code, out.count("shiftvit-digits.safetensors")) == (0, 1)


@pytest.mark.parametrize("place", ["folder", "pipe", "file/below.safetensors", "/proc/none/out.safetensors", "x" * 300])
def test_train_refuses_a_place_that_cannot_be_written_before_it_trains(run, install, tmp_path, monkeypatch, place):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "pipe")
    text = CATALOGUE.replace('example="PKG', 'train="PKG.layers:train", example="PKG')
    train = "\n    def train(config, *, preset, seed, log):\n        raise RuntimeError('it trains')\n"
    install("acme", catalogue=text, layers=LAYERS + train)
    code, out, err = run("train", "layered", "--out", place)
    assert (code, out) == (1, "")
    assert err.startswith("InputError: ")
    assert (tmp_path / "pipe").is_fifo()
    assert "it trains" in run("train", "layered", "--out", "new/out.safetensors")[2]


NOWHERE = ["/proc/none/below", "file/below", "x" * 300]
WRITES = {
    ("bench layered --lengths 64 --out", "convert state.pth"): ["folder", "pipe", *NOWHERE],
    ("load layered --save", "predict layered text --out"): ["file", "pipe", *NOWHERE],
    ("compare layered --steps 1 --out", "card layered --folder"): ["file", "pipe", *NOWHERE],
    ("verify layered --record", "programs layered --record", "bench layered --record"): [""],
}


@pytest.mark.parametrize(
    ("words", "place"), [(words, place) for many, places in WRITES.items() for words in many for place in places]
)
def test_so_does_everything_else_that_writes(run, install, tmp_path, monkeypatch, words, place):
    monkeypatch.chdir(tmp_path)
    for name in ("file", "model_cards", "docs"):
        Path(name).touch()
    Path("folder").mkdir()
    os.mkfifo("pipe")
    torch.save({"weight": torch.zeros(2)}, "state.pth")
    monkeypatch.setattr(torch, "load", None)
    install("acme", catalogue=CATALOGUE, layers="raise RuntimeError('it works first')")
    code, out, err = run(*words.split(), *([place] if place else []))
    assert (code, out) == (1, "")
    assert re.fullmatch("InputError: .*(cannot be written|is no folder|is a folder or a device).*", err[:-1])


def test_train_writes_the_file_whole(run, install, tmp_path):
    text = CATALOGUE.replace('example="PKG', 'train="PKG.layers:train", example="PKG')
    train = "\n    def train(config, *, preset, seed, log):\n        return Layer(config), {'loss': 0.5}\n"
    install("acme", catalogue=text, layers=LAYERS + train)
    code, out, _ = run("train", "layered/wide", "--out", tmp_path / "new" / "wide.safetensors")
    assert (code, json.loads(out)["loss"]) == (0, 0.5)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["wide.safetensors"]
    assert "320 parameters" in run("load", "layered/wide", "--weights", tmp_path / "new" / "wide.safetensors")[1]


def test_a_hub_server_on_a_busy_port_says_so(run):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        code, _, err = run("hub-server", "--port", port)
    assert (code, err.startswith(f"InputError: port {port} cannot be used")) == (1, True)
    assert run("hub-server", "--port", "70000")[0] == 2


def test_unknown_commands_and_tags_come_with_the_nearest(run, acme):
    code, _, err = run("lst")
    assert (code, "There is no command 'lst'. Did you mean 'list'?" in err) == (2, True)
    code, _, err = run("list", "--tag", "slef")
    assert (code, err.startswith("UnknownName: no entry carries the tag 'slef'. Did you mean 'self'")) == (1, True)
    assert json.loads(run("tags", "--kind", "model", "--json")[1])["self"] >= 1
    assert "self" in run("tags")[1].split()


NOISE = "import os, sys\nprint('blare')\nos.write(1, b'deep blare')\nsys.__stdout__.write('old blare')\n"


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("lst", r"Error: There is no command 'lst'. Did you mean 'list'\? Help: zoo --help"),
        ("--foo", r"Error: No such option '--foo'. Help: zoo --help"),
        ("list --knd model", r"Error: No such option '--knd'. Did you mean '--kind'\? Help: zoo list --help"),
        ("list extra", r"Error: Got unexpected extra argument \(extra\). Help: zoo list --help"),
        ("info", r"Error: Missing argument 'NAME'. Help: zoo info --help"),
        ("load layered --device", r"Error: Option '--device' requires an argument. Help: zoo COMMAND --help"),
        ("compare --task x", r"Error: Invalid value for '--task': 'x' is none of recall, .*. Help: zoo compare --help"),
        ("card", r"Error: name entries, or give --all or --papers. Help: zoo card --help"),
        ("list \n\x1b[2J", r"Error: Got unexpected extra argument \( \\x1b\[2J\)\. Help: zoo list --help"),
    ],
)
def test_a_wrong_use_is_one_line_that_says_where_the_help_is(run, words, line):
    code, out, err = run(*words.split(" "))
    assert (code, out) == (2, "")
    assert re.fullmatch(line, err[:-1])


def test_what_plugins_print_never_reaches_stdout(acme, install, monkeypatch):
    text = CATALOGUE.replace("layered", "loud")
    install(
        "loud", catalogue=NOISE + textwrap.dedent(text) + "print('late blare')", layers=NOISE + textwrap.dedent(LAYERS)
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}

    def printed(*words: str) -> str:
        command = [sys.executable, "-m", "zoo.cli", *words]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout

    assert {"loud", "layered"} <= {entry["id"] for entry in json.loads(printed("list", "--json"))}
    assert json.loads(printed("info", "loud", "--json"))["id"] == "loud"
    assert "blare" not in printed("list") + printed("--help") + printed("tags")


@pytest.mark.parametrize(
    "noise",
    [
        "import atexit\natexit.register(print, 'blare')",
        "import itertools, threading\n"
        "def drone():\n    for _ in range(2000): print('blare')\n"
        "threading.Thread(target=drone).start()",
    ],
)
def test_what_plugins_print_later_never_reaches_stdout(acme, install, noise):
    install("loud", catalogue=f"{noise}\n")
    done = subprocess.run(
        [sys.executable, "-m", "zoo.cli", "list", "--json"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "layered" in {entry["id"] for entry in json.loads(done.stdout)}
    assert "blare" in done.stderr


def test_a_warning_cannot_steer_the_terminal(acme, install):
    install("anxious", catalogue="import warnings\nwarnings.warn('first\\nsecond \\x1b[2J')\n")
    command = [sys.executable, "-m", "zoo.cli", "list"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stderr == "UserWarning: first second \\x1b[2J\n"


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
@pytest.mark.parametrize("words", ["list", "list --json", "info shiftvit-shift --json"])
def test_a_closed_stream_is_no_error(words, closed):
    done = subprocess.run(f"{sys.executable} -m zoo.cli {words} {closed}", shell=True, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert bool(done.stdout) == (closed == "2>&-")


UNPRINTABLE = "class Mute(ValueError):\n    def __str__(self): raise ValueError\n"


@pytest.mark.parametrize(
    ("place", "statement", "message"),
    [
        ("module", "raise SystemExit(0)", "PluginError: .*cannot be imported: SystemExit: 0"),
        ("module", "raise KeyboardInterrupt", "PluginError: .*cannot be imported: KeyboardInterrupt"),
        (
            "module",
            "raise RuntimeError('first\\nsecond \\x1b[2J \\ud800')",
            r"PluginError: .* second \\x1b\[2J \\ud800",
        ),
        (
            "module",
            "try: import nowhere\nexcept ImportError as error: raise ModuleNotFoundError('as transformers') from error",
            "PluginError: .*cannot be imported: ModuleNotFoundError: No module named 'nowhere'",
        ),
        ("module", "from os import nothing", "PluginError: .*ImportError: cannot import name 'nothing'"),
        ("__init__", "raise SystemExit(0)", "PluginError: .*cannot be built from its own defaults: SystemExit: 0"),
        ("__init__", "raise KeyboardInterrupt", "PluginError: .*built from its own defaults: KeyboardInterrupt"),
        ("__init__", "raise StopIteration", "PluginError: .*built from its own defaults: StopIteration"),
        ("__init__", "raise GeneratorExit", "PluginError: .*cannot be built from its own defaults: GeneratorExit"),
        ("__post_init__", "raise SystemExit(0)", "ConfigError: .*SystemExit: 0"),
        ("__post_init__", "raise KeyboardInterrupt", "ConfigError: .*KeyboardInterrupt"),
        ("__post_init__", "raise Mute", r"ConfigError: .*\(its message cannot be shown: ValueError\)"),
        ("schema", "odd: object = None", "PluginError: .*cannot be used as a schema: .*"),
        ("schema", "odd: Nowhere = None", "PluginError: .*cannot be used as a schema: .*'Nowhere' is not defined"),
        ("build", "def build(config): return None", "PluginError: frail:frail builds a NoneType; expected .*"),
        ("build", "def build(config): return 'text'", "PluginError: frail:frail builds a str; expected .*"),
    ],
)
def test_whatever_a_plugins_code_does_is_one_line_and_no_success(run, install, place, statement, message):
    lines = {
        name: statement if name == place else fallback
        for name, fallback in {
            "module": "",
            "__init__": "pass",
            "__post_init__": "pass",
            "schema": "dim: int = 4",
            "build": "build = Network",
        }.items()
    }
    text = f"""
from __future__ import annotations
from dataclasses import dataclass
from torch import nn
{UNPRINTABLE}
{lines["module"]}
@dataclass
class Config:
    {lines["schema"]}
    def __post_init__(self):
        {lines["__post_init__"]}
class Network(nn.Module):
    def __init__(self, config):
        super().__init__()
        {lines["__init__"]}
{lines["build"]}
"""
    catalogue = """
        from zoo import Entry, Paper
        def zoo_papers():
            yield Paper(id="frail", title="F", year=2020, entries=(
                Entry(id="frail", kind="model", summary="s", build="PKG.code:build", config="PKG.code:Config"),))
    """
    install("frail", catalogue=catalogue, code=text)
    code, out, err = run("load", "frail")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert re.match(message, err)


def test_ctrl_c_while_a_plugins_code_builds_is_no_error_of_the_plugin(install):
    slow = "import signal\ndef build(config):\n    signal.raise_signal(signal.SIGINT)\n"
    install("acme", catalogue=CATALOGUE.replace('"PKG.layers:Layer"', '"PKG.slow:build"', 1), layers=LAYERS, slow=slow)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            zoo.load("layered")
    finally:
        signal.signal(signal.SIGINT, before)


FUNCTIONS = {
    "predict": "predict frail text",
    "train": "train frail --out out.safetensors",
    "convert": "load frail --weights converted",
    "read": "load frail --weights read",
    "example": "info frail",
    "replay": "replay frail recording.safetensors",
    "picture": "card frail --pictures --folder cards",
    "extra_repr": "load frail",
}
STATEMENTS = {
    "raise SystemExit(0)": "SystemExit: 0",
    "raise GeneratorExit": "GeneratorExit:",
    "raise BrokenPipeError(32, 'away')": "BrokenPipeError: .*away",
    "import click; raise click.exceptions.Exit(0)": "Exit: 0",
    "raise RuntimeError('first\\nsecond \\x1b[2J')": r"RuntimeError: first second \\x1b\[2J",
}
OF_ANOTHER_TYPE = {"return 'text'": "gives a str; expected a (Mapping|tuple)"}


@pytest.mark.parametrize(
    ("name", "statement", "message"),
    [
        *((name, statement, f"failed: {message}") for name in FUNCTIONS for statement, message in STATEMENTS.items()),
        *((name, *case) for name in list(FUNCTIONS)[:-2] for case in OF_ANOTHER_TYPE.items()),
    ],
)
def test_neither_does_what_a_function_of_a_plugin_does(run, install, tmp_path, monkeypatch, name, statement, message):
    from safetensors.torch import save_file

    monkeypatch.chdir(tmp_path)
    save_file({"input.x": torch.ones(1)}, "recording.safetensors", {"component": "c", "config": "{}", "call": "{}"})
    save_file({}, tmp_path / "weights.safetensors")
    catalogue = f"""
        from zoo import Entry, Paper, Weights
        here = "file://{tmp_path}/weights.safetensors"
        def zoo_papers():
            yield Paper(id="frail", title="F", year=2020, code=__package__, replay="code:replay", entries=(
                Entry(id="frail", kind="model", summary="s", build="code:Network", config="code:Config",
                      predict="code:predict", train="code:train", example="code:example", picture="code:picture",
                      weights={{"converted": Weights(here, convert="code:convert", preset="default", default=False),
                               "read": Weights(here, read="code:read", preset="default", default=False)}}),))
    """
    code = f"""
        from dataclasses import dataclass
        from torch import nn
        @dataclass
        class Config:
            pass
        def fails(*arguments, **options):
            {statement}
        predict = train = example = picture = convert = read = replay = fails
        class Network(nn.Module):
            def __init__(self, config):
                super().__init__()
            {"extra_repr = fails" if name == "extra_repr" else ""}
    """
    install("frail", catalogue=catalogue, code=code)
    code, out, err = run(*FUNCTIONS[name].split())
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert re.match(f"PluginError: .* {message}", err)


def test_an_error_that_is_nobodys_is_one_line(run, acme, monkeypatch):
    def fail(*words):
        raise RuntimeError("first\nsecond \x1b[2J \ud800")

    monkeypatch.setattr("zoo.about.info", fail)
    code, _, err = run("info", "layered")
    assert code == 1
    first, second = err.splitlines()
    assert first == "RuntimeError: first second \\x1b[2J \\ud800"
    assert "ZOO_TRACEBACK=1" in second


def test_names_from_files_cannot_steer_the_terminal(run, tmp_path):
    from safetensors.torch import save_file

    evil = "\x1b[2Jcleared"
    save_file({evil: torch.zeros(1)}, tmp_path / "evil.safetensors")
    code, out, err = run("load", "shiftvit/digits", "--weights", tmp_path / "evil.safetensors")
    assert (code, "\x1b" in out + err, "\\x1b[2Jcleared" in err) == (1, False, True)
    save_file({f"output.{evil}": torch.zeros(1)}, tmp_path / "evil.safetensors", {"component": "shift"})
    assert "\x1b" not in "".join(run("replay", "shiftvit", tmp_path / "evil.safetensors")[1:])


def test_predict_on_a_real_image(run, tmp_path):
    from PIL import Image

    Image.new("L", (20, 20)).save(tmp_path / "black.png")
    code, out, _ = run("predict", "shiftvit/digits", tmp_path / "black.png")
    assert code == 0
    assert sum(entry["probability"] for entry in json.loads(out)["classes"]) == pytest.approx(1.0, abs=0.5)
    assert run("predict", "shiftvit/digits", tmp_path / "absent.png")[0] == 1


def test_replay_reports_and_fails_where_numbers_differ(run, tmp_path):
    from safetensors import safe_open
    from safetensors.torch import save_file

    good = GOLDEN / "shiftvit" / "shift.safetensors"
    code, out, _ = run("replay", "shiftvit", good)
    assert code == 0
    assert "agrees" in out
    with safe_open(good, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        metadata = file.metadata()
    tensors["output.y"] = tensors["output.y"] + 1e-3
    tensors["output.z"] = torch.zeros(1)
    save_file(tensors, tmp_path / "bad.safetensors", metadata=metadata)
    code, out, _ = run("replay", "shiftvit", tmp_path / "bad.safetensors", "--json")
    assert code == 1
    found = {entry["output"]: entry for entry in json.loads(out)}
    assert found["y"]["problem"] == "differs"
    assert found["z"]["problem"] == "missing"
    save_file({"a": torch.zeros(1)}, tmp_path / "none.safetensors")
    assert run("replay", "shiftvit", tmp_path / "none.safetensors")[0] == 1
    save_file(tensors, tmp_path / "bad.safetensors", metadata={**metadata, "config": "{"})
    assert "config or call is not JSON" in run("replay", "shiftvit", tmp_path / "bad.safetensors")[2]
    (tmp_path / "bad.safetensors").write_bytes(good.read_bytes()[:-1])
    assert run("replay", "shiftvit", tmp_path / "bad.safetensors")[2].startswith("WeightsError")


def test_verify_prints_paper_beside_measured_and_records(run, acme, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, _ = run("verify", "shiftvit-shift", "--record")
    assert code == 0
    assert "paper     exact" in out
    assert "holds" in out
    measured = json.loads((tmp_path / "model_cards" / "vision" / "measured" / "shiftvit.json").read_text())
    assert all(
        measured["shiftvit-shift"][claim.key]["holds"]
        for claim in catalogue.current().find("shiftvit-shift").offer.entry.claims
    )
    verdicts = json.loads(run("verify", "shiftvit-shift", "--json")[1])
    assert {verdict["verdict"] for verdict in verdicts} == {"holds"}


@pytest.mark.parametrize("problem", ["RuntimeError", "SystemExit", "KeyboardInterrupt"])
def test_a_check_that_raises_leaves_the_others_measured(run, install, problem):
    install("acme", catalogue=CATALOGUE, layers=LAYERS.replace("RuntimeError(", f"{problem}("))
    code, out, _ = run("verify", "layered")
    assert code == 1
    assert f"{problem}: no such luck\n  check failed" in out
    assert "holds (" in out
    words = [verdict["verdict"] for verdict in json.loads(run("verify", "layered", "--json")[1])]
    assert words == ["check failed", "holds"]


def test_claims_about_real_models_wait_to_be_asked_for(run, install):
    claims = (
        'Claim("it holds", figure="2", check="PKG.layers:check_holds", real=True), '
        'Claim("it waits", check="PKG.layers:check_waits", real=True), Claim("plain", check="PKG.layers:check_plain"))'
    )
    start, end = CATALOGUE.index('Claim("it fails"'), CATALOGUE.index('Entry(id="layered-method"')
    missing = """
    def check_plain():
        return zoo.Measurement("3", True)

    def check_waits():
        raise zoo.MissingDependency("the models are not installed. Run: pip install models")
"""
    install(
        "acme",
        catalogue=CATALOGUE[:start] + claims + "),\n                " + CATALOGUE[end:],
        layers=LAYERS + missing,
    )
    words = [verdict["verdict"] for verdict in json.loads(run("verify", "layered", "--json")[1])]
    assert words == ["not measured", "not measured", "holds"]
    assert "opens a real model: zoo verify --real" in run("verify", "layered")[1]
    code, out, _ = run("verify", "layered", "--real")
    assert code == 0
    assert out.count("measured  ") == 1
    assert "pip install models\n  not measured" in out


@pytest.mark.parametrize(
    ("licence", "lines"),
    [
        ("license='BSD-2-Clause'", "license: bsd-2-clause\n"),
        ("license=None", "license: unknown\n"),
        ("license='GPL-3.0-or-later'", "license: gpl-3.0\n"),
        ("license='LicenseRef-Acme-Research-v1'", "license: other\nlicense_name: acme-research-v1\n"),
    ],
)
def test_the_hub_accepts_the_licence_of_a_card(run, install, tmp_path, licence, lines):
    from huggingface_hub import ModelCard

    from zoo.testing.hub_server import card_problems

    install("acme", catalogue=CATALOGUE.replace("year=2020,", f"year=2020, {licence},"), layers=LAYERS)
    run("card", "layered", "--folder", tmp_path)
    card = (tmp_path / "acme" / "layered.md").read_text()
    assert lines in card
    assert card_problems(card) == []
    assert ModelCard(card).data.tags[:2] == ["attention-zoo", "model"]


def test_cards_are_rendered_and_found_stale(run, acme, tmp_path):
    assert run("card", "layered", "--folder", tmp_path, "--check")[0] == 1
    assert run("card", "layered", "--folder", tmp_path)[0] == 0
    assert run("card", "layered", "--folder", tmp_path, "--check")[0] == 0
    path = tmp_path / "acme" / "layered.md"
    path.write_text(path.read_text() + "typed by hand")
    assert run("card", "layered", "--folder", tmp_path, "--check")[0] == 1
    from zoo.testing.hub_server import card_problems

    assert card_problems(path.read_text()) == []


@pytest.fixture
def bench_here(monkeypatch):
    """Measures in this process: quicker, and what only this process knows is found."""
    from zoo.evidence import bench

    def here(what, job):
        try:
            return float(bench._measure(what, job))
        except ValueError as error:
            raise RuntimeError(f"ValueError: {error}") from error

    monkeypatch.setattr(bench, "_in_process", here)


def test_bench_compares_with_dense_attention(run, tmp_path, bench_here):
    out_file = tmp_path / "plot.png"
    code, out, _ = run("bench", "moba", "--lengths", "64,128", "--dim", "32", "--out", out_file, "--json")
    assert code == 0
    results = json.loads(out)
    assert {(r["name"], r["length"]) for r in results} == {
        (name, length) for name in ("scaled_dot_product_attention", "moba") for length in (64, 128)
    }
    assert all(r["seconds"] > 0 for r in results)
    assert out_file.stat().st_size > 1000
    assert run("bench", "no-such-layer")[0] == 1


def test_bench_goes_on_where_one_layer_cannot(run, install, bench_here):
    code = """
        import torch, zoo
        from dataclasses import dataclass

        @dataclass
        class Config:
            dim: int = zoo.field(8, "width", minimum=1)
            causal: bool = zoo.field(False, "causal")

        @dataclass
        class Picky(Config):
            def __post_init__(self):
                raise zoo.ConfigError("never fits", field="dim")

        class Short(torch.nn.Module):
            def __init__(self, config):
                super().__init__()

            def forward(self, x, attn_mask=None):
                if x.shape[1] > 100:
                    raise ValueError("too long for me")
                return x
    """
    catalogue = """
        from zoo import Entry, Paper, hookimpl
        @hookimpl
        def zoo_papers():
            yield Paper(id="frail", title="Frail", year=2024, entries=tuple(
                Entry(id=name, kind="attention", summary="frail", build="PKG.code:Short", config=f"PKG.code:{schema}")
                for name, schema in (("frail", "Config"), ("frail-picky", "Picky"))))
    """
    install("frail", catalogue=catalogue, code=code)
    code, out, err = run("bench", "frail", "frail-picky", "moba", "--lengths", "64,128", "--dim", "32", "--markdown")
    assert code == 1
    assert "frail at length 128: ValueError: too long for me" in err
    assert "frail-picky at length 64" in err
    assert "never fits" in err
    assert "frail-picky" not in out
    head, _, frail, moba = out.strip().splitlines()
    assert head == "| layer | causal | 64 | 128 | memory at 64 |"
    assert [cell.strip() for cell in frail.split("|")][4] == "-"
    assert float(moba.split("|")[4]) > 0


def test_bench_counts_the_memory_that_a_pass_adds():
    from zoo.evidence import bench

    job = {"name": bench.BASELINE, "causal": True, "length": 4096, "dim": 64, "heads": 2, "device": "cpu"}
    # Queries, keys, values, outputs of the heads and of the layer: five times 1 MiB, and what the kernels need.
    assert 4.5 * 2**20 < bench._in_process("bytes", job) < 10 * 2**20
    with pytest.raises(RuntimeError, match="no-such-layer"):
        bench._in_process("seconds", job | {"name": "no-such-layer"})


def test_doctor_names_broken_plugins_with_their_traceback(run, acme, install):
    code, out, _ = run("doctor")
    assert code == 0
    assert "acme" in out
    install("broken", catalogue="1 / 0")
    code, out, _ = run("doctor")
    assert code == 1
    assert "BROKEN broken" in out
    assert "ZeroDivisionError" in out
    assert "broken is broken" not in out


GREET = """
    import click
    from zoo import hookimpl

    @click.command("greet")
    def greet():
        "Say hello."
        click.echo("hello from " + __name__)

    @click.command("list")
    def shadow():
        "Stand in the way."

    @hookimpl
    def zoo_commands():
        return [greet, shadow]
"""


def test_commands_of_plugins_appear_and_shadow_nothing(run, install):
    install("talker", catalogue=GREET)
    assert "greet" in run("--help")[1]
    assert run("greet")[1] == "hello from pkg_zoo_talker.catalogue\n"
    assert "moba" in run("list")[1]
    assert run("talker:list")[1] == ""
    install("parrot", catalogue=GREET)
    assert run("greet")[0] == 2
    assert run("parrot:greet")[1] == "hello from pkg_zoo_parrot.catalogue\n"


@pytest.mark.parametrize(
    ("words", "needed"),
    [
        (["list"], set()),
        (["list", "--json"], set()),
        (["doctor"], set()),
        (["--help"], set()),
        (["info", "attention-taxonomy"], {"omegaconf"}),
        (["info", "attention-taxonomy", "--json"], {"omegaconf"}),
    ],
)
def test_listing_loads_nothing_heavy(words, needed):
    heavy = {"torch", "huggingface_hub", "rich", "omegaconf", "numpy", "transformers"} - needed
    code = (
        f"import sys\nfrom zoo.cli import main\ntry:\n    main({words})\nexcept SystemExit:\n    pass\n"
        f"print('HEAVY', sorted({heavy} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "HEAVY []" in done.stdout
