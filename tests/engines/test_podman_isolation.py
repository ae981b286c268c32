"""podman run: namespaces, capabilities, seccomp, devices."""

from __future__ import annotations

import json
import os

from podman_engine import Podman

# CapEff with podman's default capabilities: CHOWN DAC_OVERRIDE FOWNER FSETID KILL NET_BIND_SERVICE
# SETFCAP SETGID SETPCAP SETUID SYS_CHROOT.
DEFAULT = 0x800405FB


def capabilities(podman: Podman, *flags: str) -> int:
    text = podman.output(*flags, "--", "grep", "CapEff", "/proc/self/status")
    return int(text.split()[1], 16)


def test_default_capabilities(podman: Podman) -> None:
    assert capabilities(podman) == DEFAULT


def test_added_and_dropped_capabilities(podman: Podman) -> None:
    assert capabilities(podman, "--cap-drop=all", "--cap-add=net_raw") == 1 << 13
    assert capabilities(podman, "--cap-drop=chown", "--cap-add=sys_ptrace") == (
        DEFAULT & ~1 | 1 << 19
    )


def test_ordinary_user_has_no_capabilities(podman: Podman) -> None:
    assert capabilities(podman, "--user=1000") == 0


def test_privileged(podman: Podman) -> None:
    with open("/proc/self/status") as file:
        [own] = [line.split()[1] for line in file if line.startswith("CapBnd")]
    text = podman.output(
        "--privileged", "--", "sh", "-c", "grep CapBnd /proc/1/status; ls /dev/kmsg"
    )
    assert int(text.split()[1], 16) == int(own, 16)
    assert text.endswith("/dev/kmsg")


def test_no_new_privileges(podman: Podman) -> None:
    command = ("--", "grep", "NoNewPrivs", "/proc/self/status")
    assert podman.output(*command).split() == ["NoNewPrivs:", "0"]
    denied = podman.output("--security-opt=no-new-privileges", *command)
    assert denied.split() == ["NoNewPrivs:", "1"]


def test_default_seccomp_profile_is_on(podman: Podman) -> None:
    command = ("--", "grep", "^Seccomp:", "/proc/self/status")
    assert podman.output(*command).split() == ["Seccomp:", "2"]
    off = podman.output("--security-opt=seccomp=unconfined", *command)
    assert off.split() == ["Seccomp:", "0"]


def test_seccomp_profile_of_the_user(podman: Podman) -> None:
    profile = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64"],
        "syscalls": [
            {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28},
        ],
    }
    path = f"{podman.enclosure.directory}/profile.json"
    podman.enclosure.write(path, json.dumps(profile))
    done = podman.run(f"--security-opt=seccomp={path}", "--", "mkdir", "/tmp/x")
    assert "No space left on device" in done.stderr


def test_masked_and_read_only_paths(podman: Podman) -> None:
    script = "cat /proc/keys /proc/timer_list; ls /proc/acpi /sys/firmware"
    script += "; echo x > /proc/sys/kernel/hostname"
    done = podman.run("--", "sh", "-c", script)
    assert done.stdout.replace("/proc/acpi:", "").replace("/sys/firmware:", "").strip() == ""
    assert "/proc/sys/kernel/hostname: Read-only file system" in done.stderr


def test_unmasked_paths(podman: Podman) -> None:
    text = podman.output("--security-opt=unmask=/proc/timer_list", "--", "cat", "/proc/mounts")
    assert " /proc/timer_list " not in text


def test_pid_namespace(podman: Podman) -> None:
    script = "echo $$; readlink /proc/self/ns/pid"
    own = podman.shell(script).split()
    of_the_host = podman.shell(script, "--pid=host").split()
    assert own[0] == "1"
    assert of_the_host[1] == os.readlink(f"/proc/{podman.enclosure.init}/ns/pid")
    assert int(of_the_host[0]) > 1


def test_killing_a_container_without_its_own_pid_namespace_kills_all_of_it(podman: Podman) -> None:
    name = podman.start("--pid=host", "--", "sh", "-c", "sleep 8765 & sleep 8765; true")
    assert podman.enclosure.ok("pgrep", "-fc", "^sleep 8765") == "2\n"
    podman.ok("rm", "--force", "--time=0", name)
    assert podman.enclosure.call("pgrep", "-f", "^sleep 8765").stdout == ""


def test_namespaces_of_another_container(podman: Podman) -> None:
    kinds = ("net", "ipc", "pid")
    script = "; ".join(f"readlink /proc/self/ns/{kind}" for kind in kinds)
    first = podman.start("--ipc=shareable")
    theirs = podman.ok("exec", first, "sh", "-c", script)
    flags = (f"--network=container:{first}", f"--ipc=container:{first}", f"--pid=container:{first}")
    assert podman.shell(script, *flags) == theirs


def test_user_namespace(podman: Podman) -> None:
    flags = ("--uidmap=0:200000:5000", "--gidmap=0:300000:5000")
    script = "cat /proc/self/uid_map /proc/self/gid_map; stat -c %u:%g /etc/passwd; id -u"
    answer = podman.shell(script, *flags).split()
    assert answer == "0 200000 5000 0 300000 5000 0:0 0".split()


def test_user_namespace_that_podman_chooses(podman: Podman) -> None:
    podman.enclosure.ok(
        "sh", "-c", "for f in subuid subgid; do echo containers:400000:200000 >> /etc/$f; done"
    )
    answer = podman.output("--userns=auto:size=2000", "--", "cat", "/proc/self/uid_map").split()
    assert answer[0] == "0" and answer[2] == "2000" and int(answer[1]) >= 400000


def test_cgroup_and_uts_namespace_of_the_host(podman: Podman) -> None:
    script = "hostname; readlink /proc/self/ns/cgroup"
    answer = podman.shell(script, "--uts=host", "--cgroupns=host").split()
    assert answer == ["enclosure", os.readlink(f"/proc/{podman.enclosure.init}/ns/cgroup")]


def test_device(podman: Podman) -> None:
    device = f"{podman.enclosure.directory}/fuse-{podman.new_name()}"
    podman.enclosure.ok("mknod", device, "c", "10", "229")
    script = "stat -c %t:%T /dev/clone; : < /dev/clone; : > /dev/clone"
    done = podman.run(f"--device={device}:/dev/clone:r", "--", "sh", "-c", script)
    assert done.stdout == "a:e5\n"
    assert done.stderr.count("Operation not permitted") == 1
    assert "can't create /dev/clone" in done.stderr


def test_devices_are_denied_unless_given(podman: Podman) -> None:
    script = "mknod /tmp/kmsg c 1 11 && cat /tmp/kmsg"
    done = podman.run("--cap-add=mknod", "--", "busybox", "sh", "-c", script)
    assert "Operation not permitted" in done.stderr
    assert done.returncode == 1


def test_default_devices_work(podman: Podman) -> None:
    script = (
        "head -c 3 /dev/zero | wc -c; head -c 3 /dev/urandom | wc -c; echo > /dev/null; ls /dev"
    )
    answer = podman.shell(script).split()
    assert answer[:2] == ["3", "3"]
    assert {"full", "random", "tty", "ptmx", "pts", "stdin", "fd", "shm", "mqueue"} <= set(answer)
