"""``zoo convert``: pickles become safetensors, whole, and nothing in them runs."""

from __future__ import annotations

import os

import pytest
import torch
from safetensors.torch import load_file

import zoo
from zoo.weights import convert_pickle


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
    with pytest.raises(zoo.InputError, match="cannot be written"):
        convert_pickle(path, path / "folder.safetensors")
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


@pytest.mark.parametrize(
    "content", [b"root:x:0:0\n", b"", b".", b"0", b"c\n", b"\x80\x04]", b"PK\x03\x04", b"\xff" * 99]
)
def test_whatever_is_no_pickle_is_an_error_of_ours(tmp_path, content):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(zoo.WeightsError):
        convert_pickle(tmp_path / "file")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_what_is_no_file_is_not_replaced(tmp_path):
    torch.save({"a": ONE}, tmp_path / "old.pth")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    (tmp_path / "folder").mkdir()
    for name in ("pipe", "link", "folder"):
        with pytest.raises(zoo.InputError, match="is a folder or a device; expected"):
            convert_pickle(tmp_path / "old.pth", tmp_path / name)
    assert (tmp_path / "pipe").is_fifo()


@pytest.fixture
def convert(tmp_path):
    """Save with torch, convert, and read the result."""

    def make(content: object, **options):
        torch.save(content, tmp_path / "old.pth")
        return load_file(convert_pickle(tmp_path / "old.pth", **options))

    return make


ONE, TWO = torch.ones(1), torch.full((1,), 2.0)


def test_every_tensor_of_lists_tuples_and_mappings_keeps_a_name(convert):
    shared = torch.zeros(3)
    state = convert({"a": [ONE, {"b": TWO}], "c": (shared, (shared,)), 7: ONE, "n": (1, 2), "m": (1, 2)})
    assert {name: tensor.tolist() for name, tensor in state.items()} == {
        "a.0": [1],
        "a.1.b": [2],
        "c.0": [0, 0, 0],
        "c.1.0": [0, 0, 0],
        "7": [1],
    }


@pytest.mark.parametrize(
    "content", [{"a": {"b": ONE}, "a.b": TWO}, {1: ONE, "1": TWO}, {"a": [ONE], "a.0": TWO}, {"": {"": ONE}, ".": TWO}]
)
def test_two_tensors_of_one_name_are_refused(convert, content, tmp_path):
    with pytest.raises(zoo.WeightsError, match="two tensors that would both be called"):
        convert(content)
    assert [path.name for path in tmp_path.iterdir()] == ["old.pth"]


def test_names_that_a_file_cannot_hold_are_refused(convert):
    with pytest.raises(zoo.WeightsError, match="keeps for itself"):
        convert({"__metadata__": ONE})
    with pytest.raises(zoo.WeightsError, match="cannot hold: UnicodeEncodeError"):
        convert({"\ud800": ONE})
    with pytest.raises(zoo.WeightsError, match="a tensor without a name"):
        convert(ONE)
    with pytest.raises(zoo.WeightsError, match=r"has no 'a\.b'; what is there holds no names"):
        convert({"a": ONE}, key="a.b")


def endless(kind):
    content = {"w": ONE}
    inside = [content] if kind == "list" else content
    content["model" if kind == "wrapper" else "again"] = inside
    return content


@pytest.mark.parametrize("kind", ["mapping", "list", "wrapper"])
def test_a_checkpoint_that_holds_itself_ends_in_an_error(convert, kind):
    with pytest.raises(zoo.WeightsError, match="holds one container twice"):
        convert(endless(kind))


def test_containers_that_share_containers_cannot_multiply(convert):
    barren, fruitful = [1.0], [ONE]
    for _ in range(60):
        barren, fruitful = [barren, barren], [fruitful, fruitful]
    assert convert({"w": ONE, "betas": barren}).keys() == {"w"}
    with pytest.raises(zoo.WeightsError, match="holds one container twice"):
        convert({"w": fruitful})


def test_deeper_than_the_stack_of_python(tmp_path, monkeypatch):
    content = {"w": ONE}
    for _ in range(5000):
        content = {"x": content}
    # torch.save itself would recurse; what torch.load gives is what counts.
    monkeypatch.setattr(torch, "load", lambda *args, **options: content)
    (tmp_path / "old.pth").touch()
    (name,) = load_file(convert_pickle(tmp_path / "old.pth"))
    assert name == "x." * 5000 + "w"


def test_what_lies_beside_the_usual_wrappers_is_said_and_can_be_chosen(convert):
    content = {"model": {"w": ONE}, "ema": {"w": TWO}, "epoch": 3}
    with pytest.warns(UserWarning, match=r"taking 'model' and leaving out ema, which hold tensors too"):
        assert convert(content)["w"] == 1
    assert convert(content, key="ema")["w"] == 2
    assert convert({"a.b": {"w": ONE}}, key="a.b")["w"] == 1
    # Inside a wrapper a name of that list may be a part of the model.
    assert convert({"state_dict": {"net": {"w": ONE}, "head": TWO}}).keys() == {"net.w", "head"}
    assert convert({"model": {"state_dict": {"w": ONE}}, "epoch": 3}).keys() == {"w"}


def test_an_interrupted_write_leaves_the_old_file(convert, tmp_path, monkeypatch):
    assert convert({"w": ONE})["w"] == 1

    def full(state, path):
        path.write_text("half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("safetensors.torch.save_file", full)
    with pytest.raises(zoo.WeightsError, match=r"cannot be written.*No space left"):
        convert({"w": TWO})
    assert load_file(tmp_path / "old.safetensors")["w"] == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["old.pth", "old.safetensors"]
