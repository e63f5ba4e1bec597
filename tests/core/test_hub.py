"""Weights from the Hub, with the real client against the local server, well-behaved and not."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
import warnings
from pathlib import Path

import pytest
import torch
from safetensors.torch import save

import zoo
from zoo.weights import fetch, hub, open_state

STATE = {"weight": torch.arange(40_000, dtype=torch.float32), "bias": torch.ones(3)}
BODY = save(STATE)


def content(paths):
    return open_state(paths)


def same(paths):
    state = open_state(paths)
    return set(state) == set(STATE) and all(torch.equal(state[name], tensor) for name, tensor in STATE.items())


def sharded(folder: str = "") -> dict[str, bytes]:
    parts = {f"{folder}part-{i}.safetensors": save({name: tensor}) for i, (name, tensor) in enumerate(STATE.items())}
    index = {"weight_map": {name: f"part-{i}.safetensors" for i, name in enumerate(STATE)}}
    return {**parts, f"{folder}model.safetensors.index.json": json.dumps(index).encode()}


def blobs(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.glob("models--*/blobs/*"))


@pytest.mark.usefixtures("zoo_hub")
class TestAHubThatBehaves:
    def test_single_file_branch_and_commit(self, zoo_hub):
        commit = zoo_hub.add("someone/model", {"model.safetensors": BODY})
        assert same(fetch("hf://someone/model"))
        assert same(fetch(f"hf://someone/model@{commit}/model.safetensors"))

    def test_a_pinned_commit_in_the_cache_asks_nobody(self, zoo_hub):
        commit = zoo_hub.add("someone/model", {"model.safetensors": BODY})
        fetch(f"hf://someone/model@{commit}")
        zoo_hub.requests.clear()
        assert same(fetch(f"hf://someone/model@{commit}"))
        assert zoo_hub.requests == []

    def test_a_branch_that_moved_is_followed(self, zoo_hub):
        zoo_hub.add("someone/model", {"model.safetensors": save({"weight": torch.zeros(2)})})
        fetch("hf://someone/model")
        zoo_hub.add("someone/model", {"model.safetensors": BODY})
        assert same(fetch("hf://someone/model"))

    @pytest.mark.parametrize("folder", ["", "deep/down/"])
    def test_shards_come_from_the_commit_of_their_index(self, zoo_hub, folder):
        first = zoo_hub.add("someone/model", sharded(folder))
        zoo_hub.add("someone/model", dict.fromkeys(sharded(folder), b"damaged"), branch="other")
        (index,) = [path for path in sharded(folder) if path.endswith(".json")]
        assert same(fetch(f"hf://someone/model/{index}"))
        assert {path.split("/")[2] for _, path in zoo_hub.requests if path.startswith("/cdn")} == {first}

    def test_sharded_weights_load_offline(self, zoo_hub, monkeypatch):
        zoo_hub.add("someone/model", sharded())
        fetch("hf://someone/model")
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
        with pytest.warns(UserWarning, match="using the cached copy"):
            assert same(fetch("hf://someone/model"))

    def test_a_pull_request_is_a_revision(self, zoo_hub):
        zoo_hub.add("someone/model", {"model.safetensors": BODY}, branch="refs/pr/3")
        assert same(fetch("hf://someone/model@refs/pr/3"))
        assert same(fetch("hf://someone/model@refs/pr/3/model.safetensors"))

    def test_a_shard_name_that_escapes_is_refused(self, zoo_hub):
        index = b'{"weight_map": {"weight": "../../../../etc/passwd"}}'
        zoo_hub.add("someone/model", {"model.safetensors.index.json": index})
        with pytest.raises(zoo.WeightsError, match="leads out of its folder"):
            fetch("hf://someone/model")
        with pytest.raises(zoo.WeightsError, match="leads out of its folder"):
            fetch("hf://someone/model/../other/model.safetensors")

    def test_ranges(self, zoo_hub):
        commit = zoo_hub.add("someone/model", {"notes.txt": b"0123456789"})
        url = f"{zoo_hub.endpoint}/someone/model/resolve/{commit}/notes.txt"
        part = urllib.request.Request(url, headers={"Range": "bytes=3-5"})
        with urllib.request.urlopen(part) as answer:
            assert (answer.status, answer.read(), answer.headers["Content-Range"]) == (206, b"345", "bytes 3-5/10")
        beyond = urllib.request.Request(url, headers={"Range": "bytes=10-"})
        with pytest.raises(urllib.error.HTTPError, match="416"):
            urllib.request.urlopen(beyond)

    def test_what_is_missing_is_named(self, zoo_hub):
        zoo_hub.add("someone/model", {"notes.txt": b"x"})
        with pytest.raises(zoo.WeightsError, match=r"neither model.safetensors nor model.safetensors.index.json"):
            fetch("hf://someone/model")
        with pytest.raises(zoo.DownloadError, match="no revision 'v9'"):
            fetch("hf://someone/model@v9/model.safetensors")
        with pytest.raises(zoo.DownloadError, match="no repository 'nobody/nothing'"):
            fetch("hf://nobody/nothing")
        with pytest.raises(zoo.PickleRefused, match=r"zoo convert pytorch_model.bin"):
            fetch("hf://someone/model/pytorch_model.bin")
        with pytest.raises(zoo.WeightsError, match="not of the form"):
            fetch("hf://justone")

    @pytest.mark.parametrize(("kind", "message"), [("private", "private and no token"), ("gated", "is gated")])
    def test_private_and_gated_repositories_ask_for_the_token(self, zoo_hub, monkeypatch, kind, message):
        zoo_hub.add("someone/model", {"model.safetensors": BODY}, **{kind: True})
        with pytest.raises(zoo.DownloadError, match=f"{message}.*HF_TOKEN"):
            fetch("hf://someone/model")
        monkeypatch.setenv("HF_TOKEN", zoo_hub.token)
        assert same(fetch("hf://someone/model"))


@pytest.mark.usefixtures("zoo_hub")
class TestAHubThatMisbehaves:
    @pytest.fixture(autouse=True)
    def no_waiting(self, monkeypatch):
        self.waited = []
        monkeypatch.setattr(hub.time, "sleep", self.waited.append)

    @pytest.mark.parametrize("fault", [{"flip_at": 5000}, {"body": b"<html>log in</html>"}])
    def test_wrong_bytes_of_the_right_size_are_refused_and_removed(self, zoo_hub, zoo_hub_cache, fault):
        zoo_hub.add("someone/model", {"model.safetensors": BODY})
        zoo_hub.misbehave("model.safetensors", **fault)
        with pytest.raises(zoo.DigestMismatch, match=r"sha256 [0-9a-f]{64}; expected [0-9a-f]{64}"):
            fetch("hf://someone/model")
        assert blobs(zoo_hub_cache) == []
        assert same(fetch("hf://someone/model")), "the retry is clean"

    @pytest.mark.parametrize("fault", [{"flip_at": 30}, {"body": b"<html>log in</html>"}])
    def test_so_are_those_of_a_small_file_outside_lfs(self, zoo_hub, zoo_hub_cache, fault):
        zoo_hub.add("someone/model", sharded())
        zoo_hub.misbehave("model.safetensors.index.json", **fault)
        with pytest.raises(zoo.DigestMismatch, match=r"git id [0-9a-f]{40}; expected [0-9a-f]{40}"):
            fetch("hf://someone/model")
        assert blobs(zoo_hub_cache) == []
        assert same(fetch("hf://someone/model")), "the retry is clean"

    def test_a_file_damaged_in_the_cache_is_found_out(self, zoo_hub, zoo_hub_cache):
        commit = zoo_hub.add("someone/model", {"model.safetensors": BODY})
        (path,) = fetch(f"hf://someone/model@{commit}")
        damaged = bytearray(BODY)
        damaged[-1] ^= 1
        path.resolve().write_bytes(damaged)
        with pytest.raises(zoo.DigestMismatch, match="removed from the cache"):
            fetch(f"hf://someone/model@{commit}")
        assert same(fetch(f"hf://someone/model@{commit}"))

    def test_a_declared_digest_is_checked_too(self, zoo_hub):
        zoo_hub.add("someone/model", {"model.safetensors": BODY})
        with pytest.raises(zoo.DigestMismatch, match="expected " + "0" * 64):
            fetch(zoo.Weights("hf://someone/model", sha256="0" * 64))
        assert same(fetch(zoo.Weights("hf://someone/model", sha256=hashlib.sha256(BODY).hexdigest(), size=len(BODY))))

    def test_progress_is_shown(self, zoo_hub, monkeypatch, capfd):
        monkeypatch.delenv("HF_HUB_DISABLE_PROGRESS_BARS")
        monkeypatch.setenv("TQDM_POSITION", "-1")
        zoo_hub.add("someone/model", {"model.safetensors": BODY})
        fetch("hf://someone/model")
        assert "model.safetensors: 100%" in capfd.readouterr().err

    def test_a_cut_body_is_resumed(self, zoo_hub):
        zoo_hub.add("someone/model", {"model.safetensors": BODY})
        zoo_hub.misbehave("model.safetensors", cut_at=70_000, times=2)
        assert same(fetch("hf://someone/model"))
        assert sum(method == "GET" and "/cdn/" in path for method, path in zoo_hub.requests) == 3

    @pytest.mark.parametrize("status", [500, 502, 503, 504])
    def test_server_errors_on_the_body_are_retried_with_back_off(self, zoo_hub, status):
        zoo_hub.add("someone/model", {"model.safetensors": BODY})
        zoo_hub.misbehave("model.safetensors", status=status, times=2)
        assert same(fetch("hf://someone/model"))
        assert [wait for wait in self.waited if wait >= 0.5][:2] == [0.5, 1.0]

    @pytest.mark.parametrize("fault", [{"status": 503}, {"status": 429, "retry_after": 1}, {"stall": 0.2}])
    def test_so_are_those_of_the_first_question(self, zoo_hub, fault, monkeypatch):
        monkeypatch.setenv("HF_HUB_ETAG_TIMEOUT", "0.1")
        zoo_hub.add("someone/model", {"model.safetensors": BODY})
        zoo_hub.misbehave("*", on_head=True, times=1, **fault)
        assert same(fetch("hf://someone/model"))

    def test_rate_limits_are_obeyed(self, zoo_hub):
        zoo_hub.add("someone/model", {"model.safetensors": BODY})
        zoo_hub.misbehave("model.safetensors", status=429, retry_after=7, times=1)
        assert same(fetch("hf://someone/model"))
        assert any(6 <= wait <= 9 for wait in self.waited)

    def test_a_server_that_never_recovers_is_an_error_that_says_what_is_not_cached(self, zoo_hub):
        zoo_hub.add("someone/model", {"model.safetensors": BODY})
        zoo_hub.misbehave("model.safetensors", status=503, times=-1)
        with pytest.raises(zoo.DownloadError, match=r"model@main/model.safetensors is not in the cache.*503"):
            fetch("hf://someone/model")

    def test_a_stall_ends_in_an_error(self, zoo_hub, monkeypatch):
        import huggingface_hub.constants

        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DOWNLOAD_TIMEOUT", 0.1)
        monkeypatch.setattr(hub, "ATTEMPTS", 1)
        zoo_hub.add("someone/model", {"model.safetensors": BODY})
        zoo_hub.misbehave("model.safetensors", stall=0.6, times=-1)
        monkeypatch.setattr(hub.time, "sleep", lambda seconds: None)
        with pytest.raises(zoo.DownloadError, match=r"cannot be reached \(\w*Timeout"):
            fetch("hf://someone/model")

    def test_a_hub_that_is_gone_falls_back_to_the_cache_with_a_warning(self, zoo_hub, monkeypatch):
        zoo_hub.add("someone/model", {"model.safetensors": BODY})
        fetch("hf://someone/model")
        monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
        with pytest.warns(UserWarning, match=r"cannot be reached.*using the cached copy"):
            assert same(fetch("hf://someone/model"))
        with pytest.raises(zoo.DownloadError, match=r"someone/other@main/model.safetensors is not in the cache"):
            fetch("hf://someone/other")

    def test_offline_mode_uses_the_cache_and_says_so(self, zoo_hub, monkeypatch):
        zoo_hub.add("someone/model", {"model.safetensors": BODY})
        fetch("hf://someone/model")
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
        zoo_hub.requests.clear()
        with pytest.warns(UserWarning, match="HF_HUB_OFFLINE is set; using the cached copy"):
            assert same(fetch("hf://someone/model"))
        with pytest.raises(zoo.DownloadError, match=r"not in the cache .* and HF_HUB_OFFLINE is set"):
            fetch("hf://someone/other")
        assert zoo_hub.requests == []

    def test_a_full_disk_leaves_no_half_file(self, zoo_hub, zoo_hub_cache, monkeypatch):
        import huggingface_hub.file_download

        zoo_hub.add("someone/model", {"model.safetensors": BODY})

        def full(url, temp_file, **arguments):
            temp_file.write(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")

        with monkeypatch.context() as patched:
            patched.setattr(huggingface_hub.file_download, "http_get", full)
            with pytest.raises(zoo.DownloadError, match=r"the disk is full.*HF_HUB_CACHE"):
                fetch("hf://someone/model")
        assert blobs(zoo_hub_cache) == []
        assert same(fetch("hf://someone/model"))

    def test_a_file_larger_than_the_disk_is_refused_before_the_download(self, zoo_hub, monkeypatch):
        import shutil

        zoo_hub.add("someone/model", {"model.safetensors": BODY})
        usage = shutil.disk_usage("/")
        monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=10))
        with pytest.raises(zoo.DownloadError, match=r"^the disk is full: .* needs 160,"):
            fetch("hf://someone/model")


def test_two_processes_load_the_same_uncached_weights_at_once(zoo_hub, zoo_hub_cache):
    zoo_hub.add("someone/model", {"model.safetensors": BODY})
    code = "from zoo.weights import fetch, open_state; print(float(open_state(fetch('hf://someone/model'))['weight'].sum()))"
    running = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    results = [process.communicate(timeout=120) for process in running]
    assert [out.strip() for out, _ in results] == [str(float(STATE["weight"].sum()))] * 2, results
    assert len(blobs(zoo_hub_cache)) == 1


def test_push_and_load_again(zoo_hub, monkeypatch, acme):
    layer = zoo.load("layered/wide")
    with pytest.raises(zoo.DownloadError, match="HF_TOKEN"):
        zoo.push(layer, "someone/layer")
    monkeypatch.setenv("HF_TOKEN", zoo_hub.token)
    uri = zoo.push(layer, "someone/layer")
    assert uri.startswith("hf://someone/layer@")
    again = zoo.load(uri)
    assert all(torch.equal(tensor, layer.state_dict()[name]) for name, tensor in again.state_dict().items())
    again = zoo.load("hf://someone/layer")
    assert again.config == layer.config if hasattr(layer, "config") else True
    with pytest.raises(zoo.WeightsError, match="not a repository name"):
        zoo.push(layer, "a/b/c")
    with monkeypatch.context() as patched:
        patched.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
        with pytest.raises(zoo.DownloadError, match="someone/layer: the Hub cannot be reached"):
            zoo.push(layer, "someone/layer")
    files = zoo_hub.repositories["someone/layer"].commits[uri.partition("@")[2]]
    assert {"config.json", "model.safetensors", "README.md"} <= set(files)
    from huggingface_hub import ModelCard

    assert ModelCard(files["README.md"].decode()).data.library_name == "attention-zoo"


def test_config_and_weights_come_from_one_commit(zoo_hub, monkeypatch, acme):
    monkeypatch.setenv("HF_TOKEN", zoo_hub.token)
    zoo.push(zoo.load("layered/wide"), "someone/layer")
    read = hub.fetch_one

    def while_somebody_pushes(location):
        path = read(location)
        if location.file == "config.json":
            zoo.push(zoo.load("layered"), "someone/layer")
        return path

    monkeypatch.setattr(hub, "fetch_one", while_somebody_pushes)
    assert zoo.load("hf://someone/layer").first.weight.shape == (16, 16)


def test_a_method_has_no_weights_and_a_model_must_have_some(zoo_hub, monkeypatch, acme, tmp_path):
    monkeypatch.setenv("HF_TOKEN", zoo_hub.token)
    zoo.push(zoo.load("layered-method", dim=4), "someone/method")
    assert zoo.load("hf://someone/method").config.dim == 4
    files = zoo_hub.repositories["someone/method"]
    config = files.commits[files.branches["main"]]["config.json"].replace(b"layered-method", b"layered")
    zoo_hub.add("someone/emptied", {"config.json": config})
    with pytest.raises(zoo.WeightsError, match=r"holds neither model.safetensors nor"):
        zoo.load("hf://someone/emptied")
    assert zoo.load("hf://someone/emptied", weights=None).first.weight.shape == (4, 4)
    (zoo.save(zoo.load("layered"), tmp_path / "saved") / "model.safetensors").unlink()
    with pytest.raises(zoo.WeightsError, match=r"holds no model.safetensors"):
        zoo.load(tmp_path / "saved")


def test_what_the_zoo_did_not_push_says_how_to_use_it(zoo_hub, tmp_path, monkeypatch):
    zoo_hub.add("someone/model", {"model.safetensors": BODY})
    with pytest.raises(
        zoo.WeightsError, match=r"no config.json .*load an entry by name with weights='hf://someone/model'"
    ):
        zoo.load("hf://someone/model")
    zoo_hub.add("someone/model", {"config.json": b'{"model_type": "bert"}'})
    with pytest.raises(zoo.WeightsError, match=r"not written by zoo.save .*load an entry by name"):
        zoo.load("hf://someone/model")
    (tmp_path / "model.safetensors").write_bytes(BODY)
    monkeypatch.chdir(tmp_path)
    for place in ("hf://someone/model/model.safetensors", tmp_path / "model.safetensors", "model.safetensors"):
        with pytest.raises(zoo.InputError, match="is a file; load an entry by name with weights="):
            zoo.load(place)


def test_something_of_a_plugin_that_is_not_here_names_it(zoo_hub, monkeypatch, acme):
    monkeypatch.setenv("HF_TOKEN", zoo_hub.token)
    zoo.push(zoo.load("layered"), "someone/layer")
    monkeypatch.setenv("ZOO_PLUGINS_DISABLED", "acme")
    from zoo import catalogue

    catalogue.refresh()
    with pytest.raises(zoo.PluginError, match="plugin 'acme', which is disabled here"):
        zoo.load("hf://someone/layer")
    config = zoo_hub.repositories["someone/layer"]
    files = config.commits[config.branches["main"]]
    zoo_hub.add("someone/layer", {"config.json": files["config.json"].replace(b"acme", b"absent")})
    with pytest.raises(zoo.PluginError, match=r"'absent', which is not installed here. Run: pip install zoo-absent"):
        zoo.load("hf://someone/layer")


def test_the_server_is_a_command(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-m", "zoo.cli", "hub-server", "--port", "0"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert "HF_ENDPOINT=http://127.0.0.1:" in line
        endpoint = line.split("HF_ENDPOINT=")[1].split()[0]
        for body, status in (
            (b'{"file": "*", "status": 503}', 204),
            (b'{"file": "*", "mood": "bad"}', 400),
            (b"[", 400),
        ):
            request = urllib.request.Request(f"{endpoint}/misbehave", data=body)
            try:
                answer = urllib.request.urlopen(request).status
            except urllib.error.HTTPError as error:
                answer = error.code
            assert answer == status
    finally:
        process.terminate()
        process.wait(timeout=10)


def test_warnings_are_not_hidden_by_the_fixture(zoo_hub):
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        zoo_hub.add("someone/model", {"model.safetensors": BODY})
        fetch("hf://someone/model")
    assert not seen
    assert os.environ["HF_ENDPOINT"] == zoo_hub.endpoint
