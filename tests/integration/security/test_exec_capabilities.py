"""Capabilities of processes that exec adds to a container (CVE-2022-29162, CVE-2022-27650)."""

from __future__ import annotations

import pytest

CHOWN, KILL, NET_RAW = 1 << 0, 1 << 5, 1 << 13


@pytest.fixture
def sleeper(pyoci, bundle):
    bundle.capabilities("CAP_KILL", "CAP_CHOWN", "CAP_NET_RAW")
    bundle.process["args"] = ["sleep", "1000"]
    return pyoci.start(bundle)


def sets_of(status):
    return {
        line.partition(":")[0]: int(line.partition(":")[2], 16)
        for line in status.splitlines()
        if line.startswith("Cap")
    }


def test_cve_2022_29162_nothing_is_inheritable_unless_the_configuration_says_so(pyoci, sleeper):
    sets = sets_of(pyoci.ok("exec", sleeper, "cat", "/proc/self/status"))
    assert sets["CapInh"] == 0
    assert sets["CapAmb"] == 0
    assert sets["CapBnd"] == CHOWN | KILL | NET_RAW


@pytest.mark.parametrize("user", ["0", "1000"])
def test_cve_2022_29162_a_capability_of_exec_is_not_inheritable(pyoci, sleeper, user):
    sets = sets_of(
        pyoci.ok("exec", "--user", user, "--cap", "CAP_KILL", sleeper, "cat", "/proc/self/status")
    )
    assert sets["CapInh"] == 0
    assert sets["CapAmb"] == 0


def test_cve_2022_27650_inheritable_capabilities_do_not_reach_a_users_program(pyoci, bundle):
    bundle.capabilities("CAP_KILL", "CAP_CHOWN", "CAP_NET_RAW")
    bundle.process["args"] = ["cat", "/proc/self/status"]
    bundle.process["user"] = {"uid": 1000, "gid": 1000}
    sets = sets_of(pyoci.output(bundle))
    assert (sets["CapInh"], sets["CapPrm"], sets["CapEff"], sets["CapAmb"]) == (0, 0, 0, 0)
