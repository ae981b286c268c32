"""What a container sees and reaches of cgroups (CVE-2023-25809)."""

from __future__ import annotations

import os

import pytest

CGROUP = {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup"}


def cgroups_of(name):
    """All directories of the host's cgroups that have this in their names."""
    return [
        os.path.join(top, directory)
        for top, directories, _ in os.walk("/sys/fs/cgroup")
        for directory in directories
        if name in directory
    ]


@pytest.fixture(params=[True, False], ids=["own-namespace", "host-namespace"])
def viewer(request, own_bundle):
    """A container that mounts its cgroups, writable."""
    if not request.param:
        own_bundle.without_namespace("cgroup")
    own_bundle.config["mounts"].append({**CGROUP, "options": ["nosuid", "noexec", "nodev"]})
    own_bundle.capabilities("CAP_SYS_ADMIN", "CAP_DAC_OVERRIDE")
    own_bundle.process["noNewPrivileges"] = False
    return own_bundle


def test_cve_2023_25809_a_container_finds_no_process_but_its_own(pyoci, viewer):
    """The tree of the host, or of its user, would list the processes of others."""
    viewer.script("sleep 1000")
    name = pyoci.start(viewer)
    text = pyoci.ok(
        "exec",
        name,
        "sh",
        "-c",
        "find /sys/fs/cgroup -name cgroup.procs | while read f; do cat $f; done | sort -nu",
    )
    # Those of other PID namespaces are listed as 0.
    processes = {int(word) for word in text.split()}
    assert 1 in processes
    assert 0 not in processes


def test_cve_2023_25809_no_other_cgroup_is_seen(pyoci, viewer, bundle):
    other = pyoci.start(bundle.script("sleep 1000"))
    assert cgroups_of(other)
    text = pyoci.output(viewer.script("find /sys/fs/cgroup -type d"))
    assert "/sys/fs/cgroup" in text.split()
    assert other not in text


def test_cve_2023_25809_a_cgroup_that_is_made_inside_is_below_the_containers_own(
    pyoci, viewer, appears
):
    marker = f"made-inside-{os.getpid()}"
    viewer.script(
        f"for d in /sys/fs/cgroup /sys/fs/cgroup/*; do mkdir $d/{marker}; done; touch /ready;"
        " exec sleep 1000"
    )
    name = pyoci.start(viewer)
    pid = pyoci.state(name)["pid"]
    appears(f"{viewer.rootfs}/ready", lambda: pyoci.status(name) == "running")
    with open(f"/proc/{pid}/cgroup") as file:
        own = {line.rstrip("\n").split(":", 2)[2] for line in file}
    made = cgroups_of(marker)
    pyoci.ok("delete", "--force", name)
    for path in cgroups_of(marker):
        os.rmdir(path)
    assert made
    for path in made:
        assert any(f"{cgroup}/{marker}" in path for cgroup in own if cgroup != "/"), path


def test_cve_2023_25809_read_only_is_read_only(pyoci, viewer):
    viewer.config["mounts"][-1]["options"].append("ro")
    viewer.capabilities("CAP_DAC_OVERRIDE")
    text = pyoci.output(
        viewer.script(
            "for d in /sys/fs/cgroup /sys/fs/cgroup/*; do [ -L $d ] || [ ! -d $d ] ||"
            " mkdir $d/x 2>/dev/null && echo MADE $d; done; echo end"
        )
    )
    assert text == "end\n"


@pytest.mark.parametrize("path", ["..", "../..", "/../..", "a/../../..", "/..", "../../../.."])
def test_exec_leaves_the_containers_cgroup_by_no_path(pyoci, bundle, path):
    name = pyoci.start(bundle.script("sleep 1000"))
    done = pyoci.call("exec", "--cgroup", path, name, "cat", "/proc/self/cgroup")
    assert done.returncode != 0
    assert done.stdout == ""


@pytest.mark.parametrize("path", ["../outside", "/a/../../outside", "../../../../tmp/outside"])
def test_no_path_of_the_configuration_leads_out_of_the_cgroup_file_system(
    pyoci, bundle, tmp_path, path
):
    bundle.linux["cgroupsPath"] = path
    done = pyoci.run(bundle.script("cat /proc/self/cgroup"))
    assert done.returncode == 0 or done.stdout == ""
    assert not os.path.exists("/tmp/outside")
    assert not os.path.exists("/sys/fs/outside")
    assert ".." not in done.stdout
    for top in cgroups_of("outside"):
        assert top.startswith("/sys/fs/cgroup/")
