"""A process that joins a container gives it nothing to hold on to (CVE-2016-9962)."""

from __future__ import annotations

import os

import pytest

MAPPINGS = [{"containerID": 0, "hostID": 100000, "size": 65536}]
ALL = [
    "CAP_SYS_PTRACE",
    "CAP_SYS_ADMIN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_SETUID",
    "CAP_SETGID",
    "CAP_KILL",
    "CAP_CHOWN",
]


def spied_on(pyoci, bundle, program, work):
    """Run the spy as PID 1 while ``work`` is done; give what it has seen."""
    bundle.process["args"] = [program, "/seen", "secrets"]
    name = pyoci.start(bundle)
    seen = f"{bundle.rootfs}/seen"
    work(name)
    pyoci.ok("kill", name, "TERM")
    pyoci.await_status(name, "stopped")
    with open(seen) as file:
        return file.read().splitlines()


@pytest.fixture
def mapped(own_bundle):
    """A container whose root has every capability in a user namespace of its own."""
    own_bundle.namespace("user")
    own_bundle.linux["uidMappings"] = own_bundle.linux["gidMappings"] = MAPPINGS
    own_bundle.capabilities(*ALL)
    return own_bundle


def give_away(rootfs):
    for top, directories, files in os.walk(rootfs):
        for name in (".", *directories, *files):
            os.chown(f"{top}/{name}", 100000, 100000, follow_symlinks=False)


def test_cve_2016_9962_exec_shows_nothing_to_root_of_the_user_namespace(pyoci, mapped, armed):
    program = armed(mapped.rootfs, "spy")
    give_away(mapped.rootfs)

    def execute(name):
        for _ in range(40):
            pyoci.ok("exec", name, "true")

    lines = spied_on(pyoci, mapped, program, execute)
    # It was quick enough to meet the runtime's process, and could not look into it.
    assert any(line.endswith(" met") for line in lines)
    assert not [line for line in lines if "READ" in line]


def test_cve_2016_9962_exec_shows_nothing_to_root_without_cap_sys_ptrace(pyoci, own_bundle, armed):
    program = armed(own_bundle.rootfs, "spy")

    def execute(name):
        for _ in range(40):
            pyoci.ok("exec", name, "true")

    lines = spied_on(pyoci, own_bundle, program, execute)
    assert any(line.endswith(" met") for line in lines)
    assert not [line for line in lines if "READ" in line]


def test_cve_2016_9962_a_waiting_init_shows_nothing_to_whoever_shares_its_pid_namespace(
    pyoci, own_bundle, bundle, armed
):
    program = armed(own_bundle.rootfs, "spy")

    def create(name):
        pid = pyoci.state(name)["pid"]
        bundle.namespace("pid", f"/proc/{pid}/ns/pid")
        for _ in range(10):
            waiting = pyoci.create(bundle.script("true"))
            pyoci.ok("delete", "--force", waiting)

    lines = spied_on(pyoci, own_bundle, program, create)
    assert any(line.endswith(" met") for line in lines)
    assert not [line for line in lines if "READ" in line]
