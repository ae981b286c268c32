"""What every integration test needs: root, a rootfs, bundles, and proof that nothing is left over.

The runtime under test is the ``pyoci`` of this environment; PYOCI_RUNTIME names another (runc, say,
to see whether a failure is the test's).
"""

from __future__ import annotations

import contextlib
import copy
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

APPLETS = (
    "sh true false cat echo sleep ls id env pwd mkdir touch stat readlink grep mount umount "
    "ps hostname kill head tail wc tr cut test tty stty ulimit rm ln cp mv chmod chown dd sed "
    "awk sort seq df od printf expr uname date nproc sync sysctl ip ifconfig setsid timeout "
    "nc find xargs"
).split()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = os.path.dirname(__file__)
    for item in items:
        if str(item.path).startswith(here):
            item.add_marker(pytest.mark.root)
            if os.geteuid() != 0:
                item.add_marker(pytest.mark.skip(reason="starts real containers: needs root"))


@pytest.fixture(scope="session")
def runtime() -> str:
    """The path of the runtime under test."""
    named = os.environ.get("PYOCI_RUNTIME")
    found = shutil.which(named) if named else f"{os.path.dirname(sys.executable)}/pyoci"
    if not found or not os.access(found, os.X_OK):
        pytest.skip(f"no runtime to test: {named or found} is missing (make venv)")
    return os.path.abspath(found)


@pytest.fixture(scope="session")
def is_pyoci(runtime: str) -> bool:
    return os.path.basename(runtime) == "pyoci"


@pytest.fixture(scope="session")
def busybox() -> str:
    path = shutil.which("busybox")
    if path is None:
        pytest.skip("busybox is missing: apt-get install busybox-static")
    return path


def make_rootfs(path: str, busybox: str) -> str:
    """A small but complete root file system."""
    for name in ("bin", "dev", "proc", "sys", "tmp", "etc", "root", "home/user", "run", "var"):
        os.makedirs(f"{path}/{name}", exist_ok=True)
    os.chmod(path, 0o755)
    os.chmod(f"{path}/tmp", 0o1777)
    os.chown(f"{path}/home/user", 1000, 1000)
    shutil.copy(busybox, f"{path}/bin/busybox")
    for applet in APPLETS:
        if not os.path.lexists(f"{path}/bin/{applet}"):
            os.symlink("busybox", f"{path}/bin/{applet}")
    with open(f"{path}/etc/passwd", "w") as file:
        file.write("root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:user:/home/user:/bin/sh\n")
    with open(f"{path}/etc/group", "w") as file:
        file.write("root:x:0:\nuser:x:1000:\nwheel:x:10:user\n")
    return path


@pytest.fixture(scope="session")
def shared_rootfs(tmp_path_factory: pytest.TempPathFactory, busybox: str) -> str:
    """A root file system that tests only read."""
    return make_rootfs(str(tmp_path_factory.mktemp("rootfs")), busybox)


DEFAULT_CONFIG: dict[str, Any] = {
    "ociVersion": "1.0.2",
    "process": {
        "terminal": False,
        "user": {"uid": 0, "gid": 0},
        "args": ["sh"],
        "env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
        "cwd": "/",
        "capabilities": {
            name: ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"]
            for name in ("bounding", "effective", "permitted")
        },
        "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024}],
        "noNewPrivileges": True,
    },
    "root": {"path": "rootfs", "readonly": False},
    "hostname": "box",
    "mounts": [
        {"destination": "/proc", "type": "proc", "source": "proc"},
        {
            "destination": "/dev",
            "type": "tmpfs",
            "source": "tmpfs",
            "options": ["nosuid", "strictatime", "mode=755", "size=65536k"],
        },
        {
            "destination": "/dev/pts",
            "type": "devpts",
            "source": "devpts",
            "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
        },
        {
            "destination": "/dev/shm",
            "type": "tmpfs",
            "source": "shm",
            "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"],
        },
        {
            "destination": "/dev/mqueue",
            "type": "mqueue",
            "source": "mqueue",
            "options": ["nosuid", "noexec", "nodev"],
        },
        {
            "destination": "/sys",
            "type": "sysfs",
            "source": "sysfs",
            "options": ["nosuid", "noexec", "nodev", "ro"],
        },
    ],
    "linux": {
        "resources": {"devices": [{"allow": False, "access": "rwm"}]},
        "namespaces": [
            {"type": kind} for kind in ("pid", "network", "ipc", "uts", "mount", "cgroup")
        ],
        "maskedPaths": ["/proc/kcore", "/proc/keys", "/proc/timer_list", "/sys/firmware"],
        "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys"],
    },
}


