"""checkpoint and restore: what is dumped goes on, as the container that it was."""

from __future__ import annotations

import array
import json
import os
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from tests.integration.conftest import until


def test_a_restored_container_goes_on_where_it_was(criu, checkpoints, pyoci):
    name = checkpoints.start()
    until(lambda: checkpoints.count() > 3, "it has counted")
    pid = pyoci.state(name)["pid"]
    checkpoints.ok(checkpoints.checkpoint(name))
    assert "does not exist" in pyoci.call("state", name).stderr
    assert has_ended(pid)
    counted = checkpoints.count()
    assert counted > 3
    checkpoints.ok(checkpoints.restore(name, "--pid-file", f"{checkpoints.work}/pid"))
    state = pyoci.state(name)
    assert state["status"] == "running"
    assert Path(f"{checkpoints.work}/pid").read_text() == str(state["pid"])
    until(lambda: checkpoints.count() > counted, "it counts on")
    assert checkpoints.count() < counted + 100


def has_ended(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_a_restored_container_is_a_container(criu, checkpoints, pyoci):
    name = checkpoints.start()
    checkpoints.ok(checkpoints.checkpoint(name))
    checkpoints.ok(checkpoints.restore(name))
    assert pyoci.ok("exec", name, "hostname") == "box\n"
    assert "already running" in pyoci.call("start", name).stderr
    pyoci.ok("pause", name)
    assert pyoci.status(name) == "paused"
    pyoci.ok("resume", name)
    pyoci.ok("kill", name, "KILL")
    pyoci.await_status(name, "stopped")
    pyoci.ok("delete", name)


def test_it_can_be_checkpointed_again(criu, checkpoints, pyoci):
    name = checkpoints.start()
    for _ in range(2):
        checkpoints.ok(checkpoints.checkpoint(name))
        checkpoints.ok(checkpoints.restore(name))
    assert pyoci.status(name) == "running"


def test_left_running_it_runs(criu, checkpoints, pyoci):
    name = checkpoints.start()
    pid = pyoci.state(name)["pid"]
    checkpoints.ok(checkpoints.checkpoint(name, "--leave-running"))
    assert pyoci.state(name)["pid"] == pid
    counted = checkpoints.count()
    until(lambda: checkpoints.count() > counted, "it counts on")


def test_a_paused_container_can_be_checkpointed(criu, checkpoints, pyoci):
    name = checkpoints.start()
    pyoci.ok("pause", name)
    checkpoints.ok(checkpoints.checkpoint(name))
    counted = checkpoints.count()
    checkpoints.ok(checkpoints.restore(name))
    until(lambda: checkpoints.count() > counted, "it counts on")


def test_read_only_mounts_stay_read_only(criu, checkpoints, pyoci, tmp_path):
    bundle = checkpoints.bundle
    for place in ("first", "second"):
        (tmp_path / place).mkdir()
        (tmp_path / place / "file").write_text(place)
        bundle.mount(
            f"/{place}", source=str(tmp_path / place), options=["bind", "ro", "nosuid", "nodev"]
        )
    bundle.linux["maskedPaths"] += ["/proc/acpi", "/sys/fs"]
    name = checkpoints.start()
    before = pyoci.ok("exec", name, "cat", "/proc/self/mounts")
    checkpoints.ok(checkpoints.checkpoint(name))
    checkpoints.ok(checkpoints.restore(name))
    after = pyoci.ok("exec", name, "cat", "/proc/self/mounts")
    assert flags_by_place(after) == flags_by_place(before)
    assert flags_by_place(after)["/second"] >= {"ro", "nosuid", "nodev"}
    assert pyoci.ok("exec", name, "cat", "/first/file", "/second/file") == "firstsecond"
    for path in ("/proc/kcore", "/proc/keys", "/proc/timer_list"):
        assert pyoci.call("exec", name, "cat", path).stdout == ""
    for path in ("/sys/firmware", "/sys/fs", "/second"):
        assert pyoci.call("exec", name, "touch", f"{path}/new").returncode != 0


def flags_by_place(mounts):
    fields = [line.split() for line in mounts.splitlines()]
    known = {"ro", "rw", "nosuid", "nodev", "noexec"}
    return {field[1]: known & set(field[3].split(",")) for field in fields}


def test_a_read_only_root_stays_read_only(criu, checkpoints, pyoci):
    checkpoints.bundle.config["root"]["readonly"] = True
    checkpoints.bundle.process["args"] = ["sleep", "1000"]
    name = pyoci.start(checkpoints.bundle)
    checkpoints.ok(checkpoints.checkpoint(name))
    checkpoints.ok(checkpoints.restore(name))
    assert pyoci.call("exec", name, "touch", "/new").returncode != 0


def test_mount_points_are_made_in_a_new_rootfs(criu, checkpoints, pyoci, tmp_path):
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "file").write_text("text")
    checkpoints.bundle.mount("/new/place", source=str(tmp_path / "source"), options=["bind"])
    checkpoints.bundle.process["args"] = ["sleep", "1000"]
    name = pyoci.start(checkpoints.bundle)
    checkpoints.ok(checkpoints.checkpoint(name))
    os.rmdir(f"{checkpoints.bundle.rootfs}/new/place")
    os.rmdir(f"{checkpoints.bundle.rootfs}/new")
    checkpoints.ok(checkpoints.restore(name))
    assert pyoci.ok("exec", name, "cat", "/new/place/file") == "text"


