"""A machine within the machine, where engines run: namespaces, fresh state, own cgroups.

Nothing that an engine does inside reaches the host, and all of it ends with the enclosure: the
processes with their PID namespace, the mounts with theirs; the cgroups are removed.

``/etc`` and ``/usr/local`` are overlays and may be changed, so that files are put where an
administrator puts them. The runtimes are ``/usr/local/bin/pyoci`` and ``/usr/sbin/runc``.
"""

from __future__ import annotations

import contextlib
import os
import select
import shlex
import signal
import subprocess
import termios
import time
import uuid
from collections.abc import Callable
from typing import Any

# Debian's programs come first: the machine may have others of their names in /usr/local.
PATH = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/bin"

# $1: a directory for the enclosure's files; the rest: NAME=OPTIONS of each cgroup hierarchy.
SET_UP = r"""
set -e
base=$1; shift
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tmpfs -o mode=755 tmpfs "$base"
for directory in etc usr/local; do
    mkdir -p "$base/$directory/upper" "$base/$directory/work"
    mount -t overlay -o \
        "lowerdir=/$directory,upperdir=$base/$directory/upper,workdir=$base/$directory/work" \
        overlay "/$directory"
done
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -m 1777 /run/lock
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
mount -t tmpfs -o mode=1777 tmpfs /var/tmp
for directory in cni containers docker containerd; do
    mkdir -p "/var/lib/$directory"
    mount -t tmpfs -o mode=711 tmpfs "/var/lib/$directory"
done
if [ "$1" = unified ]; then
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
    mkdir /sys/fs/cgroup/init
    echo 0 > /sys/fs/cgroup/init/cgroup.procs
    for controller in $(cat /sys/fs/cgroup/cgroup.controllers); do
        echo "+$controller" > /sys/fs/cgroup/cgroup.subtree_control
    done
else
    mount -t tmpfs -o mode=755 tmpfs /sys/fs/cgroup
    for hierarchy in "$@"; do
        name=${hierarchy%%=*}; options=${hierarchy#*=}
        mkdir "/sys/fs/cgroup/$name"
        if [ "$options" = cgroup2 ]; then
            mount -t cgroup2 cgroup2 "/sys/fs/cgroup/$name"
        else
            mount -t cgroup -o "$options" cgroup "/sys/fs/cgroup/$name"
        fi
    done
fi
rm -rf /etc/cni/net.d/* /etc/containers/containers.conf* /etc/containers/storage.conf
mount --make-rshared /
ip link set lo up
hostname enclosure
mkdir "$base/home"
echo ready
exec catatonit -P
"""


def hierarchies() -> list[tuple[str, str]]:
    """Give the mount points of the host's cgroup hierarchies, with their options."""
    found = []
    with open("/proc/self/mountinfo") as file:
        for line in file:
            before, after = line.split(" - ")
            kind, _, options = after.split()
            point = before.split()[4]
            if kind == "cgroup2":
                found.append((point, "cgroup2"))
            elif kind == "cgroup":
                found.append((point, ",".join(o for o in options.split(",") if o != "rw")))
    return found


def own_cgroup(options: str) -> str:
    """Give this process's cgroup in a hierarchy, as a path below its mount point."""
    with open("/proc/self/cgroup") as file:
        for line in file:
            _, names, path = line.rstrip("\n").split(":", 2)
            if (names == "" and options == "cgroup2") or (
                names and set(names.split(",")) <= set(options.split(","))
            ):
                return path.rstrip("/")
    return ""


