"""A small Hugging Face Hub on this machine, for tests and demonstrations without the internet.

It speaks enough of the Hub's HTTP interface for the real ``huggingface_hub`` client: repository info, file trees,
``resolve`` with HEAD, ETag, commit and size headers, range requests, an LFS-style redirect to a content host,
token checks, repository creation, uploads by LFS and by Xet, and commits. And it misbehaves on request::

    with HubServer() as hub:
        hub.add("owner/repo", {"model.safetensors": data})
        hub.misbehave("model.safetensors", cut_at=100, times=2)

or, from another process, ``POST /misbehave`` with the same as JSON: ``{"file": "model.safetensors", "cut_at": 100}``.
Repositories live in memory.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import sys
import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import unquote, urlsplit

from zoo.evidence.hub_licenses import HUB_LICENSES
from zoo.testing.xet_store import XetStore

# Files that the real Hub keeps outside git: large binaries by suffix.
LFS_SUFFIXES = (".safetensors", ".bin", ".pth", ".pt", ".ckpt", ".onnx", ".npz", ".zip")


@dataclass
class Repository:
    """One repository: its commits (id -> files), branches (name -> commit id), and who may read it."""

    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    private: bool = False
    gated: bool = False

    def commit(self, files: Mapping[str, bytes], branch: str = "main") -> str:
        """Make these the files of a branch; returns the commit's id."""
        listing = sorted((name, hashlib.sha1(content).hexdigest()) for name, content in files.items())
        seed = json.dumps([listing, self.branches.get(branch), uuid.uuid4().hex])
        identity = hashlib.sha1(seed.encode()).hexdigest()
        self.commits[identity] = dict(files)
        self.branches[branch] = identity
        return identity

    def resolve(self, revision: str) -> str | None:
        """Commit id of a branch name or commit id."""
        return self.branches.get(revision) or (revision if revision in self.commits else None)


@dataclass
class Misbehaviour:
    """What goes wrong with a file's body, for the next ``times`` requests.

    Args:
        times: how often; a negative number means always.
        cut_at: close the connection after this many bytes.
        flip_at: change one bit of the byte at this place.
        body: send these bytes instead, padded or cut to the announced size (a captive portal's page).
        status: answer with this status; ``retry_after`` seconds go into the header.
        stall: seconds of silence before the body.
        on_head: also misbehave on HEAD requests (status, stall, etag and commit only).
        etag, commit: announce these instead, on HEAD requests.
    """

    times: int = 1
    cut_at: int | None = None
    flip_at: int | None = None
    body: bytes | None = None
    status: int | None = None
    retry_after: int | None = None
    stall: float = 0.0
    on_head: bool = False
    etag: str | None = None
    commit: str | None = None


class HubServer:
    """The server; a context manager that runs it in a thread.

    Args:
        port: 0 picks a free one.
        token: the only token that is accepted, for writing and for private and gated repositories.
    """

    def __init__(self, port: int = 0, token: str = "hf_test") -> None:
        self.token = token
        self.repositories: dict[str, Repository] = {}
        self.uploads: dict[str, bytes] = {}
        self.xet = XetStore()
        # Of this server alone: the client remembers, by address, what it sent where.
        self.xet_path = f"/cas/{uuid.uuid4().hex}"
        self.faults: dict[str, Misbehaviour] = {}
        self.requests: list[tuple[str, str]] = []
        self.lock = threading.RLock()
        handler = type("Handler", (_Handler,), {"hub": self})
        self.server = _Server(("127.0.0.1", port), handler)

    @property
    def endpoint(self) -> str:
        """What ``HF_ENDPOINT`` must be."""
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def __enter__(self) -> HubServer:
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.server.shutdown()
        self.server.server_close()

    def add(
        self, repo: str, files: Mapping[str, bytes], *, branch: str = "main", private: bool = False, gated: bool = False
    ) -> str:
        """Add files to a repository, made where it does not exist; returns the new commit's id."""
        with self.lock:
            known = self.repositories.setdefault(repo, Repository())
            known.private, known.gated = private, gated
            before = known.commits.get(known.branches.get(branch, ""), {})
            return known.commit({**before, **files}, branch)

    def misbehave(self, file: str, **faults: Any) -> None:
        """Let requests for a file (by name; "*" for all) go wrong; see ``Misbehaviour``."""
        with self.lock:
            self.faults[file] = Misbehaviour(**faults)

    def behave(self) -> None:
        """Let nothing go wrong any more."""
        with self.lock:
            self.faults.clear()

    def take_fault(self, file: str, *, head: bool = False) -> Misbehaviour | None:
        """The fault of the next request for a file, counted down."""
        with self.lock:
            for name in (file, "*"):
                fault = self.faults.get(name)
                if fault is None or fault.times == 0 or (head and not fault.on_head):
                    continue
                fault.times -= 1
                return fault
        return None


