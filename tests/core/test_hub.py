"""Weights from the Hub, with the real client against the local server, well-behaved and not."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import subprocess
import sys
import threading
import urllib.error
import urllib.request
import warnings
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from safetensors.torch import save

import zoo
from zoo.weights import digests, fetch, hub, hub_failures, open_state, sources

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


def damage(path: Path) -> None:
    """Change the last byte in place: the same file, of the same size."""
    with path.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        last = file.read(1)[0]
        file.seek(-1, os.SEEK_END)
        file.write(bytes([last ^ 1]))


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
        monkeypatch.setattr(hub_failures.time, "sleep", self.waited.append)

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
        damage(path)
        with pytest.raises(zoo.DigestMismatch, match="removed from the cache"):
            fetch(f"hf://someone/model@{commit}")
        assert same(fetch(f"hf://someone/model@{commit}"))

    @pytest.mark.parametrize("links", [True, False])
    @pytest.mark.parametrize("revision", ["main", "commit"])
    def test_damage_is_found_out_whether_the_cache_holds_links_or_files(
        self, zoo_hub, zoo_hub_cache, monkeypatch, links, revision
    ):
        import huggingface_hub.constants

        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_SYMLINKS", not links)
        commit = zoo_hub.add("someone/model", {"model.safetensors": BODY})
        place = f"hf://someone/model@{commit if revision == 'commit' else revision}"
        (path,) = fetch(place)
        assert path.is_symlink() == links
        damage(path)
        with pytest.raises(zoo.DigestMismatch, match="removed from the cache"):
            fetch(place)
        assert not list(zoo_hub_cache.glob("models--*/snapshots/*/*"))
        assert same(fetch(place)), "the retry is clean"
        damage(path)
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with pytest.raises(zoo.DigestMismatch, match="removed from the cache"):
                fetch(place)

    def test_a_blob_that_changed_under_the_same_time_stamp_is_found_out(self, zoo_hub, monkeypatch):
        monkeypatch.setattr(digests, "SETTLED", 0)
        commit = zoo_hub.add("someone/model", {"model.safetensors": BODY})
        (path,) = fetch(f"hf://someone/model@{commit}")
        before = path.stat()
        assert same(fetch(f"hf://someone/model@{commit}"))
        damage(path)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        with pytest.raises(zoo.DigestMismatch, match="removed from the cache"):
            fetch(f"hf://someone/model@{commit}")

    @pytest.mark.parametrize("links", [True, False])
    def test_what_came_without_a_digest_is_said_once_and_held_against_what_came(self, zoo_hub, monkeypatch, links):
        import huggingface_hub.constants

        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_SYMLINKS", not links)
        zoo_hub.add("someone/model", {"model.safetensors": BODY})
        zoo_hub.misbehave("model.safetensors", etag="5d8c72a5edda8d6a-38", on_head=True, times=-1)
        with pytest.warns(UserWarning, match="model.safetensors cannot be checked") as said:
            (path,) = fetch("hf://someone/model")
        assert len(said) == 1
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert same(fetch("hf://someone/model"))
        damage(path)
        with pytest.raises(zoo.DigestMismatch, match="removed from the cache"):
            fetch("hf://someone/model")

    def test_a_file_of_an_unlinked_cache_that_somebody_else_filled_is_asked_about(self, zoo_hub, zoo_hub_cache):
        commit = zoo_hub.add("someone/model", {"model.safetensors": BODY})
        folder = zoo_hub_cache / "models--someone--model" / "snapshots" / commit
        folder.mkdir(parents=True)
        (folder / "model.safetensors").write_bytes(BODY)
        assert same(fetch(f"hf://someone/model@{commit}"))
        zoo_hub.requests.clear()
        assert same(fetch(f"hf://someone/model@{commit}"))
        assert zoo_hub.requests == [], "asked once"
        damage(folder / "model.safetensors")
        with pytest.raises(zoo.DigestMismatch, match="removed from the cache"):
            fetch(f"hf://someone/model@{commit}")

    def test_a_file_named_like_a_digest_is_held_against_the_hub_and_not_its_name(self, zoo_hub, monkeypatch):
        import huggingface_hub.constants

        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_SYMLINKS", True)
        commit = zoo_hub.add("someone/model", {f"blobs/{'0' * 64}": b"{}"})
        place = hub.parse(f"hf://someone/model@{commit}/blobs/{'0' * 64}")
        for _ in range(2):
            assert hub.fetch_one(place).read_bytes() == b"{}"

    def test_a_blob_shared_by_repositories_keeps_its_own_name(self, zoo_hub, zoo_hub_cache):
        commit = zoo_hub.add("someone/model", {"model.safetensors": BODY})
        (path,) = fetch(f"hf://someone/model@{commit}")
        blob, shared = path.resolve(), zoo_hub_cache / "blobs" / "ab" / ("ab" * 32)
        shared.parent.mkdir(parents=True)
        blob.rename(shared)
        blob.symlink_to(shared)
        assert same(fetch(f"hf://someone/model@{commit}")), "the shared store names files by another hash"
        damage(path)
        with pytest.raises(zoo.DigestMismatch):
            fetch(f"hf://someone/model@{commit}")
        assert not shared.exists()
        assert same(fetch(f"hf://someone/model@{commit}"))

    @pytest.mark.parametrize("header", ["etag", "commit"])
    @pytest.mark.parametrize("name", ["../../../../escaped", "/tmp/escaped", "..", "C:escaped", "a\\..\\b", "a" * 999])
    def test_a_name_that_climbs_out_of_the_cache_is_refused_before_anything_is_written(
        self, zoo_hub, zoo_hub_cache, header, name
    ):
        zoo_hub.add("someone/model", {"model.safetensors": BODY})
        zoo_hub.misbehave("model.safetensors", on_head=True, times=-1, **{header: name})
        before = set(zoo_hub_cache.parent.rglob("*"))
        with pytest.raises(zoo.DownloadError, match="out of the cache: refused"):
            fetch("hf://someone/model")
        assert set(zoo_hub_cache.parent.rglob("*")) == before

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
        monkeypatch.setattr(hub_failures, "ATTEMPTS", 1)
        zoo_hub.add("someone/model", {"model.safetensors": BODY})
        zoo_hub.misbehave("model.safetensors", stall=0.6, times=-1)
        monkeypatch.setattr(hub_failures.time, "sleep", lambda seconds: None)
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


@pytest.mark.parametrize(
    "name",
    [
        *("hf://../..", "hf://acme/..", "hf://acme/%2e%2e", "hf://acme/dig\nits", "hf://a b/c", "hf://a/b c"),
        *("hf://" + "a" * 5000 + "/b", "hf://acme/a--b", "hf://acme/b.git", "hf://acme/-b", "hf://acme/\ud800"),
        *("hf://acme/b@..", "hf://acme/b@refs/pr/..", "hf://acme/b@\x1b[2J", "hf://acme/b@" + "v" * 300),
        *("hf://acme/b@main/a\0b.safetensors", "hf://acme/b@C:", "hf://acme/b@main\\..\\x"),
    ],
)
def test_names_that_are_none_are_refused_before_anybody_is_asked(zoo_hub, acme, name):
    for action in (
        lambda: zoo.load(name),
        lambda: zoo.load("layered", weights=name),
        lambda: fetch(name),
    ):
        with pytest.raises(zoo.WeightsError, match=r"is not of the form|is not a repo|is not the name|leads out"):
            action()
    assert zoo_hub.requests == []


@pytest.mark.parametrize(("variable", "value"), [("HF_ENDPOINT", "http://x:99999"), ("HF_HUB_ETAG_TIMEOUT", "soon")])
def test_a_client_that_its_environment_keeps_from_starting_is_an_error_of_ours(variable, value):
    code = "import zoo\ntry: zoo.load('hf://a/b')\nexcept zoo.DownloadError as error: print(error)"
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, variable: value}, capture_output=True, text=True, check=True
    )
    assert re.fullmatch(r"the client of the Hub does not start \(.*\); correct the HF_ variables\n", done.stdout)


@pytest.mark.parametrize("name", ["", "a", "a b/c", "../..", "\ud800/b", "a/b" * 100, None, 3, ["a/b"]])
def test_a_push_to_no_repository_is_refused_before_anything_is_written(zoo_hub, acme, monkeypatch, name):
    monkeypatch.setattr("zoo.saving.write", None)
    with pytest.raises(zoo.WeightsError, match="is not a repository name"):
        zoo.push(zoo.load("layered"), name)
    assert zoo_hub.requests == []


class NoHub(BaseHTTPRequestHandler):
    """A web server that is no Hub, and says so politely."""

    status, body, kind = 200, b"", "text/html"

    def answer(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(self.status)
        self.send_header("Content-Type", self.kind)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(self.body)

    do_GET = do_HEAD = do_POST = do_PUT = answer

    def log_message(self, *args):
        """Keep quiet."""


@pytest.fixture
def no_hub(monkeypatch, tmp_path):
    servers = []

    def start(status: int, body: bytes, kind: str) -> str:
        handler = type("Handler", (NoHub,), {"status": status, "body": body, "kind": kind})
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub-cache"))
        monkeypatch.setenv("HF_TOKEN", "hf_test")

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


ANSWERS = {
    "a page": (200, b"<html>welcome</html>", "text/html"),
    "nothing": (200, b"", "text/plain"),
    "an empty object": (200, b"{}", "application/json"),
    "a list": (200, b"[]", "application/json"),
    "a number": (200, b"3", "application/json"),
    "broken JSON": (200, b'{"url": ', "application/json"),
    "other keys": (200, b'{"url": "https://x/y", "commitUrl": 3, "commitOid": null, "files": {}}', "application/json"),
    "not found": (404, b"<html>no</html>", "text/html"),
    "not allowed": (405, b"", "text/html"),
    "a teapot": (418, b"\xff\xfe", "text/plain"),
    "deep JSON": (200, b"[" * 100_000, "application/json"),
}


@pytest.mark.parametrize("answer", ANSWERS)
def test_answers_that_are_not_a_hubs_are_errors_of_ours(no_hub, acme, answer):
    no_hub(*ANSWERS[answer])
    with pytest.raises(zoo.DownloadError, match="someone/layer"):
        zoo.push(zoo.load("layered"), "someone/layer")
    with pytest.raises(zoo.DownloadError):
        fetch("hf://someone/layer")


@pytest.mark.parametrize("oid", ["../../x", "", "main", None])
def test_a_commit_that_is_none_is_not_handed_out(zoo_hub, monkeypatch, acme, oid):
    from zoo.testing.hub_server import Repository

    monkeypatch.setenv("HF_TOKEN", zoo_hub.token)
    monkeypatch.setattr(Repository, "commit", lambda self, files, branch="main": oid)
    with pytest.raises(zoo.DownloadError, match="someone/layer: "):
        zoo.push(zoo.load("layered"), "someone/layer")


def test_a_cache_that_cannot_be_written_is_an_error_at_once(zoo_hub, zoo_hub_cache, monkeypatch):
    waited = []
    monkeypatch.setattr(hub_failures.time, "sleep", waited.append)
    zoo_hub.add("someone/model", {"model.safetensors": BODY})
    zoo_hub_cache.write_text("a file where the folder should be")
    with pytest.raises(zoo.DownloadError, match="Set HF_HUB_CACHE to a folder of yours"):
        fetch("hf://someone/model")
    assert waited == []


def test_a_folder_where_the_cached_file_should_be_is_an_error_of_ours(zoo_hub, zoo_hub_cache):
    commit = zoo_hub.add("someone/model", {"config.json": b"{}"})
    (zoo_hub_cache / "models--someone--model" / "snapshots" / commit / "config.json").mkdir(parents=True)
    with pytest.raises(zoo.WeightsError, match=r"config\.json is a folder"):
        zoo.load("hf://someone/model")


@pytest.mark.parametrize("step", ["verify", "sha256_of"])
def test_a_file_that_goes_from_the_cache_while_it_is_checked_is_an_error_of_ours(zoo_hub, monkeypatch, step):
    zoo_hub.add("someone/model", {"config.json": b"{}", "model.safetensors": BODY})
    real = getattr(hub, step)

    def emptied(path, **options):
        path.unlink()
        return real(path, **options)

    monkeypatch.setattr(hub, step, emptied)
    if step == "sha256_of":
        for name in ("recall", "_blob_name", "_ask_again"):
            monkeypatch.setattr(hub, name, lambda *arguments: None)
        monkeypatch.setattr(hub, "is_digest", lambda etag: False)
    for load in (zoo.load, fetch):
        with pytest.raises(zoo.DownloadError, match="went from the cache while it was read"):
            load("hf://someone/model")


def test_a_declared_file_that_goes_while_it_is_checked_is_an_error_of_ours(tmp_path, monkeypatch):
    file = tmp_path / "model.safetensors"
    file.write_bytes(BODY)
    weights = zoo.Weights(file.as_uri(), sha256=hashlib.sha256(BODY).hexdigest())
    monkeypatch.setattr(sources, "check_regular", Path.unlink)
    with pytest.raises(zoo.WeightsError, match="cannot be read"):
        fetch(weights)


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


@pytest.mark.parametrize("xet", [True, False])
def test_a_push_by_either_transfer_arrives_whole(zoo_hub, monkeypatch, acme, xet):
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_XET", not xet)
    monkeypatch.setenv("HF_TOKEN", zoo_hub.token)
    layer = zoo.load("layered", dim=256)
    with torch.no_grad():
        # Repeated, random and constant parts: packed in every way that the transfer knows.
        layer.first.weight[:128] = torch.arange(256.0)
        layer.first.bias.zero_()
    uri = zoo.push(layer, "someone/layer")
    again = zoo.load(uri)
    assert all(torch.equal(tensor, layer.state_dict()[name]) for name, tensor in again.state_dict().items())
    asked = [path for _, path in zoo_hub.requests]
    assert any("/xet-write-token/" in path for path in asked) == xet
    assert any("/info/lfs/" in path for path in asked) != xet


def test_a_xet_upload_that_is_damaged_is_refused():
    from zoo.testing.xet_store import XetStore

    chunk = b"\0" + (3).to_bytes(3, "little") + b"\0" + (3).to_bytes(3, "little") + b"abc"
    store = XetStore()
    store.add_xorb("x", chunk)
    for damaged in (chunk[:-1], chunk.replace(b"\0" + (3).to_bytes(3, "little") + b"abc", b"\7\3\0\0abc")):
        with pytest.raises(ValueError, match="should have 3"):
            store.add_xorb("x", damaged)


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
