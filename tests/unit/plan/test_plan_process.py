"""`/process`: identity, limits and privileges as operations."""

from __future__ import annotations

import resource
import struct

import pytest

from pyoci.plan.process import capability_mask, scheduler_attributes
from pyoci.spec.tables.capabilities import CAPABILITIES


def bits(*names):
    return sum(1 << CAPABILITIES[name] for name in names)


def test_the_program_has_its_arguments_and_environment(compiled):
    plan = compiled(process={"args": ["sh", "-c", "x"], "env": ["A=b"]})
    assert plan.one("program") == {"args": ["sh", "-c", "x"], "env": ["A=b"]}
    assert plan.place("program") < plan.place("find_program") < plan.place("exec")


def test_user_group_and_groups(compiled):
    plan = compiled(process={"user": {"uid": 7, "gid": 8, "additionalGids": [9, 70000]}})
    assert plan.one("set_user") == {
        "uid": 7,
        "gid": 8,
        "groups": struct.pack("<II", 9, 70000),
        "keep_groups": 0,
    }
    assert plan.one("home_from_passwd") == {"uid": 7}
    assert plan.one("own_stdio") == {"uid": 7}


def test_without_a_user_it_is_root_without_groups(compiled):
    assert compiled().one("set_user") == {"uid": 0, "gid": 0, "groups": b"", "keep_groups": 0}


def test_the_five_sets_of_capabilities(compiled):
    plan = compiled(
        process={
            "capabilities": {
                "bounding": ["CAP_KILL", "CAP_CHOWN"],
                "permitted": ["CAP_KILL"],
                "effective": ["CAP_KILL"],
                "inheritable": ["CAP_CHOWN"],
                "ambient": [],
            }
        }
    )
    assert plan.one("bounding_set")["capabilities"] == bits("CAP_KILL", "CAP_CHOWN")
    assert plan.one("capabilities") == {
        "effective": bits("CAP_KILL"),
        "permitted": bits("CAP_KILL"),
        "inheritable": bits("CAP_CHOWN"),
        "ambient": 0,
    }


def test_without_the_object_there_are_no_capabilities(compiled):
    plan = compiled()
    assert plan.one("bounding_set")["capabilities"] == 0
    assert set(plan.one("capabilities").values()) == {0}


def test_inheritable_is_empty_unless_asked_for(compiled):
    """CVE-2022-29162."""
    plan = compiled(process={"capabilities": {"bounding": ["CAP_KILL"], "effective": ["CAP_KILL"]}})
    assert plan.one("capabilities")["inheritable"] == 0


def test_a_capability_of_another_kernel_is_a_warning(fake_host):
    warnings: list[str] = []
    names = ["CAP_KILL", "CAP_BPF", "CAP_TIME_TRAVEL"]
    assert capability_mask(names, fake_host(last_capability=38), warnings) == bits("CAP_KILL")
    assert [warning.split()[0] for warning in warnings] == ["CAP_BPF", "CAP_TIME_TRAVEL"]


def test_a_capability_that_the_caller_lacks_is_a_warning(fake_host):
    warnings: list[str] = []
    host = fake_host(bounding=bits("CAP_CHOWN"))
    assert capability_mask(["CAP_KILL", "CAP_CHOWN"], host, warnings) == bits("CAP_CHOWN")
    assert len(warnings) == 1


def test_limits_are_set_in_the_container(compiled):
    plan = compiled(process={"rlimits": [{"type": "RLIMIT_CORE", "soft": 0, "hard": 0}]})
    assert plan.one("rlimit") == {"resource": 4, "soft": 0, "hard": 0}
    assert plan.place("rlimit") > plan.place("clone")


def test_a_hard_limit_above_the_caller_s_is_raised_while_that_is_possible(compiled, monkeypatch):
    monkeypatch.setattr(resource, "getrlimit", lambda number: (10, 20))
    plan = compiled(process={"rlimits": [{"type": "RLIMIT_NOFILE", "soft": 15, "hard": 30}]})
    before, after = [i for i, name in enumerate(plan.names) if name == "rlimit"]
    assert before < plan.place("clone") < after
    assert plan.operations[before].arguments() == {"resource": 7, "soft": 10, "hard": 30}