def git_oid(content: bytes) -> str:
    """What git calls a file of this content."""
    return hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest()


def is_lfs(name: str) -> bool:
    """Whether the Hub would keep the file outside git."""
    return name.endswith(LFS_SUFFIXES)


def card_problems(content: str) -> list[str]:
    """What the Hub would refuse in a README's front matter."""
    import yaml

    match = re.match(r"---\s*\n(.*?)\n---\s*(\n|$)", content, re.S)
    if match is None:
        return ["the card has no front matter"]
    try:
        facts = yaml.safe_load(match[1])
    except yaml.YAMLError as error:
        return [f"the front matter is not YAML: {error}"]
    if not isinstance(facts, dict):
        return ["the front matter is not a mapping"]
    problems = []
    if facts.get("license") not in HUB_LICENSES:
        problems.append(f'"license" {facts.get("license")!r} is not one of the licences of the Hub')
    elif facts["license"] == "other" and not re.fullmatch(r"[a-z0-9.-]+", str(facts.get("license_name"))):
        problems.append('"license_name" is needed with license "other", as an identifier')
    tags = facts.get("tags", [])
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        problems.append('"tags" must be a list of strings')
    for key in ("library_name", "pipeline_tag"):
        if key in facts and not isinstance(facts[key], str):
            problems.append(f'"{key}" must be a string')
    return problems


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep quiet about clients that hang up: some tests make them."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    hub: HubServer
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet; requests are kept in ``hub.requests``."""

    def do_HEAD(self) -> None:
        self._route("HEAD")

    def do_GET(self) -> None:
        self._route("GET")

    def do_POST(self) -> None:
        self._route("POST")

    def do_PUT(self) -> None:
        self._route("PUT")

    def _route(self, method: str) -> None:
        path = urlsplit(self.path).path
        self.hub.requests.append((method, unquote(path)))
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        for known, pattern, action in _ROUTES:
            match = re.fullmatch(pattern, path)
            if known == method and match is not None:
                # Only now: a revision may hold slashes, and comes as refs%2Fpr%2F1.
                getattr(self, action)(body, **{name: unquote(value) for name, value in match.groupdict().items()})
                return
        self._json(404, {"error": f"no route for {method} {path}"})

    # answers

    def _answer(self, status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _json(self, status: int, content: Any, headers: Mapping[str, str] | None = None) -> None:
        self._answer(status, json.dumps(content).encode(), {"Content-Type": "application/json", **(headers or {})})

    def _refuse(self, status: int, code: str, message: str) -> None:
        self._json(status, {"error": message}, {"X-Error-Code": code, "X-Error-Message": message})

    def _authorised(self) -> bool:
        return self.headers.get("Authorization") == f"Bearer {self.hub.token}"

    def _repository(self, repo: str) -> Repository | None:
        """The repository, or None after having answered why not."""
        known = self.hub.repositories.get(repo)
        if known is None or (known.private and not self._authorised()):
            self._refuse(404 if self._authorised() else 401, "RepoNotFound", "Repository not found")
            return None
        if known.gated and not self._authorised():
            self._refuse(401, "GatedRepo", f"Access to {repo} is restricted")
            return None
        return known

    # reading

    def _info(self, body: bytes, repo: str, revision: str | None = None) -> None:
        known = self._repository(repo)
        if known is None:
            return
        commit = known.resolve(revision or "main")
        if commit is None and revision is not None:
            self._refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")
            return
        files = known.commits.get(commit or "", {})
        siblings = [{"rfilename": name} for name in sorted(files)]
        self._json(
            200,
            {
                "_id": repo,
                "id": repo,
                "modelId": repo,
                "sha": commit,
                "private": known.private,
                "gated": "manual" if known.gated else False,
                "tags": [],
                "siblings": siblings,
            },
        )

    def _tree(self, body: bytes, repo: str, revision: str) -> None:
        known = self._repository(repo)
        if known is None:
            return
        commit = known.resolve(revision)
        if commit is None:
            self._refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")
            return
        listing = []
        for name, content in sorted(known.commits[commit].items()):
            facts: dict[str, Any] = {"type": "file", "path": name, "size": len(content), "oid": git_oid(content)}
            if is_lfs(name):
                digest = hashlib.sha256(content).hexdigest()
                facts["lfs"] = {"oid": digest, "size": len(content), "pointerSize": 134}
            listing.append(facts)
        self._json(200, listing)

    def _paths(self, body: bytes, repo: str, revision: str) -> None:
        self._json(200, [])

    def _resolve(self, body: bytes, repo: str, revision: str, file: str) -> None:
        known = self._repository(repo)
        if known is None:
            return
        commit = known.resolve(revision)
        if commit is None:
            self._refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")
            return
        content = known.commits[commit].get(file)
        if content is None:
            self._refuse(404, "EntryNotFound", f"Entry not found: {file}")
            return
        head = self.command == "HEAD"
        fault = self.hub.take_fault(file, head=True) if head else None
        if fault is not None and self._fail(fault):
            return
        digest = hashlib.sha256(content).hexdigest() if is_lfs(file) else git_oid(content)
        announced = commit
        if fault is not None:
            digest, announced = fault.etag or digest, fault.commit or commit
        headers = {"X-Repo-Commit": announced, "Accept-Ranges": "bytes"}
        if not is_lfs(file):
            self._send(content, file, {**headers, "ETag": f'"{digest}"'})
            return
        # Another host name, as on the real Hub: the client then downloads without its token.
        host = self.hub.endpoint.replace("127.0.0.1", "localhost")
        location = f"{host}/cdn/{commit}/{repo}/{file}"
        self._answer(
            302,
            headers={
                **headers,
                "X-Linked-Size": str(len(content)),
                "X-Linked-Etag": f'"{digest}"',
                "ETag": f'"{digest}"',
                "Location": location,
            },
        )

    def _cdn(self, body: bytes, commit: str, repo: str, file: str) -> None:
        self._send(self.hub.repositories[repo].commits[commit][file], file, {"Accept-Ranges": "bytes"})

    def _fail(self, fault: Misbehaviour) -> bool:
        """Stall, then answer with an error status where the fault has one."""
        threading.Event().wait(fault.stall)
        if fault.status is None:
            return False
        retry = {"Retry-After": str(fault.retry_after)} if fault.retry_after is not None else {}
        self._json(fault.status, {"error": f"status {fault.status}"}, retry)
        return True

    def _send(self, content: bytes, file: str, headers: Mapping[str, str]) -> None:
        if self.command == "HEAD":
            self.send_response(200)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            return
        fault = self.hub.take_fault(file) or Misbehaviour()
        if self._fail(fault):
            return
        if fault.flip_at is not None:
            changed = bytearray(content)
            changed[fault.flip_at] ^= 1
            content = bytes(changed)
        if fault.body is not None:
            content = fault.body.ljust(len(content))[: len(content)]
        first, last = self._range(len(content))
        if first > last and content:
            self._answer(416, headers={"Content-Range": f"bytes */{len(content)}"})
            return
        part = content[first : last + 1]
        self.send_response(200 if len(part) == len(content) else 206)
        for name, value in headers.items():
            self.send_header(name, value)
        if len(part) != len(content):
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(content)}")
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        if fault.cut_at is None:
            self.wfile.write(part)
            return
        self.wfile.write(part[: fault.cut_at])
        self.close_connection = True
        self.wfile.flush()
        self.connection.close()

    def _range(self, size: int) -> tuple[int, int]:
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
        if match is None:
            return 0, size - 1
        return int(match[1]), min(int(match[2] or size - 1), size - 1)

    def _misbehave(self, body: bytes) -> None:
        try:
            self.hub.misbehave(**json.loads(body))
        except (TypeError, ValueError) as error:
            self._json(400, {"error": str(error)})
            return
        self._answer(204)

    # writing

    def _create(self, body: bytes) -> None:
        if not self._authorised():
            self._refuse(401, "Unauthorized", "Invalid credentials")
            return
        wanted = json.loads(body)
        repo = f"{wanted.get('organization') or 'tester'}/{wanted['name']}"
        private = bool(wanted.get("private")) or wanted.get("visibility") == "private"
        url = {"url": f"{self.hub.endpoint}/{repo}", "name": repo, "id": repo}
        with self.hub.lock:
            if repo in self.hub.repositories:
                self._json(409, {**url, "error": "You already created this model repo"})
                return
            made = self.hub.repositories[repo] = Repository(private=private)
            made.commit({".gitattributes": b"*.safetensors filter=lfs diff=lfs merge=lfs -text\n"})
        self._json(200, url)

    def _branch(self, body: bytes, repo: str, branch: str) -> None:
        known = self._repository(repo)
        if known is None:
            return
        if branch in known.branches:
            self._json(409, {"error": "Reference already exists"})
            return
        known.branches[branch] = known.branches["main"]
        self._json(200, {})

    def _validate(self, body: bytes) -> None:
        problems = card_problems(json.loads(body)["content"])
        answer = {"errors": [{"message": problem} for problem in problems], "warnings": []}
        self._json(400 if problems else 200, answer)

    def _preupload(self, body: bytes, repo: str, revision: str) -> None:
        if self._repository(repo) is None:
            return
        files = [
            {"path": file["path"], "uploadMode": "lfs" if is_lfs(file["path"]) else "regular", "shouldIgnore": False}
            for file in json.loads(body)["files"]
        ]
        self._json(200, {"files": files})

    def _lfs_batch(self, body: bytes, repo: str) -> None:
        objects = [
            {
                "oid": wanted["oid"],
                "size": wanted["size"],
                "actions": {"upload": {"href": f"{self.hub.endpoint}/lfs/{wanted['oid']}"}},
            }
            for wanted in json.loads(body)["objects"]
        ]
        self._json(200, {"transfer": "basic", "objects": objects})

    def _lfs_put(self, body: bytes, oid: str) -> None:
        if hashlib.sha256(body).hexdigest() != oid:
            self._json(400, {"error": "digest mismatch"})
            return
        self.hub.uploads[oid] = body
        self._answer(200)

    # The rest of Xet is answered by 404: the client then sends everything by these.

    def _xet_token(self, body: bytes, repo: str, revision: str) -> None:
        if not self._authorised():
            self._refuse(403, "Forbidden", "Write access is needed")
            return
        self._json(200, {"casUrl": self.hub.endpoint + self.hub.xet_path, "exp": 2**33, "accessToken": self.hub.token})

    def _xet_xorb(self, body: bytes, xorb: str) -> None:
        try:
            self.hub.xet.add_xorb(xorb, body)
        except (ValueError, IndexError) as error:
            self._json(400, {"error": f"malformed xorb: {error}"})
            return
        self._json(200, {"was_inserted": True})

    def _xet_shard(self, body: bytes) -> None:
        try:
            self.hub.uploads |= self.hub.xet.files(body)
        except (ValueError, KeyError, IndexError) as error:
            self._json(400, {"error": f"malformed shard: {error}"})
            return
        self._json(200, {"result": 1})

    def _commit(self, body: bytes, repo: str, revision: str) -> None:
        known = self._repository(repo)
        if known is None:
            return
        if not self._authorised():
            self._refuse(403, "Forbidden", "Write access is needed")
            return
        files = dict(known.commits.get(known.resolve(revision) or "", {}))
        for line in body.decode().splitlines():
            step = json.loads(line)
            value = step["value"]
            if step["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif step["key"] == "lfsFile":
                files[value["path"]] = self.hub.uploads[value["oid"]]
            elif step["key"] == "deletedFile":
                files.pop(value["path"], None)
        if "README.md" in files:
            problems = card_problems(files["README.md"].decode())
            if problems:
                self._refuse(400, "BadRequest", "Invalid metadata in README.md: " + "; ".join(problems))
                return
        with self.hub.lock:
            commit = known.commit(files, revision)
        url = f"{self.hub.endpoint}/{repo}/commit/{commit}"
        self._json(200, {"success": True, "commitUrl": url, "commitOid": commit, "hookOutput": ""})


_REPO = r"(?P<repo>[^/]+/[^/]+)"
_REVISION = r"(?P<revision>[^/]+)"
_ROUTES = (
    ("HEAD", rf"/{_REPO}/resolve/{_REVISION}/(?P<file>.+)", "_resolve"),
    ("GET", rf"/{_REPO}/resolve/{_REVISION}/(?P<file>.+)", "_resolve"),
    ("HEAD", rf"/cdn/(?P<commit>[^/]+)/{_REPO}/(?P<file>.+)", "_cdn"),
    ("GET", rf"/cdn/(?P<commit>[^/]+)/{_REPO}/(?P<file>.+)", "_cdn"),
    ("GET", rf"/api/models/{_REPO}", "_info"),
    ("GET", rf"/api/models/{_REPO}/revision/{_REVISION}", "_info"),
    ("GET", rf"/api/models/{_REPO}/tree/{_REVISION}", "_tree"),
    ("POST", rf"/api/models/{_REPO}/paths-info/{_REVISION}", "_paths"),
    ("POST", r"/misbehave", "_misbehave"),
    ("POST", r"/api/repos/create", "_create"),
    ("POST", rf"/api/models/{_REPO}/branch/(?P<branch>[^/]+)", "_branch"),
    ("POST", r"/api/validate-yaml", "_validate"),
    ("POST", rf"/api/models/{_REPO}/preupload/{_REVISION}", "_preupload"),
    ("POST", rf"/{_REPO}\.git/info/lfs/objects/batch", "_lfs_batch"),
    ("PUT", r"/lfs/(?P<oid>[0-9a-f]{64})", "_lfs_put"),
    ("GET", rf"/api/models/{_REPO}/xet-write-token/{_REVISION}", "_xet_token"),
    ("POST", r"/cas/\w+/v1/xorbs/default/(?P<xorb>[0-9a-f]{64})", "_xet_xorb"),
    ("POST", r"/cas/\w+/v1/shards", "_xet_shard"),
    ("POST", rf"/api/models/{_REPO}/commit/{_REVISION}", "_commit"),
)
