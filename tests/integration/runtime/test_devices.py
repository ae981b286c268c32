"""``/linux/devices`` and the devices and links that every container has; what is refused."""

from __future__ import annotations

import os
import stat

import pytest

DEFAULT = {
    "/dev/null": (1, 3),
    "/dev/zero": (1, 5),
    "/dev/full": (1, 7),
    "/dev/random": (1, 8),
    "/dev/urandom": (1, 9),
    "/dev/tty": (5, 0),
}


@pytest.fixture(params=["root", "user namespace"])
def either(request, own_bundle):
    """A bundle of which devices are made, and one of which they are bound from the host."""
    if request.param == "user namespace":
        own_bundle.map_ids()
    return own_bundle


def facts(pyoci, bundle, path):
    """Give type, major, minor and mode of a file of the container."""
    bundle.process["args"] = ["stat", "-c", "%F|%t|%T|%a|%u|%g", path]
    kind, major, minor, mode, uid, gid = pyoci.output(bundle).strip().split("|")
    return kind, int(major, 16), int(minor, 16), int(mode, 8), int(uid), int(gid)


@pytest.mark.parametrize("path", DEFAULT)
def test_a_default_device(pyoci, either, path):
    kind, major, minor, mode, *_ = facts(pyoci, either, path)
    assert (kind, major, minor) == ("character special file", *DEFAULT[path])
    assert mode == 0o666


def test_the_default_devices_work(pyoci, either):
    either.script(
        "echo x >/dev/null; head -c 4 /dev/zero | wc -c; head -c 4 /dev/urandom | wc -c;"
        "head -c 4 /dev/random | wc -c; echo x >/dev/full"
    )
    done = pyoci.run(either)
    assert done.stdout.split() == ["4", "4", "4"]
    assert "No space left on device" in done.stderr


def test_links_of_dev_lead_to_the_programs_own_streams(pyoci, bundle):
    bundle.script(
        "for l in fd stdin stdout stderr core ptmx; do echo $l $(readlink /dev/$l); done;"
        "echo through >/dev/stdout"
    )
    *links, last = pyoci.output(bundle).splitlines()
    expected = {
        "fd": "/proc/self/fd",
        "stdin": "/proc/self/fd/0",
        "stdout": "/proc/self/fd/1",
        "stderr": "/proc/self/fd/2",
        "ptmx": "pts/ptmx",
    }
    if os.path.exists("/proc/kcore"):
        expected["core"] = "/proc/kcore"
    assert dict(line.split() for line in links if " " in line) == expected
    assert last == "through"


def test_nothing_else_is_in_dev(pyoci, bundle):
    bundle.process["args"] = ["ls", "/dev"]
    expected = {path.removeprefix("/dev/") for path in DEFAULT} | {"console"}
    links = {"fd", "stdin", "stdout", "stderr", "core", "ptmx", "pts", "shm", "mqueue"}
    assert set(pyoci.output(bundle).split()) <= expected | links


@pytest.mark.parametrize(
    ("device", "expected"),
    [
        (
            {"type": "c", "major": 10, "minor": 200, "fileMode": 0o640, "uid": 7, "gid": 8},
            ("character special file", 10, 200, 0o640, 7, 8),
        ),
        (
            {"type": "b", "major": 7, "minor": 300, "fileMode": 0o600},
            ("block special file", 7, 300, 0o600, 0, 0),
        ),
        (
            {"type": "u", "major": 4095, "minor": 1048575},
            ("character special file", 4095, 1048575, 0o666, 0, 0),
        ),
        ({"type": "p", "fileMode": 0o622, "uid": 1000}, ("fifo", 0, 0, 0o622, 1000, 0)),
    ],
)
def test_a_listed_device_is_made_exactly_so(pyoci, bundle, device, expected):
    bundle.linux["devices"] = [{"path": "/dev/listed", **device}]
    bundle.process["args"] = ["stat", "-c", "%F|%t|%T|%a|%u|%g", "/dev/listed"]
    kind, major, minor, mode, uid, gid = pyoci.output(bundle).strip().split("|")
    found = (kind, int(major, 16), int(minor, 16), int(mode, 8), int(uid), int(gid))
    if device["type"] == "p":
        found = (kind, 0, 0, *found[3:])
    assert found == expected


def test_a_listed_device_may_be_anywhere_below_the_root(pyoci, own_bundle):
    own_bundle.linux["devices"] = [
        {"path": "/var/lib/deep/zero", "type": "c", "major": 1, "minor": 5}
    ]
    own_bundle.script("stat -c '%F %t %T' /var/lib/deep/zero")
    assert pyoci.output(own_bundle) == "character special file 1 5\n"


def test_a_listed_device_takes_the_place_of_a_default_one(pyoci, bundle, is_pyoci):
    if not is_pyoci:
        pytest.skip("runc opens the container's /dev/null with the program's privileges")
    bundle.linux["devices"] = [
        {"path": "/dev/null", "type": "c", "major": 1, "minor": 3, "fileMode": 0o644, "uid": 5}
    ]
    _, major, minor, mode, uid, _ = facts(pyoci, bundle, "/dev/null")
    assert (major, minor, mode, uid) == (1, 3, 0o644, 5)


