"""/proc and /sys that are not what they seem, and what the runtime writes there.

CVE-2019-16884, CVE-2019-19921, CVE-2023-27561, CVE-2023-28642, CVE-2025-52881, CVE-2025-54867.
"""

from __future__ import annotations

import os

import pytest

ATTEMPTS = 25
SYSCTL = "net.ipv4.ip_unprivileged_port_start"
FILE = "/proc/sys/net/ipv4/ip_unprivileged_port_start"
BEFORE = "decoy\n"


def mounts_of(bundle, *destinations):
    return [mount for mount in bundle.config["mounts"] if mount["destination"] in destinations]


@pytest.fixture
def decoy(tmp_path):
    """A file that is shown where the runtime writes, and that it must not reach."""
    path = tmp_path / "decoy"
    path.write_text(BEFORE)
    yield str(path)
    assert path.read_text() == BEFORE


@pytest.fixture
def fake_proc(tmp_path):
    """A directory that looks like procfs to whoever opens files by name."""
    path = tmp_path / "proc"
    names = (
        *(f"{who}/attr/{kind}" for who in ("self", "1") for kind in ("exec", "current")),
        *(f"{who}/attr/apparmor/exec" for who in ("self", "1")),
        FILE.removeprefix("/proc/"),
        "sys/kernel/hostname",
    )
    for name in names:
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(BEFORE)
    yield str(path)
    for name in names:
        assert (path / name).read_text() == BEFORE, f"the runtime has written to {name}"


# -- a /proc that leads elsewhere ------------------------------------------------------------------


@pytest.mark.parametrize("name", ["proc", "sys"])
@pytest.mark.parametrize("target", ["/elsewhere", "elsewhere", "/", "etc/..", "/nowhere"])
def test_cve_2023_27561_a_symlink_of_the_image_in_its_place_is_refused(
    pyoci, own_bundle, name, target
):
    os.mkdir(f"{own_bundle.rootfs}/elsewhere")
    os.rmdir(f"{own_bundle.rootfs}/{name}")
    os.symlink(target, f"{own_bundle.rootfs}/{name}")
    done = pyoci.run(own_bundle.script("echo RUNS"))
    assert done.returncode != 0
    assert done.stdout == ""
    assert os.listdir(f"{own_bundle.rootfs}/elsewhere") == []


def test_cve_2023_28642_a_symlink_that_masks_would_follow_is_refused(pyoci, own_bundle):
    """With /proc elsewhere, LSM labels and masks would be looked for where the image likes."""
    os.rename(f"{own_bundle.rootfs}/proc", f"{own_bundle.rootfs}/real")
    os.symlink("real", f"{own_bundle.rootfs}/proc")
    own_bundle.linux["maskedPaths"] = ["/proc/keys"]
    done = pyoci.run(own_bundle.script("cat /proc/keys"))
    assert done.returncode != 0
    assert done.stdout == ""


@pytest.mark.parametrize("name", ["proc", "sys"])
def test_cve_2019_19921_a_shared_root_swaps_it_while_the_container_is_made(
    pyoci, own_bundle, exchanged, name
):
    """Two containers of one root file system: the one moves the other's /proc away."""
    os.mkdir(f"{own_bundle.rootfs}/elsewhere")
    os.symlink("/elsewhere", f"{own_bundle.rootfs}/other")
    own_bundle.script("grep -c ' /elsewhere ' /proc/self/mounts; [ -e /proc/self/stat ] && echo ok")
    exchanged(f"{own_bundle.rootfs}/{name}", f"{own_bundle.rootfs}/other")
    for _ in range(ATTEMPTS):
        done = pyoci.run(own_bundle)
        assert done.returncode in (0, 1), done.stderr
        assert os.listdir(f"{own_bundle.rootfs}/elsewhere") == []
        # Nothing was ever mounted behind the symlink; a /proc that is missed by its name is the
        # swapper's own loss.
        assert "1" not in done.stdout.split()


# -- mounts over it --------------------------------------------------------------------------------