def test_output_goes_on_into_the_new_pipe(criu, checkpoints, pyoci):
    bundle = checkpoints.bundle
    bundle.script("while :; do echo line; sleep 0.05; done")
    bundle.write()
    name = pyoci.new_id()
    first = pipe_reader(pyoci.command("run", "--detach", "--bundle", bundle.path, name))
    assert first.readline() == "line\n"
    checkpoints.ok(checkpoints.checkpoint(name))
    first.close()
    command = pyoci.command("restore", *checkpoints.restore_flags(), "--detach", name)
    with pipe_reader(command) as second:
        assert second.readline() == "line\n", checkpoints.log("restore.log")


def pipe_reader(command):
    """Run a command that ends at once; give the read end of the pipe that is its output."""
    read, write = os.pipe()
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=write, stderr=write, timeout=60
        )
    finally:
        os.close(write)
    assert done.returncode == 0
    return os.fdopen(read)


def test_a_restore_in_the_foreground_gives_the_exit_status(criu, checkpoints, pyoci):
    bundle = checkpoints.bundle
    bundle.script("trap 'exit 7' TERM; touch /ready; while :; do sleep 0.05; done")
    name = pyoci.start(bundle)
    until(lambda: os.path.exists(f"{bundle.rootfs}/ready"), "the trap is set")
    checkpoints.ok(checkpoints.checkpoint(name))
    # A file again: CRIU wants a stream of the kind and mode that it was.
    with open(f"{bundle.path}/output", "ab") as output:
        process = subprocess.Popen(
            pyoci.command("restore", *checkpoints.restore_flags(), name),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    until(lambda: '"running"' in pyoci.call("state", name).stdout, "it is restored")
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == 7, checkpoints.log("restore.log")
    assert "does not exist" in pyoci.call("state", name).stderr


def test_a_terminal_comes_back_over_the_console_socket(criu, checkpoints, pyoci, tmp_path):
    bundle = checkpoints.bundle
    bundle.process["terminal"] = True
    bundle.script("stty -echo; while read line; do echo got-$line; done")
    bundle.write()
    name = pyoci.new_id()
    path = str(tmp_path / "console")
    with console(path) as listener:
        pyoci.ok("run", "--detach", "--bundle", bundle.path, "--console-socket", path, name)
        master = receive(listener)
    assert ask(master, b"one") == "got-one"
    checkpoints.ok(checkpoints.checkpoint(name))
    os.close(master)
    with console(path) as listener:
        checkpoints.ok(checkpoints.restore(name, "--console-socket", path))
        master = receive(listener)
    assert ask(master, b"two") == "got-two"
    os.close(master)


def console(path):
    if os.path.exists(path):
        os.unlink(path)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    listener.settimeout(30)
    return listener


def receive(listener):
    connection, _ = listener.accept()
    with connection:
        _, control, _, _ = connection.recvmsg(4096, socket.CMSG_SPACE(4))
    (number,) = array.array("i", control[0][2])
    return number


def ask(master, line):
    os.write(master, line + b"\n")
    answer = b""
    while not answer.endswith(b"\n") or b"got-" not in answer:
        answer += os.read(master, 1024)
    return answer.decode().split()[-1]


def test_a_joined_network_namespace_is_joined_again(criu, checkpoints, pyoci, network):
    checkpoints.bundle.namespace("network", network)
    name = checkpoints.start()
    checkpoints.ok(checkpoints.checkpoint(name))
    checkpoints.ok(checkpoints.restore(name))
    pid = pyoci.state(name)["pid"]
    assert os.stat(f"/proc/{pid}/ns/net").st_ino == os.stat(network).st_ino


def test_it_is_restored_into_the_cgroup_of_its_new_name(criu, checkpoints, pyoci):
    checkpoints.bundle.linux["resources"]["pids"] = {"limit": 77}
    old = checkpoints.start()
    checkpoints.ok(checkpoints.checkpoint(old))
    new = pyoci.new_id()
    checkpoints.ok(checkpoints.restore(new))
    lines = Path(f"/proc/{pyoci.state(new)['pid']}/cgroup").read_text().splitlines()
    pids = [line for line in lines if ":pids:" in line] or lines
    assert pids[0].endswith(f"/{new}"), lines
    root = pids[0].split(":")[2]
    top = "/sys/fs/cgroup/pids" if os.path.exists("/sys/fs/cgroup/pids") else "/sys/fs/cgroup"
    assert Path(f"{top}{root}/pids.max").read_text() == "77\n"
    assert f"/{old}\n" not in "\n".join(lines) + "\n"


def test_hooks_run_as_in_runc(criu, checkpoints, pyoci, write_hook):
    make, ran = write_hook
    kinds = ("prestart", "createRuntime", "poststart", "poststop")
    checkpoints.bundle.config["hooks"] = {kind: [make(kind)] for kind in kinds}
    name = checkpoints.start()
    checkpoints.ok(checkpoints.checkpoint(name))
    assert [len(ran(kind)) for kind in kinds] == [1, 1, 1, 1]
    checkpoints.ok(checkpoints.restore(name))
    assert [len(ran(kind)) for kind in kinds] == [2, 2, 1, 1]
    second = ran("createRuntime")[1]
    assert second["id"] == name
    assert second["pid"] == pyoci.state(name)["pid"]


def test_a_failing_hook_fails_the_restore_and_leaves_nothing(criu, checkpoints, pyoci, tmp_path):
    name = checkpoints.start()
    checkpoints.ok(checkpoints.checkpoint(name))
    checkpoints.bundle.config["hooks"] = {"createRuntime": [{"path": "/bin/false"}]}
    checkpoints.bundle.write()
    done = checkpoints.restore(name)
    assert done.returncode == 1
    assert "createRuntime hook #0" in done.stderr
    assert "does not exist" in pyoci.call("state", name).stderr


def test_damaged_images_are_named_and_leave_nothing(criu, checkpoints, pyoci):
    name = checkpoints.start()
    checkpoints.ok(checkpoints.checkpoint(name))
    Path(f"{checkpoints.images}/pstree.img").write_bytes(b"damaged")
    done = checkpoints.restore(name)
    assert done.returncode == 1
    assert f"cannot restore container {name}: criu: " in done.stderr
    assert f"{checkpoints.work}/restore.log" in done.stderr
    assert "does not exist" in pyoci.call("state", name).stderr


def test_a_refused_dump_says_why_and_the_container_runs_on(criu, checkpoints, pyoci):
    bundle = checkpoints.bundle
    # A connection: CRIU wants to be told that it may take it over.
    bundle.script("sleep 1000 | nc -l -p 5000 & while :; do sleep 1000 | nc 127.0.0.1 5000; done")
    name = pyoci.start(bundle)
    pid = pyoci.state(name)["pid"]
    until(lambda: is_connected(pid), "the connection is there")
    done = checkpoints.checkpoint(name)
    assert done.returncode == 1
    assert "--tcp-established" in done.stderr
    assert f"{checkpoints.work}/dump.log" in done.stderr
    assert pyoci.status(name) == "running"
    assert is_connected(pid)


def is_connected(pid):
    """Say whether a process's network namespace has an established connection."""
    lines = Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]
    return any(line.split()[3] == "01" for line in lines)


