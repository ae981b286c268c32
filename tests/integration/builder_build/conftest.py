"""Real builds: the command as a process, on a base image made of the machine's static busybox."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile

import pytest

from builder.image import Image
from builder.store import Store

APPLETS = (
    *("sh", "cat", "chmod", "chown", "cp", "cut", "echo", "env", "find", "grep", "head", "id"),
    *("kill", "ln", "ls", "mkdir", "mkfifo", "mknod", "mount", "mv", "nc", "printf", "ps", "rm"),
    *("rmdir", "sed", "seq", "sleep", "sort", "stat", "tail", "tar", "test", "touch", "true"),
    *("false", "umount", "wc", "hostname", "ip", "setsid", "trap"),
)


def pytest_collection_modifyitems(items):
    for item in items:
        if "builder_build" in str(item.fspath):
            item.add_marker(pytest.mark.root)
            if os.geteuid() != 0:
                item.add_marker(pytest.mark.skip(reason="needs root: starts containers"))
            elif shutil.which("busybox") is None:
                item.add_marker(pytest.mark.skip(reason="needs busybox-static"))


@pytest.fixture(scope="session")
def base_store(tmp_path_factory):
    """A store that holds the image `busybox`, to be copied."""
    where = tmp_path_factory.mktemp("base")
    root = where / "root"
    for name in ("bin", "etc", "tmp", "root", "home"):
        (root / name).mkdir(parents=True)
    (root / "tmp").chmod(0o1777)
    (root / "root").chmod(0o700)
    shutil.copy(shutil.which("busybox"), root / "bin" / "busybox")
    for applet in APPLETS:
        os.symlink("busybox", root / "bin" / applet)
    (root / "etc/passwd").write_text(
        "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1001::/home/app:/bin/sh\n"
    )
    (root / "etc/group").write_text("root:x:0:\napp:x:1001:\naudio:x:29:app\n")
    os.symlink("bin", root / "sbin")
    for directory, names, files in os.walk(root):
        for name in (*names, *files):
            os.utime(os.path.join(directory, name), (1000, 1000), follow_symlinks=False)
    store = where / "store"
    run_command("import", "--store", str(store), str(root), "busybox")
    return store


def command_line(*arguments):
    code = "from builder.cli.main import main; main()"
    return [sys.executable, "-c", code, *arguments]


def run_command(*arguments, check=True, env=None, cwd=None, data=None, timeout=120):
    done = subprocess.run(
        command_line(*arguments),
        capture_output=True,
        env={**os.environ, **(env or {})},
        cwd=cwd,
        input=data,
        timeout=timeout,
    )
    if check and done.returncode:
        raise AssertionError(f"{arguments}: {done.returncode}\n{done.stderr.decode()}")
    return done


class Built:
    """What a build came to."""

    def __init__(self, bench, done):
        self._bench = bench
        self.status = done.returncode
        self.log = done.stderr.decode("utf-8", "replace")
        self.digest = done.stdout.decode().strip()

    @property
    def steps(self):
        """What became of each step: `CACHED`, or the reason why it was executed, by instruction."""
        found = {}
        for line in self.log.splitlines():
            if line.startswith("#") and "] " in line and not line.endswith("ERROR"):
                title, _, state = line.partition("] ")[2].partition("  ")
                if title.startswith("FROM "):
                    continue
                if state == "CACHED":
                    found[title] = "CACHED"
                elif "(" in state:
                    found[title] = state.partition("(")[2].rstrip(")")
        return found

    @property
    def image(self):
        with Store(str(self._bench.store)) as store:
            return Image.load(store.layout, store.layout.resolve(self.digest))

    @property
    def config(self):
        return self.image.config["config"]

    def layers(self):
        """The members of each layer, lowest first, the base's left out: tarfile's, by name."""
        image = self.image
        found = []
        for layer in image.layers[1:] if self._bench.has_base(image) else image.layers:
            path = image.layout.blob_path(layer.digest)
            with tarfile.open(path) as tar:
                found.append({member.name: member for member in tar})
        return found

    def files(self):
        """The content of every regular file that the layers bring, the last one's counts."""
        image = self.image
        found = {}
        for layer in image.layers[1:] if self._bench.has_base(image) else image.layers:
            with tarfile.open(image.layout.blob_path(layer.digest)) as tar:
                for member in tar:
                    if member.isreg():
                        found[member.name] = tar.extractfile(member).read()
        return found


class Bench:
    """A store and a context."""

    def __init__(self, path, base_store):
        self.path = path
        self.store = path / "store"
        shutil.copytree(base_store, self.store, symlinks=True)
        self.context = path / "context"
        self.context.mkdir()
        with Store(str(self.store)) as store:
            self._base = Image.load(store.layout, store.lookup("busybox")).layers[0].digest

    def has_base(self, image):
        return bool(image.layers) and image.layers[0].digest == self._base

    def write(self, path, content="", mode=None):
        full = self.context / path
        full.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            full.write_bytes(content)
        else:
            full.write_text(content)
        if mode is not None:
            full.chmod(mode)
        return full

    def arguments(self, *options, context=None):
        return (
            *("build", "--store", str(self.store), "--progress", "plain"),
            *options,
            str(context or self.context),
        )

    def build(self, dockerfile=None, *options, check=True, env=None, **files):
        """Build a Dockerfile, by default the last one."""
        if dockerfile is not None:
            self.write("Dockerfile", dockerfile)
        done = run_command(*self.arguments(*options), check=check, env=env)
        built = Built(self, done)
        if check:
            self.check_clean()
        return built

    def check_clean(self):
        """Nothing may be left of a build but its results."""
        assert os.listdir(self.store / "tmp") == []
        assert self.containers() == []
        with open("/proc/self/mounts", encoding="utf-8", errors="replace") as file:
            assert str(self.store) not in file.read()

    def run(self, command, *arguments, check=True):
        """Run another command of the builder on the store."""
        return run_command(command, "--store", str(self.store), *arguments, check=check)

    def command(self, *arguments, env=None):
        """Run another command of the builder that needs no store."""
        return run_command(*arguments, env=env)

    def start(self, *options, context=None, **streams):
        """Start a build and return its process."""
        arguments = self.arguments(*options, context=context)
        return subprocess.Popen(command_line(*arguments), **streams)

    def finished(self, process):
        """What a started build came to."""
        digest, log = process.communicate(timeout=120)
        return Built(self, subprocess.CompletedProcess((), process.returncode, digest, log))

    def containers(self):
        """Containers of the runtime's state root, its own files left out."""
        root = self.store / "containers"
        return [name for name in os.listdir(root) if name[0] != "@"] if root.exists() else []

    def index(self, layout):
        with open(layout / "index.json", encoding="utf-8") as file:
            return json.load(file)


@pytest.fixture
def bench(tmp_path, base_store):
    return Bench(tmp_path, base_store)


@pytest.fixture
def another_bench(tmp_path, base_store):
    other = tmp_path / "other"
    other.mkdir()
    return Bench(other, base_store)
