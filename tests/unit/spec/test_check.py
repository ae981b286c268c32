"""`check_config`: what it refuses, with which pointer, in which words."""

from __future__ import annotations

import copy
import json
import sys
from pathlib import Path

import pytest

from pyoci.errors import SpecError
from pyoci.spec.check import check_config, check_process, check_resources
from pyoci.spec.json_text import decode

DATA = Path(__file__).parents[2] / "data"
MINIMAL = {
    "ociVersion": "1.0.2",
    "root": {"path": "rootfs"},
    "process": {"cwd": "/", "args": ["sh"]},
}


def config(**members):
    return {**copy.deepcopy(MINIMAL), **members}


def process(**members):
    return config(process={"cwd": "/", "args": ["sh"], **members})


def linux(**members):
    return config(linux=members)


def resources(**members):
    return linux(resources=members)


def mount(**members):
    return config(mounts=[{"destination": "/x", "type": "tmpfs", **members}])


def device(**members):
    return linux(devices=[{"type": "c", "path": "/dev/x", "major": 1, "minor": 1, **members}])


def seccomp(**members):
    return linux(seccomp={"defaultAction": "SCMP_ACT_ALLOW", **members})


REFUSED = [
    # value, pointer, words of the message, words of the hint
    (config(ociVersion=None), "/ociVersion", "is missing", "1.3.0"),
    (config(root=None), "/root", "is missing", "rootfs"),
    (config(process=None), "/process", "is missing", "pyoci spec"),
    (config(hostname=5), "/hostname", "must be a string, not 5", ""),
    (config(hostname="h" * 65), "/hostname", "longer than 64 bytes", ""),
    (config(annotations={"a": 1}), "/annotations/a", "must be a string, not 1", ""),
    (config(annotations={"": "x"}), "/annotations/", "name is empty", ""),
    (config(annotations={"a/b~c": []}), "/annotations/a~1b~0c", "not an array", ""),
    (process(args=[]), "/process/args", "args must not be empty", "program"),
    (process(args=None), "/process/args", "is missing", '["sh"]'),
    (process(args="sh"), "/process/args", 'array of strings, not "sh"', ""),
    (process(args=["sh", 1]), "/process/args/1", "must be a string, not 1", ""),
    (process(env=["A=b", "C=\0"]), "/process/env/1", "holds a NUL", "remove it"),
    (process(cwd="srv"), "/process/cwd", 'absolute path, not "srv"', "begin it with /"),
    (process(cwd=""), "/process/cwd", "absolute path", ""),
    (process(terminal=1), "/process/terminal", "true or false, not 1", ""),
    (process(user={"uid": -1}), "/process/user/uid", "from 0 to 4294967294, not -1", ""),
    (process(user={"gid": 4294967295}), "/process/user/gid", "not 4294967295", ""),
    (process(user={"uid": "root"}), "/process/user/uid", 'integer, not "root"', ""),
    (process(user={"uid": 1.0}), "/process/user/uid", "integer, not 1", ""),
    (process(user={"uid": True}), "/process/user/uid", "integer, not true", ""),
    (process(user={"additionalGids": [1, -2]}), "/process/user/additionalGids/1", "-2", ""),
    (process(oomScoreAdj=1001), "/process/oomScoreAdj", "from -1000 to 1000", ""),
    (
        process(capabilities={"bounding": ["CAP_CHOWN", "chown"]}),
        "/process/capabilities/bounding/1",
        '"chown" is not the name of a capability',
        "did you mean CAP_CHOWN?",
    ),
    (
        process(capabilities={"ambient": ["cap_sys_admin"]}),
        "/process/capabilities/ambient/0",
        "is not the name",
        "did you mean CAP_SYS_ADMIN?",
    ),
    (
        process(rlimits=[{"type": "RLIMIT_NOFILES", "soft": 1, "hard": 1}]),
        "/process/rlimits/0/type",
        '"RLIMIT_NOFILES" is unknown',
        "did you mean RLIMIT_NOFILE?",
    ),
    (
        process(rlimits=[{"type": "RLIMIT_CPU", "soft": 1, "hard": 1}] * 2),
        "/process/rlimits/1",
        "RLIMIT_CPU is listed twice",
        "remove one",
    ),
    (
        process(rlimits=[{"type": "RLIMIT_CPU", "soft": 2, "hard": 1}]),
        "/process/rlimits/0",
        "soft limit 2 is above the hard limit 1",
        "",
    ),
    (
        process(rlimits=[{"type": "RLIMIT_CPU", "soft": 1}]),
        "/process/rlimits/0/hard",
        "missing",
        "",
    ),
    (
        process(terminal=True, consoleSize={"height": 70000, "width": 80}),
        "/process/consoleSize/height",
        "65535",
        "",
    ),
    (process(scheduler={"nice": 1}), "/process/scheduler/policy", "is missing", ""),
    (
        process(scheduler={"policy": "SCHED_FIFOS"}),
        "/process/scheduler/policy",
        "unknown",
        "did you mean SCHED_FIFO?",
    ),
    (
        process(ioPriority={"class": "IOPRIO_CLASS_BE", "priority": 8}),
        "/process/ioPriority/priority",
        "from 0 to 7",
        "",
    ),
    (
        process(execCPUAffinity={"initial": "all"}),
        "/process/execCPUAffinity/initial",
        "not a list of processors",
        "0-3,7",
    ),
    (mount(destination=""), "/mounts/0/destination", "is empty", ""),
    (mount(destination=None), "/mounts/0/destination", "is missing", ""),
    (mount(options=["ro", 1]), "/mounts/0/options/1", "must be a string", ""),
    (
        mount(options=["bind", "idmap=uids=0-1-10"]),
        "/mounts/0/options/1",
        "cannot hold id mappings",
        "uidMappings",
    ),
    (
        mount(uidMappings=[{"containerID": 0, "hostID": 0, "size": 0}]),
        "/mounts/0/uidMappings/0/size",
        "from 1",
        "",
    ),
    (config(mounts={}), "/mounts", "must be an array, not an object", ""),
    (config(mounts=[None]), "/mounts/0", "must be an object, not null", ""),
    (config(hooks={"prestart": [{}]}), "/hooks/prestart/0/path", "is missing", ""),
    (config(hooks={"prestart": [{"path": "x"}]}), "/hooks/prestart/0/path", "absolute", ""),
    (
        config(hooks={"poststop": [{"path": "/x", "timeout": 0}]}),
        "/hooks/poststop/0/timeout",
        "from 1",
        "",
    ),
    (
        config(hooks={"poststop": [{"path": "/x", "args": [""]}]}),
        "/hooks/poststop/0/args/0",
        "is empty",
        "path",
    ),
    (
        config(hooks={"poststop": [{"path": "/x", "env": ["A=b", "=c"]}]}),
        "/hooks/poststop/0/env/1",
        '"=c" names no variable',
        "NAME=value",
    ),
    (
        linux(namespaces=[{"type": "pid"}, {"type": "net"}]),
        "/linux/namespaces/1/type",
        '"net" is unknown',
        "one of cgroup, ipc, mount",
    ),
    (
        linux(namespaces=[{"type": "netwrok"}]),
        "/linux/namespaces/0/type",
        "unknown",
        "did you mean network?",
    ),
    (
        linux(namespaces=[{"type": "pid"}, {"type": "ipc"}, {"type": "pid", "path": "/x"}]),
        "/linux/namespaces/2",
        "duplicate namespace pid: it is in /linux/namespaces/0 already",
        "remove one",
    ),
    (linux(namespaces=[{"type": "pid", "path": "x"}]), "/linux/namespaces/0/path", "absolute", ""),
    (linux(uidMappings=[{"containerID": 0}]), "/linux/uidMappings/0/hostID", "is missing", ""),
    (
        linux(timeOffsets={"monotonic": {"nanosecs": 10**9}}),
        "/linux/timeOffsets/monotonic/nanosecs",
        "999999999",
        "",
    ),
    (device(type="x"), "/linux/devices/0/type", '"x" is unknown', "one of b, c, p, u"),
    (device(path="dev/x"), "/linux/devices/0/path", "absolute", ""),
    (device(major=None), "/linux/devices/0/major", "type c needs it", ""),
    (device(major=4096), "/linux/devices/0/major", "from 0 to 4095", ""),
    (device(minor=-1), "/linux/devices/0/minor", "-1", ""),
    (linux(maskedPaths=["proc"]), "/linux/maskedPaths/0", "absolute", ""),
    (linux(readonlyPaths="/proc"), "/linux/readonlyPaths", "must be an array", ""),
    (
        linux(rootfsPropagation="sharde"),
        "/linux/rootfsPropagation",
        "unknown",
        "did you mean shared?",
    ),
    (linux(sysctl={"net.x": 1}), "/linux/sysctl/net.x", "must be a string, not 1", ""),
    (
        linux(sysctl={"net/../kernel/core_pattern": "x"}),
        "/linux/sysctl/net~1..~1kernel~1core_pattern",
        "not the name of a sysctl",
        "",
    ),
    (
        linux(sysctl={"fs.mqueue./../../kernel/core_pattern": "x"}),
        "/linux/sysctl/fs.mqueue.~1..~1..~1kernel~1core_pattern",
        "not the name of a sysctl",
        "",
    ),
    (linux(personality={"domain": "BSD"}), "/linux/personality/domain", "unknown", "LINUX32"),
    (
        linux(personality={"domain": "LINUX", "flags": ["x"]}),
        "/linux/personality/flags",
        "no flags are defined",
        "",
    ),
    (linux(memoryPolicy={}), "/linux/memoryPolicy/mode", "is missing", ""),
    (linux(netDevices={"eth0": {}}), "/linux/netDevices", "cannot be applied", "remove it"),
    (linux(intelRdt={"closID": "x"}), "/linux/intelRdt", "cannot be applied", "remove it"),
    (resources(devices=[{"access": "r"}]), "/linux/resources/devices/0/allow", "missing", ""),
    (
        resources(devices=[{"allow": True, "access": "rx"}]),
        "/linux/resources/devices/0/access",
        "letters r, w and m",
        "",
    ),
    (resources(memory={"limit": -2}), "/linux/resources/memory/limit", "from -1", ""),
    (resources(memory={"swappiness": 101}), "/linux/resources/memory/swappiness", "100", ""),
    (
        resources(cpu={"quota": 10, "burst": 11}),
        "/linux/resources/cpu/burst",
        "burst 11 is above the quota 10",
        "lower burst",
    ),
    (resources(cpu={"idle": 2}), "/linux/resources/cpu/idle", "from 0 to 1", ""),
    (resources(blockIO={"weight": 5}), "/linux/resources/blockIO/weight", "10 to 1000", ""),
    (
        resources(blockIO={"weightDevice": [{"major": 8, "minor": 0}]}),
        "/linux/resources/blockIO/weightDevice/0",
        "needs weight, leafWeight or both",
        "",
    ),
    (
        resources(hugepageLimits=[{"pageSize": "2mB", "limit": 1}]),
        "/linux/resources/hugepageLimits/0/pageSize",
        '"2mB" is no page size',
        "2MB",
    ),
    (
        resources(rdma={"mlx": {}}),
        "/linux/resources/rdma/mlx",
        "needs hcaHandles, hcaObjects or both",
        "",
    ),
    (resources(unified={"a.b": 1}), "/linux/resources/unified/a.b", "must be a string", ""),
    (seccomp(defaultAction=None), "/linux/seccomp/defaultAction", "is missing", ""),
    (
        seccomp(syscalls=[{"names": [], "action": "SCMP_ACT_LOG"}]),
        "/linux/seccomp/syscalls/0/names",
        "at least one",
        "",
    ),
    (
        seccomp(
            syscalls=[
                {
                    "names": ["read"],
                    "action": "SCMP_ACT_LOG",
                    "args": [{"index": 6, "value": 1, "op": "SCMP_CMP_EQ"}],
                }
            ]
        ),
        "/linux/seccomp/syscalls/0/args/0/index",
        "from 0 to 5",
        "",
    ),
    (
        seccomp(listenerMetadata="x"),
        "/linux/seccomp/listenerMetadata",
        "without listenerPath",
        "",
    ),
]