@pytest.mark.parametrize("field", ["apparmorProfile", "selinuxLabel"])
def test_cve_2019_16884_a_volume_over_proc_receives_no_label(pyoci, bundle, fake_proc, field):
    bundle.mount("/proc", type="bind", source=fake_proc, options=["rbind"])
    bundle.process[field] = "unconfined_t"
    pyoci.run(bundle.script("true"))


def test_cve_2019_16884_a_volume_over_proc_receives_no_sysctl(pyoci, bundle, fake_proc):
    bundle.mount("/proc", type="bind", source=fake_proc, options=["rbind"])
    bundle.linux["sysctl"] = {SYSCTL: "7"}
    bundle.linux["maskedPaths"] = bundle.linux["readonlyPaths"] = []
    pyoci.run(bundle.script("true"))


@pytest.mark.parametrize(
    "destination",
    [
        "/proc/self",
        "/proc/self/attr",
        "/proc/1/attr/exec",
        "/proc/sys/kernel",
        "/proc/sys/../self/attr",
        "/proc/./self//attr",
        "/etc/../proc/self/attr/exec",
        "/proc/sysrq-trigger",
    ],
)
def test_cve_2019_16884_a_mount_inside_proc_is_refused(pyoci, bundle, tmp_path, decoy, destination):
    bundle.mount(destination, type="bind", source=decoy, options=["rbind"])
    done = pyoci.run(bundle.script("echo RUNS"))
    assert done.returncode != 0
    assert done.stdout == ""


@pytest.mark.parametrize("target", ["/proc", "/proc/self/attr", "/proc/sys/kernel", "/proc/sys"])
def test_cve_2025_52881_a_symlink_to_the_inside_of_proc_is_refused(
    pyoci, own_bundle, fake_proc, target
):
    os.symlink(target, f"{own_bundle.rootfs}/link")
    own_bundle.mount("/link", type="bind", source=fake_proc, options=["rbind"])
    done = pyoci.run(own_bundle.script("echo RUNS"))
    assert done.returncode != 0
    assert done.stdout == ""


# -- what the runtime writes -----------------------------------------------------------------------


@pytest.fixture
def redirected(own_bundle, tmp_path, decoy, exchanged):
    """A volume in which a mount point is swapped for a symlink into procfs while mounts are made.

    The decoy is what is mounted on it: a write by name that comes later ends up there.
    """

    def redirect(target):
        volume = tmp_path / "volume"
        volume.mkdir()
        (volume / "place").touch()
        os.symlink(target, volume / "other")
        own_bundle.mount("/volume", type="bind", source=str(volume), options=["rbind"])
        for _ in range(10):
            own_bundle.mount("/volume/place", type="bind", source=decoy, options=["rbind"])
        exchanged(str(volume / "place"), str(volume / "other"))
        return own_bundle

    return redirect


def test_cve_2025_52881_a_sysctl_is_not_redirected_by_racing_mounts(pyoci, redirected):
    redirected = redirected(FILE)
    redirected.linux["sysctl"] = {SYSCTL: "7"}
    redirected.script(f"cat {FILE}; stat -f -c %t {FILE}")
    for _ in range(ATTEMPTS):
        done = pyoci.run(redirected)
        assert done.returncode in (0, 1), done.stderr
        # It is refused, or the kernel has the value.
        assert done.returncode or done.stdout.split() == ["7", "9fa0"]


@pytest.mark.parametrize("field", ["apparmorProfile", "selinuxLabel"])
def test_cve_2025_52881_a_label_is_not_redirected_by_racing_mounts(pyoci, redirected, field):
    kind = "apparmor/exec" if field == "apparmorProfile" else "exec"
    redirected = redirected(f"/proc/self/attr/{kind}")
    redirected.process[field] = "unconfined_t"
    for _ in range(ATTEMPTS):
        # Without that security module the kernel refuses the label; the decoy has it never.
        assert pyoci.run(redirected.script("true")).returncode in (0, 1)