def test_a_listed_device_in_a_user_namespace_is_the_hosts(pyoci, own_bundle):
    own_bundle.map_ids()
    own_bundle.linux["devices"] = [
        {"path": "/dev/kmsg", "type": "c", "major": 1, "minor": 11, "fileMode": 0o600}
    ]
    kind, major, minor, mode, uid, _ = facts(pyoci, own_bundle, "/dev/kmsg")
    here = os.stat("/dev/kmsg")
    assert (kind, major, minor) == ("character special file", 1, 11)
    assert mode == stat.S_IMODE(here.st_mode)
    assert uid == 65534  # the host's root is nobody there


def test_a_device_that_a_user_namespace_cannot_have_is_named(pyoci, own_bundle, is_pyoci):
    own_bundle.map_ids()
    own_bundle.linux["devices"] = [
        {"path": "/dev/no-such-device", "type": "c", "major": 10, "minor": 99}
    ]
    done = pyoci.run(own_bundle.script("true"))
    assert done.returncode == 1
    assert "/dev/no-such-device" in done.stderr
    if is_pyoci:
        assert "/linux/devices/0" in done.stderr
        assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "device",
    [
        {"path": "/dev/x", "type": "z", "major": 1, "minor": 1},
        {"path": "relative", "type": "c", "major": 1, "minor": 1},
        {"path": "/dev/x", "type": "c"},
        {"path": "/dev/x", "major": 1, "minor": 1},
        {"type": "c", "major": 1, "minor": 1},
        {"path": "/dev/x", "type": "c", "major": "1", "minor": 1},
    ],
)
def test_a_wrong_device_is_named_by_its_place(pyoci, bundle, is_pyoci, device):
    if not is_pyoci:
        pytest.skip("the texts are pyoci's")
    bundle.linux["devices"] = [{"path": "/dev/fine", "type": "p"}, device]
    done = pyoci.run(bundle.script("true"))
    assert done.returncode == 1
    assert "/linux/devices/1" in done.stderr
    assert len(done.stderr.splitlines()) == 1


# -- the device cgroup -----------------------------------------------------------------------------


def probing(bundle, rules):
    """A container with a memory device, and rules for its cgroup."""
    bundle.linux["devices"] = [{"path": "/dev/probe", "type": "c", "major": 1, "minor": 11}]
    bundle.linux["resources"] = {"devices": rules}
    bundle.capabilities("CAP_MKNOD", "CAP_SYSLOG")
    return bundle


DENY_ALL = {"allow": False, "access": "rwm"}


def what_is_allowed(pyoci, bundle):
    bundle.script("(exec 3</dev/probe) && echo read; (exec 3>/dev/probe) && echo write; true")
    return set(pyoci.output(bundle).split())


@pytest.mark.parametrize(
    ("rules", "allowed"),
    [
        ([DENY_ALL], set()),
        (
            [DENY_ALL, {"allow": True, "type": "c", "major": 1, "minor": 11, "access": "rwm"}],
            {"read", "write"},
        ),
        (
            [DENY_ALL, {"allow": True, "type": "c", "major": 1, "minor": 11, "access": "r"}],
            {"read"},
        ),
        ([DENY_ALL, {"allow": True, "type": "c", "major": 1, "minor": 11, "access": "m"}], set()),
        ([DENY_ALL, {"allow": True, "type": "b", "major": 1, "minor": 11, "access": "r"}], set()),
        ([DENY_ALL, {"allow": True, "type": "c", "major": 1, "access": "w"}], {"write"}),
        (
            [
                DENY_ALL,
                {"allow": True, "type": "c", "major": 1, "minor": 11, "access": "rw"},
                {"allow": False, "type": "c", "major": 1, "minor": 11, "access": "w"},
            ],
            {"read"},
        ),
        ([{"allow": True, "access": "rwm"}], {"read", "write"}),
    ],
)
def test_rules_decide_over_a_device(pyoci, own_bundle, rules, allowed):
    assert what_is_allowed(pyoci, probing(own_bundle, rules)) == allowed


def test_every_device_may_be_made_but_not_opened(pyoci, own_bundle):
    # The default rules allow mknod(2), as engines expect.
    probing(own_bundle, [DENY_ALL])
    own_bundle.script("busybox mknod /tmp/node c 1 11 && echo made; (exec 3</tmp/node)")
    done = pyoci.run(own_bundle)
    assert done.stdout == "made\n"
    assert "Operation not permitted" in done.stderr


def test_default_devices_work_whatever_the_rules_say(pyoci, own_bundle):
    own_bundle.linux["resources"] = {"devices": [DENY_ALL]}
    own_bundle.script(
        "for d in null zero full random urandom; do (exec 3</dev/$d) && echo $d; done;"
        "(exec 3>/dev/null) && echo write; (exec 3<>/dev/ptmx) && echo ptmx"
    )
    assert pyoci.output(own_bundle).split() == [
        "null",
        "zero",
        "full",
        "random",
        "urandom",
        "write",
        "ptmx",
    ]


def test_rules_hold_for_what_is_executed_later(pyoci, own_bundle):
    probing(own_bundle, [DENY_ALL])
    own_bundle.process["args"] = ["sleep", "1000"]
    name = pyoci.start(own_bundle)
    done = pyoci.call("exec", name, "head", "-c", "1", "/dev/probe")
    assert done.returncode == 1
    assert "Operation not permitted" in done.stderr