@pytest.mark.parametrize(
    ("value", "pointer", "words", "hint"),
    REFUSED,
    ids=[f"{pointer}-{words[:20]}" for _, pointer, words, _ in REFUSED],
)
def test_refused_with_pointer_reason_and_hint(value, pointer, words, hint):
    with pytest.raises(SpecError) as caught:
        check_config(copy.deepcopy(value))
    error = caught.value
    assert error.subject == pointer
    assert error.message.startswith(f"{pointer}: ")
    assert words in error.message
    assert hint in (error.hint or "")
    assert "\n" not in str(error)


@pytest.mark.parametrize("value", [None, [], "x", 1])
def test_what_is_no_object_at_all(value):
    with pytest.raises(SpecError, match=r"config.json: must be an object"):
        check_config(value)


def test_null_is_the_same_as_absent():
    value = config(
        hostname=None,
        mounts=None,
        linux={"seccomp": None, "devices": [{"type": "p", "path": "/p", "uid": None}]},
        annotations={"a": None, "b": "c"},
    )
    assert check_config(value) == []
    assert value == config(linux={"devices": [{"type": "p", "path": "/p"}]}, annotations={"b": "c"})


def test_unknown_members_are_ignored_wherever_they_stand():
    value = config(
        myExtension={"x": 1},
        linux={"future": [1], "namespaces": [{"type": "pid", "vendor": True}]},
        windows={"layerFolders": 5},
    )
    assert check_config(value) == []
    assert value["myExtension"] == {"x": 1}