def test_no_limit_is_the_largest_number(compiled, monkeypatch):
    monkeypatch.setattr(resource, "getrlimit", lambda number: (10, resource.RLIM_INFINITY))
    infinity = (1 << 64) - 1
    plan = compiled(
        process={"rlimits": [{"type": "RLIMIT_CPU", "soft": infinity, "hard": infinity}]}
    )
    assert plan.one("rlimit")["hard"] == infinity


def test_the_oom_score_is_written_before_the_clone(compiled):
    plan = compiled(process={"oomScoreAdj": -999})
    assert plan.one("write_file") == {"path": "/proc/self/oom_score_adj", "data": b"-999"}
    assert compiled(process={"oomScoreAdj": 0}).one("write_file")["data"] == b"0"
    assert compiled().all("write_file") == []


def test_labels_are_written_through_the_private_procfs(compiled):
    """CVE-2019-16884: a volume over /proc must not get the label."""
    plan = compiled(process={"apparmorProfile": "p", "selinuxLabel": "l"})
    proc = plan.one("open_proc")["slot"]
    assert plan.one("write_proc", path="self/attr/apparmor/exec") == {
        "proc": proc,
        "path": "self/attr/apparmor/exec",
        "value": "exec p",
    }
    assert plan.one("write_proc", path="self/attr/exec")["value"] == "l"


def test_personality_scheduler_and_io_priority(compiled):
    plan = compiled(
        process={
            "scheduler": {"policy": "SCHED_BATCH", "nice": -5},
            "ioPriority": {"class": "IOPRIO_CLASS_BE", "priority": 4},
        },
        linux={"personality": {"domain": "LINUX32"}},
    )
    assert plan.one("personality") == {"domain": 8}
    assert plan.one("io_priority") == {"value": 2 << 13 | 4}
    assert len(plan.one("scheduler")["attributes"]) == 48


def test_a_scheduler_is_a_struct_sched_attr():
    data = scheduler_attributes(
        {
            "policy": "SCHED_DEADLINE",
            "nice": -3,
            "priority": 2,
            "flags": ["SCHED_FLAG_RESET_ON_FORK", "SCHED_FLAG_RECLAIM"],
            "runtime": 10,
            "deadline": 20,
            "period": 30,
        }
    )
    assert struct.unpack("<IIQiIQQQ", data) == (48, 6, 3, -3, 2, 10, 20, 30)


def test_the_umask_is_set_only_when_it_is_given(compiled):
    assert compiled(process={"user": {"umask": 0}}).one("umask") == {"mask": 0}
    assert compiled().all("umask") == []


def test_a_missing_working_directory_is_made(compiled):
    assert compiled(process={"cwd": "/srv/x"}).one("make_directory") == {
        "path": "/srv/x",
        "mode": 0o755,
    }
    assert compiled().all("make_directory") == []


def test_a_terminal_is_opened_in_the_container_s_devpts_and_sent_out(compiled):
    plan = compiled(
        request={"console_socket": "/console.sock"},
        process={"terminal": True, "consoleSize": {"height": 24, "width": 80}, "user": {"uid": 5}},
    )
    socket = plan.one("connect_unix", path="/console.sock")["slot"]
    console = plan.one("open_console")
    assert (console["socket"], console["width"], console["height"]) == (socket, 80, 24)
    assert (console["uid"], console["mount"]) == (5, 1)
    assert plan.one("use_console") == {"slot": console["slot"]}
    assert plan.all("own_stdio") == []
    assert plan.place("open_console") < plan.place("pivot_root") < plan.place("use_console")


@pytest.mark.parametrize("keyring", [True, False])
def test_a_session_keyring_of_its_own(compiled, keyring):
    plan = compiled(request={"keyring": keyring})
    assert plan.all("session_keyring") == ([{"name": "_ses.c1"}] if keyring else [])


def test_a_memory_policy(compiled):
    plan = compiled(linux={"memoryPolicy": {"mode": "MPOL_BIND", "nodes": "0,2"}})
    assert plan.one("memory_policy") == {"mode": 2, "nodes": b"\5" + bytes(7)}