class Bundle:
    """A bundle that a test may change before it is run."""

    def __init__(self, path: str, rootfs: str) -> None:
        self.path = path
        self.rootfs = rootfs
        self.config = copy.deepcopy(DEFAULT_CONFIG)
        self.config["root"]["path"] = rootfs
        os.makedirs(path, exist_ok=True)

    @property
    def process(self) -> dict[str, Any]:
        return self.config["process"]

    @property
    def linux(self) -> dict[str, Any]:
        return self.config["linux"]

    def script(self, text: str) -> Bundle:
        self.process["args"] = ["sh", "-c", text]
        return self

    def namespace(self, kind: str, path: str | None = None) -> dict[str, Any]:
        """Add a namespace, or give it a path."""
        for entry in self.linux["namespaces"]:
            if entry["type"] == kind:
                break
        else:
            entry = {"type": kind}
            self.linux["namespaces"].append(entry)
        if path is not None:
            entry["path"] = path
        return entry

    def map_ids(self, first: int = 100000, size: int = 65536) -> None:
        """Add a user namespace with one range of ids."""
        let_pass(self.rootfs)
        self.namespace("user")
        for name in ("uidMappings", "gidMappings"):
            self.linux[name] = [{"containerID": 0, "hostID": first, "size": size}]

    def without_namespace(self, kind: str) -> None:
        self.linux["namespaces"] = [n for n in self.linux["namespaces"] if n["type"] != kind]

    def mount(self, destination: str, **mount: Any) -> None:
        self.config["mounts"].append({"destination": destination, **mount})

    def capabilities(self, *names: str) -> None:
        for kind in ("bounding", "effective", "permitted"):
            self.process["capabilities"][kind] = list(names)

    def write(self) -> str:
        with open(f"{self.path}/config.json", "w") as file:
            json.dump(self.config, file)
        return self.path


