"""A registry in this process, as small as the specification allows, that fails on demand."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from builder.descriptor import Descriptor
from builder.digest import DiffID
from builder.execute.cancel import Cancellation
from builder.image import build_image
from builder.layer import Layer
from builder.layout import Layout
from builder.progress import QuietDisplay
from builder.registry import retries
from builder.registry.options import Options
from builder.registry.reference import Reference
from builder.registry.repository import Repository

TAR = "application/vnd.oci.image.layer.v1.tar"


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


class FakeRegistry:
    """What it holds and what it was asked."""

    def __init__(self) -> None:
        self.blobs: dict[tuple[str, str], bytes] = {}
        self.manifests: dict[tuple[str, str], tuple[str, bytes]] = {}
        self.uploads: dict[str, bytearray] = {}
        self.numbers = itertools.count()
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.faults: list[list] = []
        self.has_referrers = False
        self.authorize = None
        self.lock = threading.Lock()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), type("H", (Handler,), {"fake": self}))
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        self.thread.start()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server.server_address[1]}"

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def fail(self, method: str, path: str, how, times: int = 1) -> None:
        """Let requests of a method whose path has a pattern fail: `how` gets the handler."""
        self.faults.append([method, path, how, times])

    def fault_for(self, method: str, path: str):
        with self.lock:
            for fault in self.faults:
                if fault[0] == method and re.search(fault[1], path) and fault[3] > 0:
                    fault[3] -= 1
                    return fault[2]
        return None

    def put_blob(self, name: str, data: bytes) -> str:
        self.blobs[name, digest_of(data)] = data
        return digest_of(data)

    def put_manifest(self, name: str, tag: str, data: bytes, media_type: str) -> str:
        self.manifests[name, tag] = self.manifests[name, digest_of(data)] = (media_type, data)
        return digest_of(data)

    def asked(self, method: str, pattern: str) -> list[dict[str, str]]:
        """The headers of requests that were made."""
        return [h for m, path, h in self.requests if m == method and re.search(pattern, path)]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    fake: FakeRegistry

    def log_message(self, *arguments) -> None:
        pass

    def answer(self, status: int, body: bytes = b"", **headers) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if "Content_Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def refuse(self, status: int, code: str = "UNKNOWN", **headers) -> None:
        body = json.dumps({"errors": [{"code": code, "message": f"the fake says {code}"}]}).encode()
        self.answer(status, body, **headers)

    def handle_one(self) -> None:
        fake = self.fake
        length = int(self.headers.get("Content-Length") or 0)
        path = self.path
        fake.requests.append((self.command, path, dict(self.headers)))
        if (fault := fake.fault_for(self.command, path)) is not None:
            self.length = length
            fault(self)
            return
        self.body = self.rfile.read(length)
        if fake.authorize is not None and not fake.authorize(self):
            return
        parts = urllib.parse.urlsplit(path)
        query = dict(urllib.parse.parse_qsl(parts.query))
        for pattern, method in (
            (r"/v2/$", self.root),
            (r"/v2/(.+)/manifests/([^/]+)$", self.manifest),
            (r"/v2/(.+)/blobs/uploads/$", self.start),
            (r"/v2/(.+)/blobs/uploads/([^/]+)$", self.upload),
            (r"/v2/(.+)/blobs/([^/]+)$", self.blob),
            (r"/v2/(.+)/referrers/([^/]+)$", self.referrers),
            (r"/v2/(.+)/tags/list$", self.tags),
        ):
            if match := re.match(pattern, urllib.parse.unquote(parts.path)):
                method(query, *match.groups())
                return
        self.refuse(404)

    def root(self, query) -> None:
        self.answer(200, b"{}")

    def manifest(self, query, name, selector) -> None:
        fake = self.fake
        if self.command == "PUT":
            kind = self.headers["Content-Type"]
            document = json.loads(self.body)
            wanted = [entry["digest"] for entry in document.get("layers", [])]
            if any((name, digest) not in fake.blobs for digest in wanted):
                self.refuse(400, "MANIFEST_BLOB_UNKNOWN")
                return
            digest = fake.put_manifest(name, selector, self.body, kind)
            extra = {"OCI_Subject": "x"} if fake.has_referrers and "subject" in document else {}
            self.answer(201, Docker_Content_Digest=digest, **extra)
            return
        found = fake.manifests.get((name, selector))
        if found is None:
            self.refuse(404, "MANIFEST_UNKNOWN")
            return
        headers = {"Content_Type": found[0], "Docker_Content_Digest": digest_of(found[1])}
        self.answer(200, found[1], **headers)

    def blob(self, query, name, digest) -> None:
        data = self.fake.blobs.get((name, digest))
        if data is None:
            self.refuse(404, "BLOB_UNKNOWN")
            return
        wanted = self.headers.get("Range")
        if wanted:
            start = int(wanted.removeprefix("bytes=").partition("-")[0])
            span = f"bytes {start}-{len(data) - 1}/{len(data)}"
            self.answer(206, data[start:], Content_Range=span)
        else:
            self.answer(200, data)

    def start(self, query, name) -> None:
        fake = self.fake
        source = (query.get("from", ""), query.get("mount", ""))
        if source in fake.blobs:
            fake.blobs[name, source[1]] = fake.blobs[source]
            self.answer(201, Location=f"/v2/{name}/blobs/{source[1]}")
            return
        number = str(next(fake.numbers))
        fake.uploads[number] = bytearray()
        self.answer(202, Location=f"/v2/{name}/blobs/uploads/{number}?state=a%2Bb", Range="0-0")

    def upload(self, query, name, number) -> None:
        fake = self.fake
        held = fake.uploads.get(number)
        if held is None:
            self.refuse(404, "BLOB_UPLOAD_UNKNOWN")
            return
        assert query.get("state") == "a+b"
        place = {"Location": f"/v2/{name}/blobs/uploads/{number}?state=a%2Bb"}
        if self.command == "PATCH":
            span = self.headers.get("Content-Range")
            if span and int(span.partition("-")[0]) != len(held):
                self.refuse(416, "BLOB_UPLOAD_INVALID")
                return
            held += self.body
            self.answer(202, Range=f"0-{len(held) - 1}", **place)
        elif self.command == "GET":
            self.answer(204, Range=f"0-{max(len(held) - 1, 0)}", **place)
        elif self.command == "DELETE":
            del fake.uploads[number]
            self.answer(204)
        elif digest_of(bytes(held) + self.body) != query["digest"]:
            self.refuse(400, "DIGEST_INVALID")
        else:
            fake.put_blob(name, bytes(held) + self.body)
            del fake.uploads[number]
            self.answer(201, Location=f"/v2/{name}/blobs/{query['digest']}")

    def referrers(self, query, name, digest) -> None:
        if not self.fake.has_referrers:
            self.refuse(404)
            return
        found = []
        for (owner, selector), (kind, data) in self.fake.manifests.items():
            document = json.loads(data)
            subject = document.get("subject", {}).get("digest")
            if owner == name and selector == digest_of(data) and subject == digest:
                entry = {"mediaType": kind, "digest": selector, "size": len(data)}
                found.append({**entry, "artifactType": document.get("artifactType", "")})
        index = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": found,
        }
        self.answer(200, json.dumps(index).encode(), Content_Type=index["mediaType"])

    def tags(self, query, name) -> None:
        """Two a page."""
        all_tags = sorted(t for n, t in self.fake.manifests if n == name and ":" not in t)
        left = [tag for tag in all_tags if tag > query.get("last", "")]
        more = {}
        if len(left) > 2:
            more["Link"] = f'</v2/{name}/tags/list?n=2&last={left[1]}>; rel="next"'
        self.answer(200, json.dumps({"name": name, "tags": left[:2]}).encode(), **more)


for _method in ("GET", "HEAD", "PUT", "POST", "PATCH", "DELETE"):
    setattr(Handler, f"do_{_method}", Handler.handle_one)


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    """Delays between attempts are noted, not waited for."""
    noted: list[float] = []
    monkeypatch.setattr(retries.time, "sleep", noted.append)
    monkeypatch.setattr(Cancellation, "wait", lambda self, seconds: noted.append(seconds))
    return noted


@pytest.fixture
def fake():
    registry = FakeRegistry()
    yield registry
    registry.close()


@pytest.fixture
def layout(tmp_path) -> Layout:
    return Layout.create(str(tmp_path / "layout"))


@pytest.fixture
def options(tmp_path) -> Options:
    """Of a user without any file."""
    return Options(environ={"HOME": str(tmp_path / "home"), "PATH": "/usr/bin:/bin"}, attempts=4)


@pytest.fixture
def open_repository(fake, options):
    """Opens a repository of the fake."""
    opened = []

    def call(name: str = "team/tool", *, push: bool = True, **changes) -> Repository:
        reference = Reference.parse(f"{fake.host}/{name}:1")
        repository = Repository.open(reference, options.replace(**changes), push=push)
        opened.append(repository)
        return repository

    yield call
    for repository in opened:
        repository.close()


@pytest.fixture
def make_image():
    """Writes an image of layers that are just bytes into a layout."""

    def call(layout: Layout, *contents: bytes, platform: str = "amd64") -> Descriptor:
        layers = [Layer(layout.add(data, TAR), DiffID.of(data)) for data in contents]
        return build_image(layout, {"architecture": platform, "os": "linux"}, layers)

    return call


@pytest.fixture
def display() -> QuietDisplay:
    return QuietDisplay()
