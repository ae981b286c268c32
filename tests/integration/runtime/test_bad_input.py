"""Wrong configurations and programs that cannot be executed: one line each, and nothing left.

The line says what was wrong, where (a JSON pointer into config.json) and, in parentheses at its
end, what to do about it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import struct
import subprocess

import pytest


@pytest.fixture(autouse=True)
def needs_pyoci(is_pyoci):
    if not is_pyoci:
        pytest.skip("the texts are pyoci's")


@pytest.fixture
def refused(pyoci):
    """Calls create and run with a bundle; gives the one line that both say."""

    def call(bundle, *, status=1, same=True):
        path = bundle if isinstance(bundle, str) else bundle.write()
        lines = []
        for command in ("create", "run"):
            name = pyoci.new_id()
            done = pyoci.call(command, "--bundle", path, name)
            assert done.returncode == status, f"{done.returncode}: {done.stdout}{done.stderr}"
            assert done.stdout == ""
            assert len(done.stderr.splitlines()) == 1, done.stderr
            assert done.stderr.startswith("pyoci: ")
            assert "internal error" not in done.stderr
            assert name not in os.listdir(pyoci.root), "state is left behind"
            assert pyoci.call("state", name).returncode == 1
            lines.append(done.stderr.strip())
        if same:
            assert lines[0] == lines[1]
        return lines[0]

    return call


def remedy(line):
    """Give what a line says to do: what is in the parentheses at its end."""
    found = re.search(r"\(([^()]|\([^()]*\))+\)$", line)
    assert found is not None, f"nothing is said about what to do: {line}"
    return found.group()


def written(bundle, text):
    bundle.write()
    with open(f"{bundle.path}/config.json", "w") as file:
        file.write(text)
    return bundle.path


# -- config.json -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("", None),
        ("{", None),
        ("not JSON", None),
        ('{"ociVersion": "1.0.2",\n "root": {"path": "rootfs",}\n}', "2"),
        ('{"ociVersion": "1.0.2"} trailing', None),
        ("[1, 2]", None),
        ('"text"', None),
        ("null", None),
        ("\ufeff{}", None),
        ("{" * 100000, None),
        ('{"ociVersion": "\\ud800"}', None),
        ("\0", None),
    ],
)
def test_a_config_that_is_not_json(refused, bundle, text, where):
    line = refused(written(bundle, text))
    assert "config.json" in line or "/" in line
    if where:
        assert where in line


def test_a_config_that_is_not_utf_8(refused, bundle):
    bundle.write()
    with open(f"{bundle.path}/config.json", "wb") as file:
        file.write(b'{"ociVersion": "\xff\xfe"}')
    assert "config.json" in refused(bundle.path)


def test_no_config(refused, bundle):
    os.unlink(f"{bundle.write()}/config.json")
    line = refused(bundle.path)
    assert "config.json" in line
    assert "pyoci spec" in remedy(line)


def test_no_bundle(refused, tmp_path):
    line = refused(str(tmp_path / "nowhere"))
    assert "nowhere" in line
    remedy(line)


@pytest.mark.parametrize("kind", ["directory", "fifo", "dangling link"])
def test_a_config_that_is_no_file(refused, bundle, kind):
    path = f"{bundle.write()}/config.json"
    os.unlink(path)
    if kind == "directory":
        os.mkdir(path)
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        os.symlink("/no/such/file", path)
    assert "config.json" in refused(bundle.path)


def change(pointer, value):
    """Make a change to a configuration: sets, or with ... removes, what a pointer names."""

    def apply(config):
        *way, last = pointer.strip("/").split("/")
        at = config
        for step in way:
            at = at[int(step)] if isinstance(at, list) else at.setdefault(step, {})
        if value is ...:
            del at[last]
        elif isinstance(at, list):
            at[int(last)] = value
        else:
            at[last] = value

    return apply


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        ("/ociVersion", ...),
        ("/ociVersion", "2.0.0"),
        ("/ociVersion", 1),
        ("/process/args", "sh"),
        ("/process/args", []),
        ("/process/args/0", 5),
        ("/process/cwd", "relative"),
        ("/process/cwd", ...),
        ("/process/env", {"A": "1"}),
        ("/process/terminal", "yes"),
        ("/process/user", "root"),
        ("/process/user/uid", "0"),
        ("/process/user/uid", -1),
        ("/process/user/gid", 1.5),
        ("/process/user/umask", 99999),
        ("/process/rlimits/0/type", "RLIMIT_NONE"),
        ("/process/rlimits/0/soft", "many"),
        ("/process/capabilities", ["CAP_KILL"]),
        ("/process/oomScoreAdj", 5000),
        ("/process/noNewPrivileges", "true"),
        ("/root", ...),
        ("/root/path", ...),
        ("/root/path", ["rootfs"]),
        ("/root/readonly", "false"),
        ("/hostname", 5),
        ("/mounts", {}),
        ("/mounts/0", "proc"),
        ("/mounts/0/destination", ...),
        ("/mounts/0/options", "ro"),
        ("/linux", []),
        ("/linux/namespaces", {}),
        ("/linux/namespaces/0", "pid"),
        ("/linux/namespaces/0/type", ...),
        ("/linux/maskedPaths", "/proc/kcore"),
        ("/linux/maskedPaths/0", "relative"),
        ("/linux/sysctl", ["a"]),
        ("/linux/uidMappings", [{"containerID": 0}]),
        ("/linux/rootfsPropagation", "sometimes"),
        ("/hooks", []),
        ("/annotations", {"a": 1}),
    ],
)
def test_a_value_of_the_wrong_kind_is_named_by_its_pointer(refused, bundle, pointer, value):
    change(pointer, value)(bundle.config)
    assert pointer in refused(bundle)


def test_an_unknown_namespace(refused, bundle):
    bundle.linux["namespaces"].append({"type": "netwrok"})
    line = refused(bundle)
    index = len(bundle.linux["namespaces"]) - 1
    assert f"/linux/namespaces/{index}/type" in line and '"netwrok"' in line
    assert "network" in remedy(line)


def test_a_namespace_that_is_listed_twice(refused, bundle):
    bundle.linux["namespaces"].append({"type": "pid"})
    assert "/linux/namespaces" in refused(bundle)


def test_an_unknown_capability_is_a_warning_and_no_failure(pyoci, bundle):
    # The specification wants it so: a new engine on an old kernel.
    bundle.capabilities("CAP_KILL", "CAP_TO_COME")
    assert pyoci.output(bundle.script("echo runs")) == "runs\n"


def test_an_unknown_member_is_no_failure(pyoci, bundle):
    bundle.config["futureFeature"] = {"x": 1}
    bundle.process["futureFlag"] = True
    assert pyoci.output(bundle.script("echo runs")) == "runs\n"


def test_a_missing_rootfs(refused, bundle):
    bundle.config["root"]["path"] = "no-such-rootfs"
    line = refused(bundle)
    assert "/root/path" in line and "no-such-rootfs" in line and "does not exist" in line
    remedy(line)


def test_a_rootfs_that_is_a_file(refused, bundle):
    bundle.write()
    with open(f"{bundle.path}/rootfs", "w"):
        pass
    bundle.config["root"]["path"] = "rootfs"
    line = refused(bundle)
    assert "/root/path" in line and "no directory" in line


def test_a_mount_source_that_does_not_exist(refused, bundle):
    bundle.mount("/data", type="bind", source="/no/such/source", options=["rbind"])
    line = refused(bundle)
    index = len(bundle.config["mounts"]) - 1
    assert f"/mounts/{index}/source" in line and "/no/such/source" in line
    # What engines look for, to give the status of a wrong mount.
    assert "no such file or directory" in line
    remedy(line)


@pytest.mark.parametrize(
    ("mount", "said"),
    [
        ({"type": "bind", "options": ["bind"]}, "source"),
        ({"source": "/x"}, "type"),
        ({"type": "nosuchfs", "source": "x"}, "nosuchfs"),
        ({"type": "tmpfs", "source": "t", "options": ["no_such_option"]}, "no_such_option"),
        ({"type": "tmpfs", "source": "t", "options": ["size=much"]}, "size"),
    ],
)
def test_a_mount_that_cannot_be_made(refused, bundle, mount, said):
    bundle.mount("/tmp", **mount)
    line = refused(bundle)
    assert said in line
    assert f"/mounts/{len(bundle.config['mounts']) - 1}" in line or "/tmp" in line


def test_a_directory_on_a_file(refused, own_bundle, tmp_path):
    own_bundle.mount("/etc/passwd", type="bind", source=str(tmp_path), options=["bind"])
    line = refused(own_bundle)
    assert "/etc/passwd" in line
    assert "directory onto a file" in remedy(line)


# -- the command -----------------------------------------------------------------------------------


def commanded(bundle, *args):
    bundle.process["args"] = list(args)
    return bundle


def image_file(bundle, path, data, mode=0o755):
    full = f"{bundle.rootfs}{path}"
    os.makedirs(os.path.dirname(full), exist_ok=True)
    with open(full, "wb") as file:
        file.write(data if isinstance(data, bytes) else data.encode())
    os.chmod(full, mode)
    return path


def elf(machine=None, *, bits=64, big=False, interpreter=None):
    """Make a program: the head of an ELF file, with an interpreter if need be."""
    here = {"x86_64": 62, "aarch64": 183, "riscv64": 243}[os.uname().machine]
    order = ">" if big else "<"
    count = 1 if interpreter else 0
    ident = b"\x7fELF" + bytes((bits // 32, 2 if big else 1, 1)) + bytes(9)
    if bits == 64:
        head = struct.pack(
            f"{order}HHIQQQIHHHHHH", 2, machine or here, 1, 0, 64, 0, 0, 64, 56, count, 64, 0, 0
        )
        name = (interpreter or "").encode() + b"\0"
        table = struct.pack(f"{order}IIQQQQQQ", 3, 4, 120, 0, 0, len(name), len(name), 1)
    else:
        head = struct.pack(
            f"{order}HHIIIIIHHHHHH", 2, machine or here, 1, 0, 52, 0, 0, 52, 32, count, 40, 0, 0
        )
        name = (interpreter or "").encode() + b"\0"
        table = struct.pack(f"{order}IIIIIIII", 3, 84, 0, 0, len(name), len(name), 4, 1)
    return ident + head + (table + name if count else b"")


def test_a_command_that_is_not_in_the_image(refused, bundle):
    line = refused(commanded(bundle, "no-such-command", "-x"))
    assert 'exec: "no-such-command": executable file not found in $PATH' in line
    assert remedy(line)


def test_a_command_that_is_nearly_there(refused, bundle):
    line = refused(commanded(bundle, "slepe"))
    assert "sleep" in remedy(line)


def test_a_path_that_is_not_in_the_image(refused, bundle):
    line = refused(commanded(bundle, "/bin/no-such"))
    assert 'exec: "/bin/no-such": stat /bin/no-such: no such file or directory' in line


def test_an_empty_command(refused, bundle):
    line = refused(commanded(bundle, ""))
    assert "/process/args/0" in line


def test_no_path_variable_in_the_environment(refused, bundle):
    bundle.process["env"] = ["A=1", "PATH=/nowhere"]
    line = refused(commanded(bundle, "sh"))
    assert "executable file not found in $PATH" in line
    assert "/nowhere" in line or "/bin/sh" in line


def test_a_directory_as_command(refused, bundle):
    line = refused(commanded(bundle, "/etc"))
    assert 'exec: "/etc": is a directory: permission denied' in line


def test_a_command_without_the_execute_bit_by_its_path(refused, own_bundle):
    path = image_file(own_bundle, "/opt/tool", "#!/bin/sh\n", 0o644)
    line = refused(commanded(own_bundle, path))
    assert 'exec: "/opt/tool": permission denied' in line
    assert "chmod +x" in remedy(line)


def test_a_command_without_the_execute_bit_in_the_path(refused, own_bundle):
    image_file(own_bundle, "/usr/bin/tool", "#!/bin/sh\n", 0o644)
    line = refused(commanded(own_bundle, "tool"))
    assert 'exec: "tool": executable file not found in $PATH' in line
    assert "chmod +x" in remedy(line) and "/usr/bin/tool" in line


def test_a_command_on_a_noexec_mount(refused, own_bundle, tmp_path):
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    own_bundle.mount("/mnt", type="bind", source=str(tmp_path), options=["bind", "noexec"])
    line = refused(commanded(own_bundle, "/mnt/program"))
    assert 'exec: "/mnt/program": permission denied' in line
    assert "noexec" in remedy(line)


def test_a_command_in_a_directory_that_the_user_may_not_enter(refused, own_bundle):
    image_file(own_bundle, "/private/tool", "#!/bin/sh\n")
    os.chmod(f"{own_bundle.rootfs}/private", 0o700)
    own_bundle.process["user"] = {"uid": 1000, "gid": 1000}
    line = refused(commanded(own_bundle, "/private/tool"))
    assert "permission denied" in line
    assert "/private" in remedy(line) and "1000" in remedy(line)


OTHERS = {
    "aarch64": (183, 64, False),
    "riscv64": (243, 64, False),
    "s390x": (22, 64, True),
    "arm": (40, 32, False),
    "x86_64": (62, 64, False),
}


@pytest.fixture
def failed_start(pyoci):
    """Creates and starts, and runs; gives the line that both say: what execve(2) itself refuses."""

    def call(bundle):
        name = pyoci.create(bundle)
        done = pyoci.call("start", name)
        assert done.returncode == 1
        assert len(done.stderr.splitlines()) == 1, done.stderr
        pyoci.await_status(name, "stopped")
        pyoci.ok("delete", name)
        run = pyoci.run(bundle)
        assert run.returncode == 1
        assert pyoci.ids[-1] not in os.listdir(pyoci.root)
        assert done.stderr == run.stderr
        return run.stderr.strip()

    return call


@pytest.mark.parametrize("machine", [name for name in OTHERS if name != os.uname().machine])
def test_a_command_for_another_architecture(failed_start, own_bundle, machine):
    number, bits, big = OTHERS[machine]
    path = image_file(own_bundle, "/bin/foreign", elf(number, bits=bits, big=big))
    line = failed_start(commanded(own_bundle, path))
    assert 'exec: "/bin/foreign": exec format error' in line
    assert machine in line and os.uname().machine in line
    remedy(line)


def test_a_script_whose_interpreter_is_missing(failed_start, own_bundle):
    path = image_file(own_bundle, "/bin/script", "#!/usr/bin/python9 -u\nprint()\n")
    line = failed_start(commanded(own_bundle, path))
    assert 'exec: "/bin/script": no such file or directory' in line
    assert "/usr/bin/python9" in line and "interpreter" in line
    remedy(line)


def test_a_script_with_windows_line_ends(failed_start, own_bundle):
    path = image_file(own_bundle, "/bin/script", "#!/bin/sh\r\necho\r\n")
    line = failed_start(commanded(own_bundle, path))
    assert "CRLF" in line
    assert "dos2unix" in remedy(line)


def test_a_text_file_without_an_interpreter(failed_start, own_bundle):
    path = image_file(own_bundle, "/bin/script", "echo hello\n")
    line = failed_start(commanded(own_bundle, path))
    assert "exec format error" in line
    assert "#!/bin/sh" in remedy(line)


def test_an_empty_file(failed_start, own_bundle):
    path = image_file(own_bundle, "/bin/empty", "")
    assert "empty" in failed_start(commanded(own_bundle, path))


def test_a_program_whose_loader_is_missing(failed_start, own_bundle):
    data = elf(interpreter="/lib/ld-musl-none.so.1")
    path = image_file(own_bundle, "/bin/dynamic", data)
    line = failed_start(commanded(own_bundle, path))
    assert 'exec: "/bin/dynamic": no such file or directory' in line
    assert "/lib/ld-musl-none.so.1" in line
    remedy(line)


def test_a_real_dynamic_program_of_the_host(failed_start, own_bundle):
    host = shutil.which("ls")
    if host is None or not subprocess.run(
        ["ldd", host], capture_output=True, check=False
    ).stdout.count(b"ld-linux"):
        pytest.skip("ls is not a dynamic program here")
    with open(host, "rb") as file:
        path = image_file(own_bundle, "/opt/ls", file.read())
    line = failed_start(commanded(own_bundle, path))
    assert "ld-linux" in line
    remedy(line)


def test_the_same_of_exec(pyoci, own_bundle):
    image_file(own_bundle, "/bin/script", "#!/usr/bin/python9\n")
    image_file(own_bundle, "/bin/foreign", elf(OTHERS["s390x"][0], big=True))
    name = pyoci.start(commanded(own_bundle, "sleep", "1000"))
    for command, said in (
        ("/bin/script", "/usr/bin/python9"),
        ("/bin/foreign", "s390x"),
        ("no-such", "executable file not found in $PATH"),
    ):
        done = pyoci.call("exec", name, command)
        assert done.returncode == 255
        assert said in done.stderr
        assert len(done.stderr.splitlines()) == 1
    assert pyoci.status(name) == "running"


# -- where it would run ----------------------------------------------------------------------------


def test_a_working_directory_that_is_a_file(refused, own_bundle):
    own_bundle.process["cwd"] = "/etc/passwd"
    line = refused(own_bundle.script("true"))
    assert "/process/cwd" in line and "/etc/passwd" in line


def test_a_working_directory_that_cannot_be_made(refused, own_bundle):
    own_bundle.config["root"]["readonly"] = True
    own_bundle.process["cwd"] = "/proc/new"
    line = refused(own_bundle.script("true"))
    assert "/process/cwd" in line and "/proc/new" in line


def test_a_working_directory_that_the_user_may_not_enter(refused, own_bundle):
    os.makedirs(f"{own_bundle.rootfs}/closed")
    os.chmod(f"{own_bundle.rootfs}/closed", 0o700)
    own_bundle.process["cwd"] = "/closed"
    own_bundle.process["user"] = {"uid": 1000, "gid": 1000}
    line = refused(own_bundle.script("true"))
    assert "/process/cwd" in line and "/closed" in line and "permission denied" in line
    remedy(line)


def test_an_id_that_is_not_mapped(refused, own_bundle):
    own_bundle.map_ids(size=10)
    own_bundle.process["user"] = {"uid": 1000, "gid": 0}
    line = refused(own_bundle.script("true"))
    assert "1000" in line
    assert "uidMappings" in remedy(line)


def test_setting_what_needs_a_namespace(refused, bundle):
    bundle.without_namespace("uts")
    line = refused(bundle)
    assert "/hostname" in line
    assert '{"type": "uts"}' in remedy(line)


# -- how it is told --------------------------------------------------------------------------------


def test_the_log_has_the_same_with_its_parts(pyoci, bundle, tmp_path):
    bundle.mount("/data", type="bind", source="/no/such/source", options=["rbind"])
    log = tmp_path / "log"
    done = pyoci.call(
        "--log",
        str(log),
        "--log-format",
        "json",
        "run",
        "--bundle",
        bundle.write(),
        pyoci.new_id(),
    )
    (record,) = (json.loads(line) for line in log.read_text().splitlines())
    assert record["level"] == "error"
    assert record["msg"] in done.stderr
    assert record["code"] == "invalid-config"
    assert record["subject"] == f"/mounts/{len(bundle.config['mounts']) - 1}/source"
    assert record["hint"] in done.stderr


@pytest.mark.parametrize("text", ["a\nb", "\x1b[31mred", "é", "\u202e"])
def test_what_a_configuration_says_cannot_forge_lines(refused, bundle, text):
    line = refused(commanded(bundle, f"no-{text}"))
    assert "\x1b" not in line and "\u202e" not in line
