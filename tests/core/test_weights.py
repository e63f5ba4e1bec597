"""Local weights: damaged files, foreign files, digests, schemes, conversion, saving, and no copies."""

from __future__ import annotations

import hashlib
import json
import struct
import subprocess
import sys

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save, save_file

import zoo
from zoo.weights import convert_pickle, fetch, open_state, read_metadata, verify

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
        (b"", "too short"),
        (b"abc", "too short"),
        (BODY[:-1], "truncated or damaged"),
        (BODY[:40], "announces a header"),
        (BODY + b"x", "belong to no tensor"),
        (headed({}, length=2**63), "announces a header of 9,223,372,036,854,775,808 bytes"),
        (headed({}, length=10**12), "announces a header"),
        (headed(b"{not json}"), "not JSON"),
        (headed(b"[1, 2]"), "not JSON|not a JSON object"),
        (headed({"a": {"dtype": "F32"}}), "no proper dtype"),
        (headed({"a": tensor("F99")}, bytes(8)), "unknown dtype 'F99'"),
        (headed({"a": tensor(["F32"])}, bytes(8)), "no proper dtype"),
        (headed(b'{"a": {"dtype": "F32", "shape": [1e999], "data_offsets": [0, 8]}}', bytes(8)), "no proper dtype"),
        (headed(b'{"a": {"shape": [' + b"9" * 5000 + b"]}}"), "not JSON"),
        (headed({"a": tensor(shape=(0, 2**63), offsets=(0, 0))}), "absurd shape"),
        (headed({"a": tensor(shape=(10**9, 10**9))}, bytes(8)), "does not fill"),
        (headed({"a": tensor(shape=(-2,))}, bytes(8)), "truncated or damaged"),
        (headed({"a": tensor(offsets=(8, 0))}, bytes(8)), "truncated or damaged"),
        (headed({"a": tensor(), "b": tensor()}, bytes(8)), "overlaps"),
        (headed({"a": tensor(offsets=(4, 12))}, bytes(12)), "leaves a gap"),
        (b"<!DOCTYPE html><html>log in</html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git-lfs pointer"),
        (b"GGUF" + bytes(100), "a GGUF file"),
        (b"\0" * 100, "not JSON|announces"),
    ],
)
def test_damaged_and_foreign_files_are_refused_with_a_reason(file, content, message):
    with pytest.raises(zoo.WeightsError, match=message):
        open_state([file(content)])


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


def test_pickles_are_refused_by_load_and_opened_by_convert_only(tmp_path, acme):
    path = tmp_path / "old.pth"
    state = zoo.load("layered").state_dict()
    torch.save({"epoch": 3, "state_dict": state}, path)
    with pytest.raises(zoo.PickleRefused, match="zoo convert"):
        zoo.load("layered", weights=path)
    converted = convert_pickle(path)
    loaded = zoo.load("layered", weights=converted)
    assert all(torch.equal(tensor, state[name]) for name, tensor in loaded.state_dict().items())
    with pytest.raises(zoo.WeightsError, match="has no 'ema'"):
        convert_pickle(path, key="ema")
    with pytest.raises(zoo.WeightsError, match="does not exist"):
        convert_pickle(tmp_path / "absent.pth")
    with pytest.raises(zoo.WeightsError, match="would be written over"):
        convert_pickle(converted)
    with pytest.raises(zoo.WeightsError, match="cannot be written"):
        convert_pickle(path, tmp_path / "no" / "folder.safetensors")
    torch.save({"a": torch.eye(2).to_sparse()}, path)
    with pytest.raises(zoo.WeightsError, match="cannot hold"):
        convert_pickle(path)
    torch.save(torch.nn.Linear(2, 2), path)
    with pytest.raises(zoo.PickleRefused, match=r"\(Unsupported global: GLOBAL torch\.nn\.modules\.linear\.Linear\)"):
        convert_pickle(path)


class Evil:
    def __reduce__(self):
        return (print, ("this must never run",))