def test_what_changed_since_a_pre_dump_is_dumped(criu, checkpoints, pyoci):
    if (
        "Dirty tracking is OFF"
        in subprocess.run([criu, "check", "--all"], text=True, capture_output=True).stderr
    ):
        pytest.skip("this kernel does not track changes of memory (CONFIG_MEM_SOFT_DIRTY)")
    name = checkpoints.start()
    top = checkpoints.images
    checkpoints.images = f"{top}/first"
    checkpoints.ok(checkpoints.checkpoint(name, "--pre-dump"))
    assert pyoci.status(name) == "running"
    checkpoints.images = f"{top}/second"
    checkpoints.ok(checkpoints.checkpoint(name, "--parent-path", "../first"))
    counted = checkpoints.count()
    checkpoints.ok(checkpoints.restore(name))
    until(lambda: checkpoints.count() > counted, "it counts on")


def test_the_library_checkpoints_and_restores(criu, checkpoints, pyoci):
    from pyoci import Runtime

    runtime = Runtime(root=pyoci.root)
    name = checkpoints.start()
    container = runtime.container(name)
    container.checkpoint(checkpoints.images)
    with open(os.devnull, "rb") as null, open(f"{checkpoints.bundle.path}/output", "ab") as file:
        stdio = {"stdin": null.fileno(), "stdout": file.fileno(), "stderr": file.fileno()}
        with runtime.restore(checkpoints.bundle.path, name, checkpoints.images, **stdio) as again:
            assert again.status == "running"
            assert again.exec(["true"]).wait() == 0
            again.kill("KILL")
            assert again.wait(60) == 137