def test_misspelt_members_are_warned_about():
    value = config(Hostname="x", linux={"maskedpath": [], "resources": {"memory": {"limits": 5}}})
    assert sorted(check_config(value)) == [
        "/Hostname is unknown and ignored: did you mean hostname?",
        "/linux/maskedpath is unknown and ignored: did you mean maskedPaths?",
        "/linux/resources/memory/limits is unknown and ignored: did you mean limit?",
    ]


def test_empty_strings_mean_none_where_engines_write_them():
    value = linux(
        namespaces=[{"type": "pid", "path": ""}],
        rootfsPropagation="",
        cgroupsPath="",
        mountLabel="",
        resources={"devices": [{"allow": False, "type": "", "access": ""}]},
        netDevices={},
        intelRdt={},
    )
    assert check_config(value) == []


def test_a_console_size_without_a_terminal_is_ignored():
    assert check_config(process(consoleSize={"height": 70000, "width": 0})) == []


def test_a_capability_of_a_newer_kernel_is_no_error():
    assert check_config(process(capabilities={"bounding": ["CAP_TIME_TRAVEL"]})) == []


def test_names_with_control_characters_stay_on_one_line():
    with pytest.raises(SpecError) as caught:
        check_config(config(annotations={"a\nb": 1}))
    assert caught.value.message.startswith("/annotations/a?b: ")
    assert caught.value.subject == "/annotations/a\nb"