def test_a_pickle_that_needs_more_than_tensors_is_refused(tmp_path, capsys):
    path = tmp_path / "evil.pth"
    torch.save({"model": Evil()}, path)
    with pytest.raises(zoo.PickleRefused, match="more than tensors"):
        convert_pickle(path)
    assert "must never run" not in capsys.readouterr().out
    assert not path.with_suffix(".safetensors").exists()
    path.write_bytes(b"nonsense")
    with pytest.raises(zoo.WeightsError):
        convert_pickle(path)


def test_declared_digest_and_size_are_checked_and_remembered(file, tmp_path, monkeypatch):
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    path = file(BODY)
    digest = hashlib.sha256(BODY).hexdigest()
    fetch(zoo.Weights(f"file://{path}", sha256=digest, size=len(BODY)))
    from zoo.weights import digests

    with monkeypatch.context() as patched:
        patched.setattr(digests, "sha256_of", lambda path: pytest.fail("verified blobs are remembered"))
        verify(path, sha256=digest)
    path.write_bytes(BODY[:-1] + b"\1")
    with pytest.raises(zoo.DigestMismatch, match=rf"has sha256 [0-9a-f]{{64}}; expected {digest}"):
        fetch(zoo.Weights(f"file://{path}", sha256=digest))
    with pytest.raises(zoo.DigestMismatch, match="bytes; expected 5"):
        fetch(zoo.Weights(f"file://{path}", size=5))


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


def test_save_and_load_are_bit_identical_and_ties_survive(tmp_path, acme):
    layer = zoo.load("layered/wide", rate=0.5)
    layer.norm.running_mean += torch.randn(16)
    folder = zoo.save(layer, tmp_path / "saved")
    again = zoo.load(folder)
    assert again.zoo_origin.config["rate"] == 0.5
    assert again.second.weight is again.first.weight
    assert all(torch.equal(tensor, layer.state_dict()[name]) for name, tensor in again.state_dict().items())
    zoo.save(again, folder)
    assert zoo.load(str(folder), weights=None).zoo_origin.preset == "wide"
    method = zoo.save(zoo.load("layered-method", dim=4), tmp_path / "method")
    assert zoo.load(method).config.dim == 4
    with pytest.raises(zoo.InputError, match="was not made by"):
        zoo.save(torch.nn.Linear(2, 2), tmp_path / "foreign")
    (tmp_path / "plain").mkdir()
    with pytest.raises(zoo.WeightsError, match=r"has no config\.json"):
        zoo.load(tmp_path / "plain")
    for foreign in ('{"model_type": "bert"}', "[]", "{", '{"zoo": {"plugin": 3}, "config": {}}'):
        (tmp_path / "plain" / "config.json").write_text(foreign)
        with pytest.raises(zoo.WeightsError, match=r"not written by zoo\.save"):
            zoo.load(tmp_path / "plain")


def test_a_save_replaces_what_it_wrote_and_nothing_else(tmp_path, acme, monkeypatch):
    folder = zoo.save(zoo.load("layered"), tmp_path / "saved")
    (folder / "model_of_mine.safetensors").write_text("precious")
    before = (folder / "model.safetensors").read_bytes()

    def full(state, path, **options):
        (path / "model.safetensors").write_text("half")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("huggingface_hub.save_torch_state_dict", full)
        with pytest.raises(zoo.WeightsError, match=r"cannot be saved.*No space left"):
            zoo.save(zoo.load("layered"), folder)
    assert (folder / "model.safetensors").read_bytes() == before, "the earlier save is whole"
    (folder / "model-00001-of-00002.safetensors").write_text("of an earlier, sharded save")
    zoo.save(zoo.load("layered-method"), folder)
    assert sorted(path.name for path in folder.iterdir()) == ["README.md", "config.json", "model_of_mine.safetensors"]
    project = tmp_path / "project"
    project.mkdir()
    (project / "README.md").write_text("precious")
    with pytest.raises(zoo.InputError, match=r"README.md, which zoo.save did not write"):
        zoo.save(zoo.load("layered"), project)
    with pytest.raises(zoo.InputError, match="meta device and has no values"):
        zoo.save(zoo.load("layered", device="meta"), tmp_path / "meta")


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