class Runtime:
    """Calls the runtime on one state root, and remembers what it created."""

    def __init__(self, binary: str, root: str) -> None:
        self.binary = binary
        self.root = root
        self.ids: list[str] = []

    def command(self, *arguments: str) -> list[str]:
        return [self.binary, "--root", self.root, *arguments]

    def call(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        options.setdefault("stdin", subprocess.DEVNULL)
        options.setdefault("timeout", 60)
        return subprocess.run(
            self.command(*arguments), capture_output=True, text=True, errors="replace", **options
        )

    def ok(self, *arguments: str, **options: Any) -> str:
        done = self.call(*arguments, **options)
        assert done.returncode == 0, f"{arguments}: {done.returncode}: {done.stderr}{done.stdout}"
        return done.stdout

    def new_id(self) -> str:
        name = f"test-{uuid.uuid4().hex[:12]}"
        self.ids.append(name)
        return name

    def run(self, bundle: Bundle, *flags: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run to the end in the foreground."""
        bundle.write()
        return self.call("run", "--bundle", bundle.path, *flags, self.new_id(), **options)

    def output(self, bundle: Bundle, *flags: str, **options: Any) -> str:
        done = self.run(bundle, *flags, **options)
        assert done.returncode == 0, f"exit status {done.returncode}: {done.stderr}{done.stdout}"
        return done.stdout

    def create(self, bundle: Bundle, *flags: str) -> str:
        """Create with the streams on /dev/null: a pipe would stay open."""
        bundle.write()
        name = self.new_id()
        with open(f"{bundle.path}/output", "wb") as output:
            done = subprocess.run(
                self.command("create", "--bundle", bundle.path, *flags, name),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                timeout=60,
            )
        with open(f"{bundle.path}/output", errors="replace") as output:
            text = output.read()
        assert done.returncode == 0, text
        return name

    def start(self, bundle: Bundle, *flags: str) -> str:
        name = self.create(bundle, *flags)
        self.ok("start", name)
        return name

    def state(self, name: str) -> dict[str, Any]:
        state: dict[str, Any] = json.loads(self.ok("state", name))
        return state

    def status(self, name: str) -> str:
        return str(self.state(name)["status"])

    def await_status(self, name: str, wanted: str) -> None:
        until(lambda: self.status(name) == wanted, f"{name} is {wanted}")

    def clean_up(self) -> None:
        for name in self.ids:
            subprocess.run(self.command("delete", "--force", name), capture_output=True, timeout=60)


def until(condition: Callable[[], bool], what: str, seconds: float = 20) -> None:
    """Wait for a condition that has to come true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        time.sleep(0.01)


def let_pass(path: str) -> None:
    """Let other users through the directories on the way to a path: pytest's own are private."""
    directory = os.path.dirname(path)
    while directory != "/":
        mode = os.stat(directory).st_mode
        if mode & 0o011 != 0o011:
            os.chmod(directory, mode & 0o7777 | 0o011)
        directory = os.path.dirname(directory)


def cgroups_of(names: list[str]) -> list[str]:
    """All cgroup directories whose path has one of the names in it."""
    found = []
    for top, directories, _ in os.walk("/sys/fs/cgroup"):
        for directory in directories:
            if any(name in directory for name in names):
                found.append(f"{top}/{directory}")
    return found


def inits(root: str) -> set[int]:
    """PIDs of inits that wait for the start of a container below a state root."""
    found = set()
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        with contextlib.suppress(OSError):
            for number in os.listdir(f"/proc/{entry}/fd"):
                if os.readlink(f"/proc/{entry}/fd/{number}").startswith(f"{root}/"):
                    found.add(int(entry))
    return found


def mount_points() -> set[str]:
    with open("/proc/self/mountinfo") as file:
        return {line.split()[4] for line in file}


def of_another_session(point: str, temporary: str) -> bool:
    """Say whether a mount point is below the temporary directory of another run of the tests."""
    return point.startswith(f"{os.path.dirname(temporary)}/") and not point.startswith(
        f"{temporary}/"
    )


@pytest.fixture
def pyoci(runtime: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    """The runtime on a state root of its own. After the test nothing of it may be left."""
    root = str(tmp_path_factory.mktemp("state"))
    temporary = tmp_path_factory.getbasetemp()
    caller = Runtime(runtime, root)
    mounts = mount_points()
    yield caller
    left = [name for name in os.listdir(root) if name in caller.ids]
    caller.clean_up()
    after = [name for name in os.listdir(root) if not name.startswith((".", "@"))]
    assert not after, f"delete --force leaves state behind: {after} (before: {left})"
    assert not cgroups_of(caller.ids), "cgroups are left over"
    new = mount_points() - mounts
    left_over = {point for point in new if not of_another_session(point, str(temporary))}
    assert not left_over, f"mounts are left over: {left_over}"
    until(lambda: not inits(root), "no init is left over")


@pytest.fixture
def bundle(tmp_path: Any, shared_rootfs: str) -> Bundle:
    """A bundle over the shared root file system: its rootfs may not be written."""
    return Bundle(str(tmp_path / "bundle"), shared_rootfs)


@pytest.fixture
def own_bundle(tmp_path: Any, busybox: str) -> Bundle:
    """A bundle with a root file system of its own."""
    return Bundle(str(tmp_path / "bundle"), make_rootfs(str(tmp_path / "rootfs"), busybox))


@pytest.fixture
def kill_later() -> Iterator[Callable[[subprocess.Popen[Any]], None]]:
    """Registers processes that are killed when the test ends."""
    processes: list[subprocess.Popen[Any]] = []
    yield processes.append
    for process in processes:
        with contextlib.suppress(OSError):
            process.send_signal(signal.SIGKILL)
        process.wait()