class Enclosure:
    """Holds the namespaces and starts programs in them."""

    def __init__(self, directory: str, pyoci: str) -> None:
        self.directory = directory
        os.makedirs(directory, exist_ok=True)
        self.environment = {
            "PATH": PATH,
            "HOME": f"{directory}/home",
            "LANG": "C.UTF-8",
        }
        self.name = f"pyoci-engines-{uuid.uuid4().hex[:8]}"
        self.cgroups: list[str] = []
        arguments = []
        for point, options in hierarchies():
            cgroup = f"{point}{own_cgroup(options)}/{self.name}"
            os.mkdir(cgroup)
            for name in ("cpuset.cpus", "cpuset.mems"):
                if options != "cgroup2" and os.path.exists(f"{cgroup}/{name}"):
                    copy_setting(f"{os.path.dirname(cgroup)}/{name}", f"{cgroup}/{name}")
            self.cgroups.append(cgroup)
            unified = point == "/sys/fs/cgroup"
            arguments.append("unified" if unified else f"{os.path.basename(point)}={options}")
        self.daemons: list[subprocess.Popen[bytes]] = []
        joined = self._joined(self.cgroups)
        self.holder = subprocess.Popen(
            [*joined, "unshare", "--mount", "--net", "--pid", "--ipc", "--uts", "--cgroup"]
            + ["--fork", "--kill-child", "sh", "-c", SET_UP, "sh", directory, *arguments],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.holder.stdout is not None
        answer = self.holder.stdout.readline()
        assert answer == "ready\n", f"the enclosure could not be set up: {answer}"
        with open(f"/proc/{self.holder.pid}/task/{self.holder.pid}/children") as file:
            self.init = int(file.read().split()[0])
        # On v2, processes may be in the leaves only.
        if arguments == ["unified"]:
            joined = self._joined([f"{self.cgroups[0]}/init"])
        self.prefix = [*joined, "nsenter", f"--target={self.init}", "--mount", "--net", "--pid"]
        self.prefix += ["--ipc", "--uts", "--cgroup", "--"]
        self.ok("mkdir", "-p", "/usr/local/bin")
        self.ok("ln", "-sf", pyoci, "/usr/local/bin/pyoci")

    @staticmethod
    def _joined(cgroups: list[str]) -> list[str]:
        """Give a command that moves itself into cgroups and executes its arguments."""
        moves = "".join(f"echo 0 > {shlex.quote(path)}/cgroup.procs; " for path in cgroups)
        return ["sh", "-ec", f'{moves}exec "$@"', "sh"]

    def command(self, *arguments: str) -> list[str]:
        """Give the command line that runs a program inside."""
        return [*self.prefix, *arguments]

    def call(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a program to its end, its output captured."""
        options.setdefault("timeout", 120)
        if "input" not in options:
            options.setdefault("stdin", subprocess.DEVNULL)
        options["env"] = self.environment | options.get("env", {})
        return subprocess.run(
            self.command(*arguments), capture_output=True, text=True, errors="replace", **options
        )

    def ok(self, *arguments: str, **options: Any) -> str:
        """Run a program that has to succeed; give its output."""
        done = self.call(*arguments, **options)
        assert done.returncode == 0, f"{arguments}: {done.returncode}: {done.stderr}{done.stdout}"
        return done.stdout

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[bytes]:
        """Start a program and leave it running."""
        options["env"] = self.environment | options.get("env", {})
        options.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.Popen(self.command(*arguments), **options)

    def on_terminal(
        self, *arguments: str, typed: str = "", rows: int = 24, columns: int = 80
    ) -> tuple[str, int]:
        """Run a program on a terminal of its own; give all it showed, and its exit status."""
        master, slave = os.openpty()
        termios.tcsetwinsize(slave, (rows, columns))
        program = subprocess.Popen(
            ["setsid", "--ctty", "--wait", *self.command(*arguments)],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=self.environment,
        )
        os.close(slave)
        os.write(master, typed.encode())
        shown = b""
        # EIO is what a terminal's master reads after the last close of its slave.
        with contextlib.suppress(OSError):
            while select.select([master], [], [], 60)[0]:
                shown += os.read(master, 4096)
        os.close(master)
        return shown.decode(errors="replace"), program.wait(60)

    def daemon(
        self, *arguments: str, ready: Callable[[], bool], **options: Any
    ) -> subprocess.Popen[bytes]:
        """Start a daemon and wait until it is ready; its log is NAME.log in the directory."""
        log = f"{self.log_directory}/{os.path.basename(arguments[0])}.log"
        with open(log, "wb") as file:
            daemon = self.start(*arguments, stdout=file, stderr=file, **options)
        self.daemons.append(daemon)

        def is_ready() -> bool:
            if daemon.poll() is not None:
                with open(log, errors="replace") as file:
                    raise AssertionError(f"{arguments[0]} ended: {file.read()[-3000:]}")
            return ready()

        until(is_ready, f"{arguments[0]} is ready (see {log})", 60)
        return daemon

    @property
    def log_directory(self) -> str:
        """Where the daemons' logs are: outside, they outlive the enclosure."""
        path = f"{self.directory}-logs"
        os.makedirs(path, exist_ok=True)
        return path

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """Write a file inside."""
        script = 'umask 022; mkdir -p "$(dirname "$1")"; cat > "$1"; chmod "$2" "$1"'
        self.ok("sh", "-ec", script, "sh", path, f"{mode:o}", input=text)

    def read(self, path: str) -> str:
        """Read a file inside."""
        return self.ok("cat", path)

    def cgroup_directories(self) -> set[str]:
        """Give the cgroups below the enclosure's own."""
        return {
            os.path.join(top, name)
            for cgroup in self.cgroups
            for top, names, _ in os.walk(cgroup)
            for name in names
        }

    def processes(self) -> dict[int, str]:
        """Give the processes inside: their PIDs on the host, and their names."""
        namespace = os.readlink(f"/proc/{self.init}/ns/mnt")
        pid_namespace = os.readlink(f"/proc/{self.init}/ns/pid")
        found = {}
        for entry in os.listdir("/proc"):
            with contextlib.suppress(OSError):
                if entry.isdigit() and (
                    os.readlink(f"/proc/{entry}/ns/mnt") == namespace
                    or os.readlink(f"/proc/{entry}/ns/pid") == pid_namespace
                ):
                    with open(f"/proc/{entry}/comm") as file:
                        found[int(entry)] = file.read().strip()
        return found

    def mounts(self) -> list[str]:
        """Give the mount points inside."""
        with open(f"/proc/{self.init}/mountinfo") as file:
            return sorted(line.split()[4] for line in file)

    def close(self) -> None:
        """End everything inside and remove the cgroups."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.init, signal.SIGKILL)
        self.holder.wait()
        for daemon in self.daemons:
            daemon.wait()
        for cgroup in self.cgroups:
            until(lambda cgroup=cgroup: remove_cgroup(cgroup), f"{cgroup} is removed")
        with contextlib.suppress(OSError):
            os.rmdir(self.directory)


def copy_setting(source: str, target: str) -> None:
    """Copy a cgroup's setting to its child."""
    with open(source) as file:
        value = file.read()
    with open(target, "w") as file:
        file.write(value)


def remove_cgroup(path: str) -> bool:
    """Remove a cgroup and those below it; false while one is still in use."""
    try:
        for top, _, _ in os.walk(path, topdown=False):
            os.rmdir(top)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def until(condition: Callable[[], bool], what: str, seconds: float = 30) -> None:
    """Wait for a condition that has to come true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        time.sleep(0.05)
