"""An ordinary user's containers: with a user namespace, without cgroups."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time

import pytest

# Nobody's, and not that of another run of the tests at the same time.
USER = 20000 + os.getpid() % 30000
PYTHON = "/usr/bin/python3"
START = (
    "import sys; sys.path.append(sys.argv.pop(1)); import pyoci.cli.main as m; sys.exit(m.main())"
)


@pytest.fixture(scope="session")
def readable_package(tmp_path_factory):
    """The package where every user can read it: a checkout may be private, as may a venv."""
    import pyoci

    directory = tmp_path_factory.mktemp("package")
    source = os.path.dirname(pyoci.__file__)
    ignored = shutil.ignore_patterns("__pycache__", "*.c", "*.o")
    shutil.copytree(source, directory / "pyoci", ignore=ignored)
    let_pass(f"{directory}/pyoci")
    for top, _, files in os.walk(directory):
        os.chmod(top, 0o755)
        for name in files:
            os.chmod(f"{top}/{name}", os.stat(f"{top}/{name}").st_mode | 0o444)
    return str(directory)


def let_pass(path):
    directory = os.path.dirname(path)
    while directory != "/":
        mode = os.stat(directory).st_mode
        if mode & 0o011 != 0o011:
            os.chmod(directory, mode & 0o7777 | 0o011)
        directory = os.path.dirname(directory)


class Ordinary:
    """Calls the runtime as a user without any privileges."""

    def __init__(self, top, package, bundle):
        self.top = top
        self.package = package
        self.bundle = bundle
        self.root = f"{top}/state"
        self.prefix = []

    def command(self, *arguments):
        start = [PYTHON, "-I", "-S", "-c", START, self.package]
        return [*self.prefix, *start, "--root", self.root, *arguments]

    def options(self, **options):
        found = {
            "stdin": subprocess.DEVNULL,
            "env": {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": self.top},
            "cwd": self.top,
            **options,
        }
        if not self.prefix:
            found |= {"user": USER, "group": USER, "extra_groups": []}
        return found

    def call(self, *arguments, **options):
        options = {"capture_output": True, "text": True, "timeout": 60, **options}
        return subprocess.run(self.command(*arguments), **self.options(**options))

    def ok(self, *arguments, **options):
        done = self.call(*arguments, **options)
        assert done.returncode == 0, f"{arguments}: {done.returncode}: {done.stderr}{done.stdout}"
        return done.stdout

    def run(self, *flags):
        self.bundle.write()
        return self.call("run", "--bundle", self.bundle.path, *flags, "box")

    def output(self, *flags):
        done = self.run(*flags)
        assert done.returncode == 0, f"{done.returncode}: {done.stderr}{done.stdout}"
        return done.stdout

    def start(self):
        self.bundle.write()
        with open(f"{self.top}/output", "w+") as output:
            done = self.call(
                *("run", "-d", "--bundle", self.bundle.path, "box"),
                capture_output=False,
                stdout=output,
                stderr=output,
            )
            output.seek(0)
            assert done.returncode == 0, output.read()

    def state(self):
        return [name for name in self._listed() if not name.startswith((".", "@"))]

    def _listed(self):
        return os.listdir(self.root) if os.path.isdir(self.root) else []


@pytest.fixture
def ordinary(own_bundle, tmp_path_factory, readable_package, is_pyoci):
    if not is_pyoci:
        pytest.skip("calls the package, not a program")
    if not os.access(PYTHON, os.X_OK):
        pytest.skip(f"{PYTHON} is missing")
    top = str(tmp_path_factory.mktemp("ordinary"))
    shutil.copytree(own_bundle.rootfs, f"{top}/rootfs", symlinks=True)
    own_bundle.rootfs = f"{top}/rootfs"
    own_bundle.path = top
    own_bundle.config["root"]["path"] = "rootfs"
    own_bundle.map_ids(USER, 1)
    for mount in own_bundle.config["mounts"]:
        # The group tty is not mapped.
        mount["options"] = [o for o in mount.get("options", []) if o != "gid=5"]
    let_pass(f"{top}/x")
    subprocess.run(["chown", "-R", f"{USER}:{USER}", top], check=True)
    caller = Ordinary(top, readable_package, own_bundle)
    probe = caller.call("--version")
    if probe.returncode:
        pytest.skip(f"another user cannot run pyoci from here: {probe.stderr}")
    namespace = subprocess.run(
        ["unshare", "--user", "true"], user=USER, group=USER, extra_groups=[], check=False
    )
    if namespace.returncode:
        pytest.skip("ordinary users may not make user namespaces here")
    yield caller
    caller.call("delete", "--force", "box")
    assert caller.state() == []
    assert processes_of(USER) == [], "a process is left"


def processes_of(user):
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat") as file:
                    running = file.read().rpartition(")")[2].split()[0] not in "ZX"
                if running and os.stat(f"/proc/{entry}").st_uid == user:
                    found.append(int(entry))
            except OSError:
                continue
    return found


def until(condition, what):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        time.sleep(0.01)


def test_the_program_is_root_inside_and_the_user_outside(ordinary):
    ordinary.bundle.script("id -u; id -g; cat /proc/self/uid_map; touch /made")
    assert ordinary.output().split() == ["0", "0", "0", str(USER), "1"]
    status = os.stat(f"{ordinary.bundle.rootfs}/made")
    assert (status.st_uid, status.st_gid) == (USER, USER)


def test_everything_is_its_own(ordinary):
    kinds = ("user", "pid", "net", "ipc", "uts", "mnt", "cgroup")
    ordinary.bundle.script(f"for k in {' '.join(kinds)}; do readlink /proc/self/ns/$k; done")
    here = {os.readlink(f"/proc/self/ns/{kind}") for kind in kinds}
    found = set(ordinary.output().split())
    assert len(found) == len(kinds) and not found & here


def test_mounts_and_devices_work(ordinary):
    ordinary.bundle.mount("/data", type="tmpfs", source="tmpfs", options=["size=1m"])
    ordinary.bundle.mount("/src", type="bind", source=ordinary.top, options=["bind", "ro"])
    ordinary.bundle.script(
        "echo x >/data/x; echo x >/dev/null; head -c 3 /dev/zero | wc -c; ls /src | grep -c rootfs;"
        "touch /src/no; hostname; ls /sys/class/net"
    )
    done = ordinary.run()
    assert done.stdout.split()[:3] == ["3", "1", "box"]
    assert "Read-only file system" in done.stderr
    assert "lo" in done.stdout.split()


def test_a_read_only_root_and_masks_hold(ordinary):
    ordinary.bundle.config["root"]["readonly"] = True
    ordinary.bundle.linux["maskedPaths"].append("/etc/passwd")
    ordinary.bundle.script("cat /etc/passwd; touch /x; umount /etc/passwd; mount -o remount,rw /")
    done = ordinary.run()
    assert done.stdout == ""
    assert "Read-only file system" in done.stderr
    assert not os.path.exists(f"{ordinary.bundle.rootfs}/x")


def test_the_whole_life(ordinary):
    ordinary.bundle.process["args"] = ["sleep", "1000"]
    ordinary.bundle.write()
    done = ordinary.call(
        *("create", "--bundle", ordinary.bundle.path, "box"),
        capture_output=False,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    assert done.returncode == 0
    assert '"status": "created"' in ordinary.ok("state", "box").replace('":"', '": "')
    ordinary.ok("start", "box")
    assert ordinary.ok("list", "-q") == "box\n"
    assert ordinary.ok("exec", "box", "id", "-u") == "0\n"
    ordinary.ok("kill", "box", "KILL")
    until(lambda: "stopped" in ordinary.ok("state", "box"), "it has stopped")
    ordinary.ok("delete", "box")
    assert ordinary.state() == []


def test_exec_gives_exit_status_variables_and_directory(ordinary):
    ordinary.bundle.process["args"] = ["sleep", "1000"]
    ordinary.start()
    script = 'echo "$A"; pwd; exit 9'
    done = ordinary.call("exec", "-e", "A=b c", "--cwd", "/tmp", "box", "sh", "-c", script)
    assert (done.stdout, done.returncode) == ("b c\n/tmp\n", 9)
    done = ordinary.call("exec", "box", "no-such-command")
    assert done.returncode == 255
    assert "executable file not found in $PATH" in done.stderr


def test_the_process_of_an_exec_is_in_every_namespace(ordinary):
    ordinary.bundle.process["args"] = ["sleep", "1000"]
    ordinary.start()
    script = "for k in user pid net ipc uts mnt cgroup; do readlink /proc/{}/ns/$k; done"
    inner = ordinary.ok("exec", "box", "sh", "-c", script.format("self"))
    assert inner == ordinary.ok("exec", "box", "sh", "-c", script.format("1"))


def test_signals_reach_the_program(ordinary):
    ordinary.bundle.script(
        "trap 'echo got it; exit 3' TERM; echo ready; while :; do sleep 0.05; done"
    )
    ordinary.bundle.write()
    process = subprocess.Popen(
        ordinary.command("run", "--bundle", ordinary.bundle.path, "box"),
        **ordinary.options(stdout=subprocess.PIPE, text=True),
    )
    try:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.read() == "got it\n"
        assert process.wait(20) == 3
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("user", [{"uid": 1000, "gid": 0}, {"uid": 0, "gid": 1000}])
def test_an_id_that_is_not_mapped_is_told_and_leaves_nothing(ordinary, user):
    ordinary.bundle.process["user"] = user
    done = ordinary.run()
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "1000" in done.stderr and "Mappings" in done.stderr
    assert ordinary.state() == []


@pytest.mark.parametrize(
    "change",
    [
        {"args": ["no-such-command"]},
        {"cwd": "/etc/passwd"},
        {"rlimits": [{"type": "RLIMIT_NOFILE", "soft": 1 << 30, "hard": 1 << 30}]},
        {"oomScoreAdj": -1000},
    ],
)
def test_what_cannot_be_is_told_in_a_line_and_leaves_nothing(ordinary, change):
    ordinary.bundle.process.update(change)
    done = ordinary.run()
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "internal error" not in done.stderr
    assert ordinary.state() == []


def test_groups_that_cannot_be_set_are_a_warning(ordinary):
    ordinary.bundle.process["user"] = {"uid": 0, "gid": 0, "additionalGids": [77]}
    ordinary.bundle.script("id -G").write()
    log = f"{ordinary.top}/log"
    assert ordinary.ok("--log", log, "run", "-b", ordinary.top, "box") == "0\n"
    with open(log) as file:
        text = file.read()
    assert "level=warning" in text and "/process/user/additionalGids" in text


def test_root_may_exec_where_groups_cannot_be_set(ordinary, pyoci):
    """Also root cannot set groups in a user namespace that denies it."""
    ordinary.bundle.process["args"] = ["sleep", "1000"]
    ordinary.start()
    done = subprocess.run(
        [pyoci.binary, "--root", ordinary.root, "exec", "box", "id", "-u"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.stdout, done.returncode) == ("0\n", 0), done.stderr


def test_groups_cannot_be_set_in_a_namespace_of_the_callers_either(ordinary):
    """As podman calls the runtime for a user without ranges of ids."""
    ordinary.bundle.without_namespace("user")
    for name in ("uidMappings", "gidMappings"):
        del ordinary.bundle.linux[name]
    ordinary.prefix = ["setpriv", "--reuid", str(USER), "--regid", str(USER), "--clear-groups"]
    ordinary.prefix += ["unshare", "--user", "--map-root-user", "--mount"]
    ordinary.bundle.script("cat /proc/self/setgroups; id -u")
    assert ordinary.output() == "deny\n0\n"


def test_a_hook_that_fails_leaves_nothing(ordinary):
    hook = {"path": "/bin/sh", "args": ["sh", "-c", "exit 3"]}
    for kind in ("createRuntime", "createContainer", "startContainer", "poststart"):
        ordinary.bundle.config["hooks"] = {kind: [hook]}
        done = ordinary.run()
        assert done.returncode == 1
        assert f"{kind} hook" in done.stderr
        assert ordinary.state() == []


def test_a_limit_without_a_cgroup_is_told(ordinary):
    ordinary.bundle.linux["resources"] = {"pids": {"limit": 5}}
    done = ordinary.run()
    assert done.returncode == 1
    assert "/linux/resources/pids" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert ordinary.state() == []


def test_without_a_user_namespace_the_user_is_told_to_use_one(ordinary):
    ordinary.bundle.without_namespace("user")
    for name in ("uidMappings", "gidMappings"):
        del ordinary.bundle.linux[name]
    done = ordinary.run()
    assert done.returncode == 1
    assert "user namespace" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert ordinary.state() == []


def test_ids_that_are_not_the_users_are_refused(ordinary):
    ordinary.bundle.linux["uidMappings"] = [{"containerID": 0, "hostID": 0, "size": 1}]
    done = ordinary.run()
    assert done.returncode == 1
    assert "/linux/uidMappings" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert ordinary.state() == []


@pytest.fixture
def with_ranges(ordinary, tmp_path):
    """Gives the user ranges of ids, in a mount namespace where /etc says so."""
    if shutil.which("newuidmap") is None or shutil.which("setpriv") is None:
        pytest.skip("newuidmap or setpriv is missing")
    with open("/etc/passwd") as file:
        passwd = file.read()
    script = ["mount --make-rprivate /"]
    for name, text in (
        ("passwd", f"{passwd}ordinary:x:{USER}:{USER}::{ordinary.top}:/bin/sh\n"),
        ("subuid", f"ordinary:{200000}:1000\n"),
        ("subgid", f"ordinary:{200000}:1000\n"),
    ):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o644)
        if not os.path.exists(f"/etc/{name}"):
            pytest.skip(f"/etc/{name} is missing")
        script.append(f"mount --bind {tmp_path}/{name} /etc/{name}")
    script.append(f'exec setpriv --reuid {USER} --regid {USER} --clear-groups "$@"')
    ordinary.prefix = ["unshare", "--mount", "sh", "-c", " && ".join(script), "sh"]
    for kind in ("uidMappings", "gidMappings"):
        ordinary.bundle.linux[kind] = [
            {"containerID": 0, "hostID": USER, "size": 1},
            {"containerID": 1, "hostID": 200000, "size": 1000},
        ]
    yield ordinary
    ordinary.call("delete", "--force", "box")
    # Files of the other ids are nobody's to remove but root's.
    ordinary.prefix = []


def test_ranges_of_ids_are_mapped_with_newuidmap(with_ranges):
    with_ranges.bundle.process["user"] = {"uid": 1000, "gid": 1000, "additionalGids": [5]}
    with_ranges.bundle.script("id -u; id -g; id -G; wc -l </proc/self/uid_map")
    uid, gid, groups, lines = with_ranges.output().splitlines()
    assert (uid, gid, set(groups.split()), lines) == ("1000", "1000", {"1000", "5"}, "2")


def test_groups_are_set_in_an_exec_too(with_ranges):
    with_ranges.bundle.process["user"] = {"uid": 1000, "gid": 1000, "additionalGids": [5]}
    with_ranges.bundle.process["args"] = ["sleep", "1000"]
    with_ranges.start()
    assert set(with_ranges.ok("exec", "box", "id", "-G").split()) == {"1000", "5"}


def test_files_belong_to_the_mapped_ids(with_ranges):
    with_ranges.bundle.capabilities("CAP_CHOWN")
    with_ranges.bundle.script("touch /tmp/made && chown 7:8 /tmp/made")
    with_ranges.output()
    status = os.stat(f"{with_ranges.bundle.rootfs}/tmp/made")
    assert (status.st_uid, status.st_gid) == (200006, 200007)


def test_a_range_that_is_not_the_users_is_refused_by_newuidmap(with_ranges):
    with_ranges.bundle.linux["uidMappings"][1]["size"] = 5000
    done = with_ranges.run()
    assert done.returncode == 1
    assert "/linux/uidMappings" in done.stderr and "newuidmap" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert with_ranges.state() == []
