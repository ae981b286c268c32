"""Debian's docker-registry on loopback: plain, and with TLS, an authority and a password.

Between it and the builder stands, where a test wants that, a proxy that fails on demand.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

USER, PASSWORD = "tester", "open sesame"
# bcrypt of the password.
HASH = "$2b$04$VjFfun1zuxGL8TZgCSDpSuSDM/uQxgpUkabiE6sVJq0OpThEyqvam"


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class Registry:
    """One docker-registry."""

    def __init__(self, directory, *, secure: bool = False) -> None:
        binary = shutil.which("docker-registry")
        if binary is None:
            pytest.skip("docker-registry is missing: apt-get install docker-registry")
        self.host = f"localhost:{free_port()}"
        self.authority = directory / "ca.crt"
        http = {"addr": self.host.replace("localhost", "127.0.0.1"), "secret": "x"}
        config = {
            "version": "0.1",
            "log": {"level": "error", "accesslog": {"disabled": True}},
            "storage": {
                "filesystem": {"rootdirectory": str(directory / "data")},
                "delete": {"enabled": True},
            },
            "http": http,
        }
        if secure:
            make_certificate(directory)
            http["tls"] = {
                "certificate": str(directory / "server.crt"),
                "key": str(directory / "server.key"),
            }
            (directory / "htpasswd").write_text(f"{USER}:{HASH}\n")
            config["auth"] = {"htpasswd": {"realm": "r", "path": str(directory / "htpasswd")}}
        (directory / "config.json").write_text(json.dumps(config))  # JSON is YAML, too
        with open(directory / "log", "wb") as log:
            self.process = subprocess.Popen(
                [binary, "serve", str(directory / "config.json")], stdout=log, stderr=log
            )
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            except OSError:
                assert self.process.poll() is None, (directory / "log").read_text()
                assert time.monotonic() < deadline, "docker-registry does not start"
                time.sleep(0.02)

    @property
    def port(self) -> int:
        return int(self.host.rpartition(":")[2])

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


def make_certificate(directory) -> None:
    """An authority, and a certificate of it for localhost."""

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True)

    new = ("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl(*new, "-x509", "-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=test authority")
    openssl(*new, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=localhost")
    (directory / "extensions").write_text("subjectAltName=DNS:localhost\n")
    signed = ("-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "extensions")
    openssl("x509", "-req", "-in", "server.csr", "-out", "server.crt", *signed)


class Proxy:
    """Passes requests on to a registry, except where `fault` of a request says otherwise."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.faults: list = []
        self.requests: list[tuple[str, str, str | None]] = []
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *arguments) -> None:
                pass

            def handle_request(self) -> None:
                proxy.pass_on(self)

        for method in ("GET", "HEAD", "PUT", "POST", "PATCH", "DELETE"):
            setattr(Handler, f"do_{method}", Handler.handle_request)
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.host = f"localhost:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        self.thread.start()

    def fail(self, method: str, part: str, how, times: int = 1) -> None:
        """`how` gets the handler, the status, the headers and the body, and answers itself."""
        self.faults.append([method, part, how, times])

    def pass_on(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        self.requests.append((handler.command, handler.path, handler.headers.get("Range")))
        connection = HTTPConnection("127.0.0.1", self.registry.port, timeout=20)
        # With the proxy's host, so that the registry's Locations lead through the proxy.
        connection.request(handler.command, handler.path, body, dict(handler.headers))
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        headers = {k: v for k, v in answer.getheaders() if k.lower() != "transfer-encoding"}
        how = reply
        for fault in self.faults:
            if fault[0] == handler.command and fault[1] in handler.path and fault[3] > 0:
                fault[3] -= 1
                how = fault[2]
                break
        how(handler, answer.status, headers, data)

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def reply(handler, status, headers, data) -> None:
    """Answer as the registry did."""
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name, value)
    if "Content-Length" not in headers:
        handler.send_header("Content-Length", str(len(data)))
    handler.end_headers()
    if handler.command != "HEAD":
        handler.wfile.write(data)


class Home:
    """A user with a store, who calls the builder."""

    def __init__(self, path) -> None:
        self.path = path
        self.environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(path / "home"),
            "PYOCI_BUILDER_STORE": str(path / "store"),
            "PYOCI_BUILDER_PASSWORD": "secret",
        }
        (path / "home").mkdir()

    def call(self, *arguments: str, status: int = 0, data: bytes | None = None) -> str:
        """Run a command; gives its standard output, or what it says when it fails as expected."""
        done = subprocess.run(
            [sys.executable, "-c", "from builder.cli.main import main; main()", *arguments],
            capture_output=True,
            cwd=self.path,
            env=self.environ,
            input=data,
            timeout=120,
        )
        assert done.returncode == status, done.stderr.decode()
        return (done.stdout if status == 0 else done.stderr).decode()

    def blobs(self) -> list[str]:
        """Names of all blobs in the store; each one checked to be what it is called."""
        import hashlib

        directory = self.path / "store/blobs/sha256"
        for path in directory.iterdir() if directory.exists() else ():
            assert hashlib.sha256(path.read_bytes()).hexdigest() == path.name
        ingest = self.path / "store/ingest"
        assert not ingest.exists() or os.listdir(ingest) == []
        return sorted(path.name for path in directory.iterdir()) if directory.exists() else []


@pytest.fixture(scope="session")
def plain(tmp_path_factory):
    registry = Registry(tmp_path_factory.mktemp("plain"))
    yield registry
    registry.close()


@pytest.fixture(scope="session")
def secure(tmp_path_factory):
    registry = Registry(tmp_path_factory.mktemp("secure"), secure=True)
    yield registry
    registry.close()


@pytest.fixture
def proxy(plain):
    between = Proxy(plain)
    yield between
    between.close()


@pytest.fixture
def home(tmp_path) -> Home:
    return Home(tmp_path)


@pytest.fixture
def another_home(tmp_path) -> Home:
    (tmp_path / "another").mkdir()
    return Home(tmp_path / "another")


@pytest.fixture
def image(home) -> str:
    """Digest of an image `tool` in the store, with a layer of random bytes."""
    (home.path / "files").mkdir()
    (home.path / "files/data").write_bytes(os.urandom(3_000_000))
    return home.call("import", "files", "tool").split()[1]