# -- what holds wherever CRIU is ------------------------------------------------------------------


def test_only_what_runs_can_be_checkpointed(pyoci, checkpoints):
    checkpoints.bundle.script("true")
    name = pyoci.create(checkpoints.bundle)
    refused = checkpoints.checkpoint(name)
    assert refused.returncode == 1
    assert "container cannot be checkpointed in created state" in refused.stderr
    pyoci.ok("start", name)
    pyoci.await_status(name, "stopped")
    refused = checkpoints.checkpoint(name)
    assert "container cannot be checkpointed in stopped state" in refused.stderr


def test_a_failed_checkpoint_leaves_the_container_running(pyoci, checkpoints):
    name = checkpoints.start()
    pid = pyoci.state(name)["pid"]
    # Nowhere to put images, or a CRIU that cannot work here: both ways it fails.
    Path(checkpoints.images).mkdir()
    Path(f"{checkpoints.images}/inventory.img").mkdir()
    done = checkpoints.checkpoint(name)
    assert done.returncode == 1
    assert f"cannot checkpoint container {name}: criu: " in done.stderr
    assert checkpoints.work in done.stderr
    assert pyoci.state(name)["pid"] == pid
    assert pyoci.status(name) == "running"
    counted = checkpoints.count()
    until(lambda: checkpoints.count() > counted, "it counts on")


def test_errors_are_records_with_a_code(pyoci, checkpoints, tmp_path):
    log = tmp_path / "log"
    flags = ("--image-path", str(tmp_path / "none"), "--bundle", checkpoints.bundle.write())
    done = pyoci.call("--log", str(log), "--log-format", "json", "restore", *flags, pyoci.new_id())
    assert done.returncode == 1
    record = json.loads(log.read_text().splitlines()[-1])
    assert record["level"] == "error"
    assert record["subject"] == str(tmp_path / "none")


def test_a_parent_path_is_relative_and_exists(pyoci, checkpoints):
    name = checkpoints.start()
    assert "must be relative" in checkpoints.checkpoint(name, "--parent-path", "/x").stderr
    assert "is no directory" in checkpoints.checkpoint(name, "--parent-path", "../x").stderr


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        (("--manage-cgroups-mode", "hard"), "invalid value 'hard'"),
        (("--page-server", "host"), "invalid value 'host'"),
        (("--empty-ns", "nets"), "invalid value 'nets'"),
        (("--status-fd", "99"), "file descriptor 99 is not open"),
    ],
)
def test_wrong_values_are_refused(pyoci, flags, text):
    assert text in pyoci.call("checkpoint", *flags, "none").stderr


def test_engines_find_what_they_probe_for(pyoci):
    assert pyoci.call("checkpoint", "--help").returncode == 0
    refused = pyoci.call("restore", "--lsm-mount-context")
    assert "flag needs an argument: --lsm-mount-context" in refused.stderr
