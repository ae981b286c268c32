"""Device programs of cgroup v2 in the kernel: attached, named, replaced."""

from __future__ import annotations

import os
import subprocess
import uuid

import pytest

from pyoci.cgroup import effective_device_rules
from pyoci.cgroup.device_attach import (
    attach_program,
    attached_programs,
    load_program,
    program_name,
    replace_programs,
)
from pyoci.cgroup.device_bpf import compile_rules
from pyoci.cgroup.hierarchies import read_hierarchies
from pyoci.errors import CgroupError

UNIFIED = read_hierarchies().unified

pytestmark = pytest.mark.skipif(UNIFIED is None, reason="no v2 hierarchy is mounted")

ZERO = {"type": "c", "major": 1, "minor": 5}


def program(*rules):
    return compile_rules([{"allow": False}, *rules])


READ_ONLY = program({**ZERO, "allow": True, "access": "r"})
WRITE_ONLY = program({**ZERO, "allow": True, "access": "w"})
BOTH = program({**ZERO, "allow": True, "access": "rw"})
NOTHING = program()


@pytest.fixture
def directory():
    path = f"{UNIFIED.mountpoint}/box{uuid.uuid4().hex[:10]}"
    os.mkdir(path)
    yield path
    os.rmdir(path)


def access(directory):
    """Say how /dev/zero can be opened in a cgroup: a text of r and w."""
    script = (
        f"echo 0 >{directory}/cgroup.procs; "
        "(: </dev/zero) 2>&- && printf r; (: >/dev/zero) 2>&- && printf w; true"
    )
    return subprocess.run(["sh", "-c", script], capture_output=True, text=True).stdout


def test_a_program_decides_about_each_access(directory):
    assert access(directory) == "rw"
    attach_program(directory, READ_ONLY)
    assert access(directory) == "r"


def test_all_programs_have_to_allow(directory):
    attach_program(directory, READ_ONLY)
    attach_program(directory, WRITE_ONLY)
    assert access(directory) == ""
    assert len(attached_programs(directory)) == 2


def test_programs_are_replaced_by_one(directory):
    for each in (READ_ONLY, WRITE_ONLY, NOTHING):
        attach_program(directory, each)
    replace_programs(directory, BOTH, others=True)
    assert access(directory) == "rw"
    assert len(attached_programs(directory)) == 1
    replace_programs(directory, WRITE_ONLY, others=False)
    assert access(directory) == "w"
    assert len(attached_programs(directory)) == 1


def test_no_program_is_left_where_everything_is_allowed(directory):
    attach_program(directory, NOTHING)
    replace_programs(directory, compile_rules([{"allow": True}]), others=True)
    assert attached_programs(directory) == []
    assert access(directory) == "rw"


def test_programs_of_others_stay_where_the_cgroup_is_theirs(directory, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("pyoci.cgroup.device_attach.NAME", b"somebody")
        attach_program(directory, READ_ONLY)
    attach_program(directory, NOTHING)
    replace_programs(directory, BOTH, others=False)
    assert len(attached_programs(directory)) == 2
    assert access(directory) == "r"
    replace_programs(directory, BOTH, others=True)
    assert access(directory) == "rw"


def test_a_program_bears_our_name():
    descriptor = load_program(NOTHING)
    try:
        assert program_name(descriptor) == b"pyoci_devices"
    finally:
        os.close(descriptor)


def test_cgroup_that_is_gone_is_an_error_of_ours():
    with pytest.raises(CgroupError, match="device program"):
        replace_programs(f"{UNIFIED.mountpoint}/gone", BOTH, others=True)


@pytest.mark.skipif(read_hierarchies().layout != "unified", reason="v1 has a list instead")
@pytest.mark.parametrize("resources", [{}, {"devices": []}])
def test_container_without_device_rules_has_the_default_ones(pyoci, bundle, resources):
    bundle.linux["resources"] = resources
    bundle.linux["devices"] = [
        {"path": "/dev/kmsg", "type": "c", "major": 1, "minor": 11, "fileMode": 0o666}
    ]
    bundle.capabilities("CAP_SYSLOG")
    bundle.script("echo >/dev/null && echo null; dd if=/dev/kmsg bs=1 count=0 2>&1")
    output = pyoci.run(bundle).stdout
    assert output.startswith("null\n")
    assert "not permitted" in output


def test_the_default_rules_come_after_the_containers():
    rules = effective_device_rules({"devices": [{"allow": False, "access": "rwm"}]})
    assert rules[0] == {"allow": False, "access": "rwm"}
    assert {"allow": True, "type": "c", "major": 1, "minor": 3, "access": "rwm"} in rules[1:]