def test_a_process_is_checked_by_itself():
    assert check_process({"cwd": "/", "args": ["sh"], "user": None}) == []
    with pytest.raises(SpecError) as caught:
        check_process({"cwd": "/", "args": []})
    assert caught.value.subject == "/args"


def test_resources_are_checked_by_themselves():
    assert check_resources({"memory": {"limit": 1}}) == []
    with pytest.raises(SpecError) as caught:
        check_resources({"memory": {"limit": "1G"}})
    assert caught.value.subject == "/memory/limit"


def test_official_good_configurations_for_linux_pass():
    for name in ("spec-example", "minimal-for-start"):
        text = (DATA / f"runtime-spec/config/good/{name}.json").read_bytes()
        value = {**decode(text), "ociVersion": "1.0.0"}
        value.get("linux", {}).pop("intelRdt", None)
        value.get("linux", {}).pop("netDevices", None)
        assert check_config(value) == []


def test_a_profile_with_hundreds_of_system_calls_costs_hundreds_of_calls_not_thousands():
    """Names are checked together: on the way to every start there is no call for each of them."""
    value = config(linux={"seccomp": json.loads((DATA / "seccomp/podman-oci.json").read_text())})
    names = sum(len(rule["names"]) for rule in value["linux"]["seccomp"]["syscalls"])
    calls = 0

    def count(frame, event, argument):
        nonlocal calls
        calls += event == "call"

    sys.setprofile(count)
    try:
        check_config(value)
    finally:
        sys.setprofile(None)
    assert names > 300
    assert calls < names
