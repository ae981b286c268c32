"""The plan of an exec: the same process, in a container that is there."""

from __future__ import annotations

import pytest

from pyoci.errors import SpecError
from pyoci.plan.exec import ExecRequest, compile_exec
from pyoci.plan.namespaces import NAMESPACE_FLAGS

PROCESS = {"cwd": "/", "args": ["id"]}


@pytest.fixture
def executed(configuration, fake_host, plan_class):
    def make(process=None, host=None, request=None, **changes):
        warnings: list[str] = []
        operations = compile_exec(
            configuration(**changes),
            {**PROCESS, **(process or {})},
            ExecRequest(**{"id": "c1", "pidfd": 9, **(request or {})}),
            host or fake_host(),
            warnings,
        )
        return plan_class(operations, warnings)

    return make


def test_nobody_may_trace_the_init_while_it_is_inside(executed):
    """CVE-2016-9962."""
    plan = executed()
    assert plan.operations[plan.names.index("set_dumpable")].arguments() == {"value": 0}
    assert plan.names.index("set_dumpable") < plan.names.index("join_process")


def test_a_privileged_caller_has_left_the_hosts_mounts_before_the_child_can_be_seen(executed):
    """CVE-2016-9962. The cgroup namespace comes later: the child is cloned in from outside."""
    plan = executed()
    first, second = plan.all("join_process")
    for kind in ("pid", "mount", "ipc", "network", "uts"):
        assert first["types"] & NAMESPACE_FLAGS[kind]
    assert second["types"] == NAMESPACE_FLAGS["cgroup"]
    index = plan.names.index
    assert index("set_dumpable") < index("join_process") < index("clone")
    assert plan.one("clone")["pidfd_payload"] == "setns"


def test_without_privileges_everything_is_joined_first(executed, fake_host):
    plan = executed(host=fake_host(effective=0))
    joined = plan.one("join_process")["types"]
    assert joined & NAMESPACE_FLAGS["pid"]
    assert joined & NAMESPACE_FLAGS["mount"]
    assert plan.place("join_process") < plan.place("clone")


def test_namespaces_that_the_container_shares_are_not_joined(executed):
    plan = executed(linux={"namespaces": [{"type": "mount"}]})
    assert plan.one("join_process")["types"] == NAMESPACE_FLAGS["mount"]


def test_the_program_starts_without_waiting(executed):
    plan = executed()
    assert "wait_start" not in plan.names
    assert plan.place("sync", name="ready") < plan.place("exec")


def test_pointers_lead_into_the_process_object(executed):
    plan = executed({"rlimits": [{"type": "RLIMIT_CORE", "soft": 0, "hard": 0}]})
    assert plan.operations[plan.place("rlimit")].pointer == "/rlimits/0"
    assert plan.operations[plan.place("exec")].pointer == "/args"


def test_the_affinity_changes_on_both_sides_of_the_clone(executed):
    plan = executed({"execCPUAffinity": {"initial": "0", "final": "1,3"}})
    first, second = [i for i, name in enumerate(plan.names) if name == "cpu_affinity"]
    assert first < plan.place("clone") < second
    assert plan.operations[second].arguments() == {"cpus": b"\x0a" + bytes(7)}


def test_an_affinity_that_is_no_list_is_refused(executed):
    with pytest.raises(SpecError) as caught:
        executed({"execCPUAffinity": {"final": "3-1"}})
    assert caught.value.subject == "/execCPUAffinity/final"


def test_a_terminal_is_not_bound_onto_the_container_s_console(executed):
    plan = executed({"terminal": True}, request={"console_socket": "/s"})
    assert plan.one("open_console")["mount"] == 0


def test_a_container_without_a_mount_namespace_is_entered_through_its_root(executed):
    plan = executed(request={"root": "/proc/5/root"}, linux={"namespaces": []})
    assert plan.place("change_root") < plan.place("clone")
    assert plan.one("change_root") == {"slot": plan.one("open_file", path="/proc/5/root")["slot"]}


def test_a_procfs_is_opened_only_for_labels(executed):
    assert "open_proc" not in executed().names
    plan = executed({"apparmorProfile": "p"})
    assert plan.one("write_proc")["proc"] == plan.one("open_proc")["slot"]
