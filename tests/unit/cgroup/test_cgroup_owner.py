"""Whose a container's cgroup is (config-linux.md, "Cgroup ownership")."""

from __future__ import annotations

import pytest

from pyoci.lifecycle.cgroup_owner import cgroup_owner
from pyoci.plan.host import Host

MOUNT = {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup"}
NEW = [{"type": "cgroup"}]
MAP = "         0     100000      65536\n     70000     300000         10\n"


def config(namespaces=NEW, uid=0, **mount):
    return {
        "process": {"user": {"uid": uid, "gid": 0}},
        "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"}, {**MOUNT, **mount}],
        "linux": {"namespaces": namespaces},
    }


def owner(settings, uid_map="0 0 4294967295\n", host=None):
    return cgroup_owner(settings, host or Host(unified=True), uid_map)


@pytest.mark.parametrize(
    ("settings", "uid"),
    [
        (config(), 0),
        (config(uid=1000), 1000),
        (config(options=["nosuid", "rw"]), 0),
        (config(options=["ro", "rw"]), 0),
        (config(destination="sys/fs//cgroup/"), 0),
        (config(options=["nosuid", "ro"]), None),
        (config(source="tmpfs"), None),
        (config(destination="/cgroup"), None),
        (config([{"type": "mount"}]), None),
        (config([{"type": "cgroup", "path": "/proc/1/ns/cgroup"}]), None),
    ],
)
def test_a_container_that_sees_only_its_cgroup_and_may_write_owns_it(settings, uid):
    assert owner(settings) == uid


@pytest.mark.parametrize(("inside", "outside"), [(0, 100000), (70003, 300003), (80000, None)])
@pytest.mark.parametrize("user", [{"type": "user"}, {"type": "user", "path": "/proc/1/ns/user"}])
def test_the_owner_is_the_hosts_uid(user, inside, outside):
    assert owner(config([*NEW, user], uid=inside), MAP) == outside


@pytest.mark.parametrize("host", [Host(unified=False), Host(unified=True, effective=0)])
def test_neither_v1_nor_a_powerless_caller_gives_anything_away(host):
    assert owner(config(uid=5), host=host) is None