def test_cve_2025_52881_nor_to_a_file_that_does_something_when_it_is_written(
    pyoci, bundle, tmp_path, exchanged
):
    """The other way round: the label's file shown to be another one of procfs."""
    volume = tmp_path / "volume"
    volume.mkdir()
    (volume / "place").touch()
    os.symlink("/proc/self/attr/exec", volume / "other")
    bundle.namespace("uts")
    bundle.mount("/volume", type="bind", source=str(volume), options=["rbind"])
    # Something of procfs, so that its file system alone does not tell it from the right one.
    for _ in range(10):
        bundle.mount(
            "/volume/place", type="bind", source="/proc/sys/kernel/hostname", options=["bind"]
        )
    bundle.process["selinuxLabel"] = "written-by-label"
    bundle.script("cat /proc/sys/kernel/hostname")
    exchanged(str(volume / "place"), str(volume / "other"))
    host = os.uname().nodename
    for _ in range(ATTEMPTS):
        done = pyoci.run(bundle)
        assert "written-by-label" not in done.stdout
    assert os.uname().nodename == host


@pytest.mark.parametrize("over", ["/proc", "/proc/self/attr/exec", "/proc/1/attr"])
def test_cve_2025_52881_exec_writes_its_label_past_what_the_container_has_mounted(
    pyoci, own_bundle, over
):
    own_bundle.capabilities("CAP_SYS_ADMIN")
    own_bundle.process["noNewPrivileges"] = False
    made = (
        "mkdir -p /fake/self/attr /fake/1/attr; for p in self 1 2 3 4 5 6 7 8 9; do"
        " mkdir -p /fake/$p/attr/apparmor; echo decoy > /fake/$p/attr/exec;"
        " echo decoy > /fake/$p/attr/apparmor/exec; done; "
    )
    source = {"/proc": "/fake", "/proc/1/attr": "/fake/1/attr"}.get(over, "/fake/self/attr/exec")
    own_bundle.script(f"{made} mount -o bind {source} {over}; touch /ready; exec sleep 1000")
    name = pyoci.start(own_bundle)
    while not os.path.exists(f"{own_bundle.rootfs}/ready"):
        assert pyoci.status(name) == "running"
    pyoci.call("exec", "--process-label", "label", name, "true")
    pyoci.call("exec", "--apparmor", "profile", name, "true")
    written = []
    for top, _, files in os.walk(f"{own_bundle.rootfs}/fake"):
        for file in files:
            with open(f"{top}/{file}") as opened:
                if opened.read() != "decoy\n":
                    written.append(f"{top}/{file}")
    assert written == []


@pytest.mark.parametrize(
    "name",
    [
        "kernel.core_pattern",
        "kernel/core_pattern",
        "net/../kernel/core_pattern",
        "user/../kernel/core_pattern",
        "fs/mqueue/../../kernel/core_pattern",
        "fs/mqueue/./../../kernel/core_pattern",
        "net//ipv4/../../kernel/core_pattern",
        "/kernel/core_pattern",
        "../sysrq-trigger",
    ],
)
def test_cve_2025_52881_a_sysctl_of_the_host_is_not_reached_by_its_name(pyoci, bundle, name):
    with open("/proc/sys/kernel/core_pattern") as file:
        before = file.read()
    bundle.namespace("ipc")
    # The value that is there: should it be written after all, nothing is changed.
    bundle.linux["sysctl"] = {name: before.strip()}
    done = pyoci.run(bundle.script("echo RUNS"))
    assert done.returncode != 0
    assert done.stdout == ""


def test_cve_2025_52881_a_sysctl_of_a_joined_host_namespace_is_refused(pyoci, bundle):
    with open(FILE) as file:
        before = file.read()
    bundle.namespace("network", f"/proc/{os.getpid()}/ns/net")
    bundle.linux["sysctl"] = {SYSCTL: before.strip()}
    done = pyoci.run(bundle.script("echo RUNS"))
    assert done.returncode != 0
    assert done.stdout == ""
